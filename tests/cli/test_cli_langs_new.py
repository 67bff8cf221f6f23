"""`ruach langs new`: flags, questions, errors in one line, and what it says."""

from __future__ import annotations

import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ruach_core.cli import langs_new as command
from ruach_core.cli.langs_new import langs_new
from ruach_core.errors import RuachError

TEXT = "Ng'ombe wangu wanakula nyasi, na mimi nang’oa magugu.\nKila mtu ana haki 2.\n"


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A folder to work in, with a text; no plugin brings a base model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUACH_PLUGINS", "")
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path


def manifest(folder: Path, module: str) -> dict:
    text = (folder / "src" / module / "pack.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def test_a_text_and_a_token_are_enough(ruach, place):
    done = ruach("langs", "new", "zu", "--text", "text.txt", "--whisper-language", "sn")
    assert done.status == 0, done.error
    made = manifest(place / "ruach-lang-zu", "ruach_lang_zu")
    assert made["name"] == made["autonym"] == "Zulu"
    assert (made["iso639_3"], made["script"], made["whisper_language"]) == ("zul", "Latn", "sn")
    assert "Zulu" in made["whisper_language_reason"]
    assert made["alphabet_source"] == "text.txt"
    assert "a letter, it seems" in done.output
    assert done.output.splitlines()[-4:] == [
        "  pip install -e 'ruach-lang-zu[test]'",
        "  ruach langs check zu",
        "  python -m pytest ruach-lang-zu",
        "  ruach train --lang zu --data DIR",
    ]


def test_every_flag_is_heard(ruach, place):
    done = ruach(
        "langs", "new", "qtx-Latn", "--name", "Test", "--autonym", "Tést", "--alphabet", "a b ng'",
        "--script", "Latn", "--whisper-language", "ln", "--reason", "a relative", "--iso639-3",
        "qtx", "--maintainer", "Me <me@example.org>", "--license", "CC0-1.0", "--output",
        "packs/here", "--yes",
    )  # fmt: skip
    assert done.status == 0, done.error
    made = manifest(place / "packs" / "here", "ruach_lang_qtx_latn")
    assert made == made | {
        "code": "qtx-Latn", "iso639_3": "qtx", "name": "Test", "autonym": "Tést",
        "script": "Latn", "alphabet": "a b ng'", "whisper_language": "ln",
        "whisper_language_reason": "a relative", "maintainers": ["Me <me@example.org>"],
        "license": "CC0-1.0",
    }  # fmt: skip
    project = tomllib.loads((place / "packs/here/pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["name"] == "ruach-lang-qtx-latn"


def test_whispers_own_token_is_taken_without_a_reason(ruach, place):
    assert ruach("langs", "new", "ln", "--text", "text.txt").status == 0
    made = manifest(place / "ruach-lang-ln", "ruach_lang_ln")
    assert made["whisper_language"] == "ln"
    assert "whisper_language_reason" not in made


def test_transcripts_of_a_dataset_are_the_text(ruach, place):
    (place / "data" / "train").mkdir(parents=True)
    (place / "data" / "train" / "metadata.csv").write_text(
        "file_name,transcription\na.wav,Mtu wa haki\n", encoding="utf-8"
    )
    done = ruach("langs", "new", "ln", "--from-data", "data")
    assert done.status == 0, done.error
    assert "from the transcripts of data (train)" in done.output
    assert done.output.splitlines()[-1] == "  ruach train --lang ln --data data"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("zulu",), "code 'zulu'"),
        (("qaa", "--text", "text.txt"), "ruach-lang-qaa 0.1.0"),
        (("qtx", "--text", "text.txt"), "--name is missing"),
        (("zu",), "--text, --from-data or --alphabet is missing"),
        (("zu", "--text", "text.txt"), "--whisper-language is missing"),
        (("zu", "--text", "text.txt", "--from-data", "d"), "--text and --from-data"),
        (("zu", "--text", "no.txt", "--whisper-language", "sn"), "no.txt"),
        (("zu", "--from-data", "no", "--whisper-language", "sn"), "no such dataset"),
        (("zu", "--text", "text.txt", "--whisper-language", "zu"), "--whisper-language zu"),
        (("zu", "--text", "text.txt", "--license", "mine"), "--license mine"),
        (("zu", "--text", "text.txt", "--script", "latin"), "--script latin"),
        (("zu", "--text", "text.txt", "--iso639-3", "zu"), "--iso639-3 zu"),
        (("zu", "--alphabet", "1 2"), "--alphabet"),
        (("zu", "--alphabet", "ʼ", "--whisper-language", "sn"), "--script is missing"),
        (("zu", "--text", "text.txt", "--name", 'a"b', "--whisper-language", "sn"), "--name"),
        (("zu", "--text", "text.txt", "--name", " ", "--whisper-language", "sn"), "--name"),
        (("zu", "--text", "text.txt", "--name", "x" * 49, "--whisper-language", "sn"), "--name"),
        (("zu", "--text", "text.txt", "--output", "text.txt"), "exists already"),
        (("zu", "--text", "text.txt", "--whisper-language", "sn", "--model", "./no"), "./no"),
    ],
)  # fmt: skip
def test_errors_are_one_line_and_write_nothing(ruach, place, arguments, says):
    done = ruach("langs", "new", *arguments)
    assert done.status == 1
    assert says in done.error_line
    assert [path.name for path in place.iterdir()] == ["text.txt"]


def test_a_text_without_letters_is_an_error(ruach, place):
    (place / "text.txt").write_text("1 2 3 !", encoding="utf-8")
    done = ruach("langs", "new", "zu", "--text", "text.txt", "--whisper-language", "sn")
    assert "no letter" in done.error_line


@pytest.fixture
def ask(place, monkeypatch):
    """Run the command with somebody at the keyboard."""
    monkeypatch.setattr(command, "is_interactive", lambda: True)

    def run(*arguments: str, answers: str) -> tuple[Path, str]:
        result = CliRunner().invoke(langs_new, arguments, input=answers)
        if isinstance(result.exception, RuachError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return place, result.output

    return run


def test_questions_have_defaults(ask):
    place, output = ask("zu", answers="\ntext.txt\n\nsn\n\n\n")
    made = manifest(place / "ruach-lang-zu", "ruach_lang_zu")
    assert (made["name"], made["whisper_language"]) == ("Zulu", "sn")
    assert "Name of the language in English [Zulu]" in output
    assert "in this script: en fr es" in output


def test_a_wrong_answer_is_asked_again(ask):
    place, output = ask("zu", "--text", "text.txt", answers="\n\nzu\nsn\n\n\n")
    assert "zu is not one of Whisper's languages" in output
    assert manifest(place / "ruach-lang-zu", "ruach_lang_zu")["whisper_language"] == "sn"


def test_letters_can_be_the_answer(ask):
    place, _ = ask("qtx", answers="Test\nа б в\nТест\nru\na relative\nMe\n")
    made = manifest(place / "ruach-lang-qtx", "ruach_lang_qtx")
    assert (made["alphabet"], made["script"]) == ("а б в", "Cyrl")
    assert made["whisper_language_reason"] == "a relative"
    assert made["maintainers"] == ["Me"]


def test_yes_asks_nothing(ask):
    with pytest.raises(RuachError, match="--name is missing"):
        ask("qtx", "--text", "text.txt", "--yes", answers="")


def test_odd_file_names_are_written_printably(ruach, place):
    odd = place / "te\nxt\udcff.txt"
    odd.write_text(TEXT, encoding="utf-8")
    done = ruach("langs", "new", "ln", "--text", str(odd), "--output", "p\nq")
    assert done.status == 0, done.error
    assert manifest(place / "p\nq", "ruach_lang_ln")["alphabet_source"] == "te?xt?.txt"


def test_help_names_every_way_in():
    text = langs_new.get_help(click.Context(langs_new))
    for flag in ("--text", "--from-data", "--alphabet", "--whisper-language", "--yes"):
        assert flag in text
