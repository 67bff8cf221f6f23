from __future__ import annotations

import json

import pytest

from ruach_core.testing.plugins import write_pack

# list


def test_langs_list_marks_invalid_pack_and_exits_0(ruach, pack, tmp_path):
    write_pack(tmp_path, "qtb", keys={"colour": "1"}, version="0.7")
    done = ruach("langs", "list")
    assert done.status == 0
    rows = {line.split()[0]: line for line in done.output.splitlines()}
    assert rows["CODE"].split() == ["CODE", "NAME", "AUTONYM", "DISTRIBUTION", "VERSION", "STATUS"]
    assert rows["qta"].split() == ["qta", "Toy", "ቋንቋ", "ruach-lang-qta", "1.0", "ok"]
    assert "0.7      invalid: pack.toml: colour: unknown key" in rows["qtb"]
    assert list(rows)[1:] == sorted(list(rows)[1:])


def test_langs_list_json(ruach, pack, tmp_path):
    write_pack(tmp_path, "qtb", toml="?")
    rows = {row["code"]: row for row in json.loads(ruach("langs", "list", "--json").output)}
    assert rows["qta"] == {
        "code": "qta",
        "name": "Toy",
        "autonym": "ቋንቋ",
        "distribution": "ruach-lang-qta",
        "version": "1.0",
        "status": "ok",
        "problem": None,
    }
    assert rows["qtb"]["status"] == "invalid"
    assert "not valid TOML" in rows["qtb"]["problem"]


def test_langs_list_writes_utf_8_in_any_locale(ruach_process, pack):
    done = ruach_process("langs", "list", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert "ቋንቋ" in done.output


# info


def test_langs_info_shows_everything(ruach, pack):
    done = ruach("langs", "info", "qta")
    assert done.status == 0
    for part in (
        "Toy (ቋንቋ)", "ISO 639-3 qaa", "ruach-lang-qta 1.0", "Nobody <nobody@example.org>", "Latn",
        "NFC", "a-z (26 letters)", "made up for tests", "<|en|>, borrowed: nobody speaks it", "0.5",
        "case=upper|lower|keep: which case to write", "default for target: keep; for score: lower",
        "synthetic", "a robot reads ten sentences", "CC0-1.0", "Toy Voices", "CC-BY-4.0", "12.5 h",
        "https://example.org/toy", "read speech", "samples.tsv",
    ):  # fmt: skip
        assert part in done.output, part


def test_langs_info_json(ruach, pack):
    about = json.loads(ruach("langs", "info", "qta", "--json").output)
    assert about["whisper_token"] == "<|en|>"
    assert about["borrows_whisper_language"] is True
    assert about["options"]["case"]["values"] == ["upper", "lower", "keep"]
    assert about["datasets"][0]["license"] == "CC-BY-4.0"


def test_langs_info_of_an_own_token(ruach, tmp_path):
    write_pack(tmp_path, "cy", keys={"whisper_language": '"cy"', "whisper_language_reason": None})
    assert "<|cy|>, the language's own" in ruach("langs", "info", "cy").output


def test_unknown_code_is_one_line(ruach, pack):
    done = ruach("langs", "info", "qzz")
    assert done.status == 1
    assert "pip install ruach-lang-qzz" in done.error_line


# check


def test_langs_check_of_a_good_pack(ruach, pack):
    done = ruach("langs", "check", "qta")
    assert (done.status, done.error) == (0, "")
    assert "ok: manifest" in done.output
    assert "3 rows of samples.tsv hold" in done.output
    about = json.loads(ruach("langs", "check", "qta", "--json").output)
    assert about["ok"] is True
    assert [check["check"] for check in about["checks"]] == [
        "manifest", "alphabet", "import", "samples", "idempotence", "unicode form",
    ]  # fmt: skip


def test_langs_check_prints_every_manifest_error(ruach, tmp_path):
    write_pack(tmp_path, "qta", keys={"colour": "1", "script": '"x"', "license": None})
    done = ruach("langs", "check", "qta")
    assert done.status == 1
    assert "pack.toml: colour: unknown key; correct or remove it" in done.output
    assert "pack.toml: license: missing; add it" in done.output
    assert "pack.toml: script: string should match pattern" in done.output
    assert "3 problems" in done.output


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"toml": "?"}, "pack.toml: not valid TOML"),
        ({"keys": {"hook_api": "9"}}, "made for hook API 9"),
        ({"hooks": "1 / 0"}, "import of ruach_lang_qta.hooks failed: ZeroDivisionError"),
        ({"replace": ("r(lang", "z(lang")}, "did you mean ruach_normalizer?"),
        ({"replace": ("return Case(options)", "return 'x'")}, "returned a str"),
        ({"samples": "score\tÀb\tÀb\n"}, "samples.tsv row 1: score of 'Àb' is 'àb', expected 'Àb'"),
        ({"samples": "target\tÀb\tx\tcase=title\n"}, "samples.tsv row 1: option case=title"),
        ({"samples": "\n"}, "samples.tsv: no rows"),
        ({"samples": "target\n"}, "samples.tsv row 1: must be target or score"),
        ({"keys": {"samples": '"none.tsv"'}}, "pack.toml: samples: there is no file none.tsv"),
        ({"keys": {"alphabet": '"e\u0301"'}}, "pack.toml: alphabet: 'e\u0301' isn't in NFC"),
        ({"replace": ("return text if", "return text + 'x' if")}, "normalised again"),
        (
            {"keys": {"unicode_form": '"NFD"'}},
            "row 2: target of 'Àb' is 'Àb', not in NFD",
        ),
        (
            {"replace": ("return text if", "raise OSError('x') if")},
            "row 2: plugin 'qta'",
        ),
    ],
)
def test_langs_check_finds(ruach, write_case_pack, changes, said):
    write_case_pack(**changes)
    done = ruach("langs", "check", "qta")
    assert done.status == 1
    assert done.error == ""
    assert said in done.output
    report = json.loads(ruach("langs", "check", "qta", "--json").output)
    assert report["ok"] is False
    assert said in "\n".join(line for check in report["checks"] for line in check["problems"])


def test_langs_check_misses_the_sample_folder(ruach, pack):
    (pack / "sample").rmdir()
    assert "sample.path: there is no folder sample" in ruach("langs", "check", "qta").output
