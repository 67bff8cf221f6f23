from __future__ import annotations

import pytest
from pydantic import ValidationError

from ruach_core.errors import PackError
from ruach_core.manifest import WHISPER_LANGUAGES, load_manifest, read_examples, validate_manifest
from ruach_core.packs import find_pack
from ruach_core.testing.plugins import write_pack

FULL = """
[options.numbers]
values = ["keep", "words"]
target = "words"
score = "keep"
help = "digits as words"

[sample]
path = "sample"
synthetic = true
description = "a voice"
license = "MIT"

[[datasets]]
name = "Corpus"
license = "CC-BY-4.0"
url = "https://example.org/corpus"
hours = 4
"""


def problems_of(site, **arguments) -> list[str]:
    write_pack(site, "qta", **arguments)
    manifest, problems = validate_manifest(find_pack("qta", allow_invalid=True))
    assert (manifest is None) == bool(problems)
    return problems


def test_load_manifest_reads_every_field(site):
    write_pack(site, "qta", tail=FULL)
    manifest = load_manifest(find_pack("qta"))
    assert manifest.options["numbers"].values == ["keep", "words"]
    assert manifest.sample is not None
    assert manifest.sample.synthetic
    assert manifest.datasets[0].hours == 4.0
    assert manifest.borrows_whisper_language
    with pytest.raises(ValidationError):
        manifest.code = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("alphabet", "letters"),
    [
        ("a b c", ("a", "b", "c")),
        ("a-c z", ("a", "b", "c", "z")),
        ("a-b - ɔ́ mb b", ("a", "b", "-", "ɔ́", "mb")),
        ("ሀ-ሆ", tuple("ሀሁሂሃሄህሆ")),
    ],
)
def test_letters(site, alphabet, letters):
    write_pack(site, "qta", keys={"alphabet": f'"{alphabet}"'})
    assert load_manifest(find_pack("qta")).letters == letters


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"colour": "1"}, "pack.toml: colour: unknown key; correct or remove it"),
        ({"license": None}, "pack.toml: license: missing; add it"),
        ({"hook_api": '"1"'}, "pack.toml: hook_api: input should be a valid integer, got '1'"),
        ({"name": '"  "'}, "pack.toml: name: must not be empty"),
        ({"maintainers": "[]"}, "pack.toml: maintainers: "),
        ({"tokens_per_char": "0"}, "pack.toml: tokens_per_char: input should be greater than 0"),
        ({"tokens_per_char": "nan"}, "pack.toml: tokens_per_char: "),
        ({"script": '"ethi"'}, "pack.toml: script: "),
        ({"unicode_form": '"NFKC"'}, "pack.toml: unicode_form: input should be 'NFC' or 'NFD'"),
        ({"alphabet": '"z-a"'}, "pack.toml: alphabet: range z-a runs backwards"),
        ({"samples": '"../x.tsv"'}, "pack.toml: samples: must be a path inside the pack"),
        ({"samples": '"/x.tsv"'}, "pack.toml: samples: must be a path inside the pack"),
        ({"whisper_language": '"tir"'}, "pack.toml: whisper_language: 'tir' isn't one of Whisper"),
        ({"whisper_language_reason": None}, "pack.toml: whisper_language_reason: missing"),
        ({"min_core": '">=0.1"'}, "pack.toml: min_core: "),
        ({"code": '"Qta"'}, "pack.toml: code: "),
    ],
)
def test_each_fault_is_one_line_with_its_field(site, keys, problem):
    problems = problems_of(site, keys=keys)
    assert len(problems) == 1
    assert problems[0].startswith(problem)
    assert "\n" not in problems[0]


@pytest.mark.parametrize(
    ("tail", "problem"),
    [
        (
            '[options.n]\nvalues = ["a"]\ntarget = "b"\nscore = "a"\nhelp = "h"\n',
            "pack.toml: options.n: target is 'b', which isn't among values",
        ),
        (
            '[options."N x"]\nvalues = ["a"]\ntarget = "a"\nscore = "a"\nhelp = "h"\n',
            "pack.toml: options: 'N x': an option's name is",
        ),
        (
            '[[datasets]]\nname = "x"\nlicense = "y"\nurl = "not a link"\n',
            "pack.toml: datasets.0.url: ",
        ),
        (
            '[sample]\npath = "a"\nsynthetic = true\nlicense = "x"\n',
            "pack.toml: sample.description",
        ),
        ('[sample]\npath = "a"\nfake = true\n', "pack.toml: sample."),
    ],
)
def test_faults_in_tables(site, tail, problem):
    assert any(line.startswith(problem) for line in problems_of(site, tail=tail))


def test_validate_manifest_gives_every_error(site):
    problems = problems_of(site, keys={"a": "1", "b": "2", "name": None})
    assert [line.split(": ")[1] for line in sorted(problems)] == ["a", "b", "name"]


def test_load_manifest_error_is_one_line_with_pack_and_remedy(site):
    write_pack(site, "qta", keys={"script": '"ethi"', "unicode_form": '"X"'})
    with pytest.raises(PackError) as caught:
        load_manifest(find_pack("qta"))
    message = str(caught.value)
    assert message.startswith("pack 'qta' (ruach-lang-qta 1.0): pack.toml: script: ")
    assert "(and 1 more); run ruach langs check qta" in message
    assert "\n" not in message


def test_whisper_languages_are_those_of_faster_whisper():
    tokenizer = pytest.importorskip("faster_whisper.tokenizer")
    assert set(tokenizer._LANGUAGE_CODES) == WHISPER_LANGUAGES


def test_read_examples(tmp_path):
    path = tmp_path / "samples.tsv"
    path.write_bytes(
        "\ufeffpurpose\tinput\texpected\toptions\r\n"
        "# a comment\r\n"
        "\r\n"
        "target\ta\\u200bb\\t\\\\n\tab\r\n"
        "score\t\u2028\t\tnumbers=keep, x=y\n".encode()
    )
    first, second = read_examples(path)
    assert (first.row, first.purpose, first.input) == (4, "target", "a\u200bb\t\\n")
    assert (first.expected, first.options) == ("ab", {})
    assert (second.row, second.input, second.expected) == (5, "\u2028", "")
    assert second.options == {"numbers": "keep", "x": "y"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("target\ta", "row 1: must be target or score"),
        ("label\ta\tb", "first 'label'"),
        ("target\ta\tb\tc\td", "it has 5 cells"),
        ("target\ta\tb\tnumbers", "row 1: option 'numbers' must be NAME=VALUE"),
    ],
)
def test_read_examples_names_the_row(tmp_path, line, said):
    (tmp_path / "samples.tsv").write_text(line, encoding="utf-8")
    with pytest.raises(PackError, match=said):
        read_examples(tmp_path / "samples.tsv")


def test_read_examples_of_a_missing_file(tmp_path):
    with pytest.raises(PackError, match=r"samples\.tsv: can't be read"):
        read_examples(tmp_path / "samples.tsv")
