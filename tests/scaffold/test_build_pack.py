"""Rendering and writing: samples that hold, texts that break tables, folders in the way."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ruach_core.errors import DataError, UserError
from ruach_core.manifest import PackManifest, read_examples
from ruach_core.scaffold.choose import choose
from ruach_core.scaffold.observe import observe
from ruach_core.scaffold.pack import (
    build_pack,
    load_chain,
    read_text_lines,
    read_transcripts,
    write_pack,
)
from ruach_core.scaffold.render import About, render_normalizer
from ruach_core.scaffold.samples import escape, pick_sentences, write_samples
from ruach_core.scaffold.scripts import find_script
from ruach_core.scaffold.tokens import estimate_tokens, find_tokenizer, measure_tokens
from ruach_core.testing.tiny import write_tiny_tokenizer

ABOUT = About("qtx", "qtx", "Made-up", "Made-up", "en", "made up", "Nobody", "MIT")


def samples_of(texts: list[str], *, alphabet: tuple[str, ...] = ()):
    """The chain, and the samples as text."""
    facts = observe(texts)
    choices = choose(facts, alphabet=alphabet, source="tests")
    chain = load_chain(render_normalizer(ABOUT, choices), name="chain")
    return chain, write_samples(chain, facts, choices)


def check_samples(chain, samples: str, path) -> None:
    path.write_text(samples, encoding="utf-8", newline="")
    examples = read_examples(path)
    assert len(examples) >= 20
    assert {example.purpose for example in examples} == {"target", "score"}
    assert any(example.input != example.expected for example in examples)
    for example in examples:
        assert chain.normalize(example.input, purpose=example.purpose) == example.expected


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=6))
def test_samples_of_any_text_hold(tmp_path, texts):
    facts = observe([*texts, "a"])
    choices = choose(facts, source="tests")
    chain = load_chain(render_normalizer(ABOUT, choices), name="chain")
    check_samples(chain, write_samples(chain, facts, choices), tmp_path / "samples.tsv")


@pytest.mark.parametrize(
    "text",
    ["a\\tb \\u0041 c", "a\u2028b c", "# a b", "a\tb", "\u0301a b", "a \ud800 b", "x" * 500],
)
def test_samples_escape_what_a_table_cannot_hold(tmp_path, text):
    chain, samples = samples_of([text])
    check_samples(chain, samples, tmp_path / "samples.tsv")
    for char in "\u2028\ud800":
        assert char not in samples


@pytest.mark.parametrize("alphabet", [("a",), ("ʼ", "a"), ("ng'", "a"), ("ा", "क"), ("ɛ́",)])
def test_an_alphabet_alone_makes_samples(tmp_path, alphabet):
    chain, samples = samples_of([], alphabet=alphabet)
    check_samples(chain, samples, tmp_path / "samples.tsv")


def test_hidden_characters_are_written_out():
    assert escape("a\u200bb\t\\c ") == "a\\u200Bb\\t\\\\c\\u0020"
    assert escape("\U000e0100") == "\\U000E0100"


def test_sentences_show_what_the_text_has():
    texts = ["aa bb cc"] * 50 + [f"dd {i} ee" for i in range(50)] + ["ff g'g", "hh-ii jj , kk"]
    picked = pick_sentences(observe(texts))
    assert {"ff g'g", "hh-ii jj , kk", "dd 0 ee", "aa bb cc"} <= set(picked)
    assert len(picked) == len(set(picked)) == 8


@pytest.mark.parametrize(
    ("license", "name"), [("MIT", "MIT License"), ("Apache-2.0", "licenses/Apache-2.0.html")]
)
def test_license_is_the_one_that_was_chosen(license, name):  # noqa: A002
    facts = observe(["banana"])
    about = About("qtx", "qtx", "Made-up", "Made-up", "en", "x", "Nobody", license)
    pack = build_pack(about, facts, choose(facts, source="t"), folder="x")
    assert name in pack.files["LICENSE"]
    assert tomllib.loads(pack.files["pyproject.toml"])["project"]["license"] == license


def test_odd_words_of_the_user_stay_words():
    words = "Ñe'ẽ `$code` <b> # é \N{RIGHT-TO-LEFT MARK}".replace("\N{RIGHT-TO-LEFT MARK}", "")
    facts = observe(["banana"])
    about = About("qtx", "qtx", words, words, "en", words, words, "MIT")
    pack = build_pack(about, facts, choose(facts, source='a \\ " b'), folder="x")
    manifest = PackManifest.model_validate(
        tomllib.loads(pack.files["src/ruach_lang_qtx/pack.toml"])
    )
    assert (manifest.name, manifest.autonym, manifest.maintainers) == (words, words, [words])
    assert manifest.alphabet_source == 'a \\ " b'
    for name, content in pack.files.items():
        if name.endswith(".py"):
            compile(content, name, "exec")


def test_repairs_are_declared():
    facts = observe(["re'ee ta'e ba'e ta’u taʼa ta`a"])
    pack = build_pack(ABOUT, facts, choose(facts, source="t"), folder="x")
    manifest = PackManifest.model_validate(
        tomllib.loads(pack.files["src/ruach_lang_qtx/pack.toml"])
    )
    assert [(r.letter, r.becomes) for r in manifest.repairs] == [("ʼ", "'")]
    chain = load_chain(pack.files["src/ruach_lang_qtx/normalizer.py"], name="x")
    assert chain.normalize("taʼa ta`a ta’a `ta`", purpose="target") == "ta'a ta'a ta'a `ta`"


@pytest.mark.parametrize("in_the_way", ["folder", "file", "dangling link"])
def test_nothing_is_overwritten(tmp_path, in_the_way):
    output = tmp_path / "pack"
    if in_the_way == "folder":
        output.mkdir()
    elif in_the_way == "file":
        output.write_text("mine", encoding="utf-8")
    else:
        output.symlink_to(tmp_path / "nowhere")
    facts = observe(["banana"])
    pack = build_pack(ABOUT, facts, choose(facts, source="t"), folder="x")
    with pytest.raises(UserError, match="exists already"):
        write_pack(output, pack)
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    facts = observe(["banana"])
    pack = build_pack(ABOUT, facts, choose(facts, source="t"), folder="x")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.rename", fail)
    with pytest.raises(OSError, match="disk full"):
        write_pack(tmp_path / "pack", pack)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no text"),
        (b"\n \n", "no text"),
        ("åäö".encode("latin-1"), "line 1: not UTF-8"),
        (b"ok\nok\n\xff", "line 3: not UTF-8"),
        ("abc".encode("utf-16"), "line 1: not UTF-8 but UTF-16"),
    ],
)
def test_bad_text_files_are_errors(tmp_path, content, says):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=says):
        read_text_lines(path)


def test_missing_text_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no-such"):
        read_text_lines(tmp_path / "no-such")


def test_byte_order_mark_is_no_text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes("a\nb".encode("utf-8-sig"))
    assert read_text_lines(path) == ["a", "b"]


def write_split(folder, rows: list[tuple[str, str]]) -> None:
    folder.mkdir(parents=True)
    lines = ["file_name,transcription", *(f"{file},{text}" for file, text in rows)]
    (folder / "metadata.csv").write_text("\n".join(lines), encoding="utf-8")


def test_transcripts_are_read_without_the_test_split(tmp_path):
    write_split(tmp_path / "train", [("a.wav", "banana"), ("", "nothing"), ("b.wav", "")])
    write_split(tmp_path / "test", [("c.wav", "zebra")])
    texts, source = read_transcripts(tmp_path)
    assert texts == ["banana", ""]
    assert "train, 1 row that can't be read left out" in source


def test_a_dataset_without_transcripts_is_an_error(tmp_path):
    write_split(tmp_path / "train", [("a.wav", "")])
    with pytest.raises(DataError, match="no transcript"):
        read_transcripts(tmp_path)


def test_tokens_are_measured_where_a_tokenizer_is_there(tmp_path):
    from ruach_core.models.special_tokens import WhisperTokenizer

    write_tiny_tokenizer(tmp_path)
    rate = measure_tokens(["ab", "", "ሀለ"], WhisperTokenizer.read(tmp_path), "tiny")
    assert rate is not None
    assert rate.rate == 2.0  # a token a byte: 2 + 6 for 4 characters
    assert rate.note == "Measured with the tokenizer of tiny over 2 texts."
    assert measure_tokens([""], WhisperTokenizer.read(tmp_path), "tiny") is None


def test_tokens_are_an_estimate_elsewhere():
    assert estimate_tokens(find_script("Ethi"), ["ሀ"]).rate == 2.4
    assert "estimate" in estimate_tokens(find_script("Ethi"), ["ሀ"]).note
    guess = estimate_tokens(find_script("Adlm"), ["𞤀"])
    assert guess.rate == pytest.approx(3.2)
    assert "guess" in guess.note


def test_a_source_that_fails_is_passed_over():
    class Failing:
        name = "failing"

        def resolve(self, model, *, progress):
            raise UserError("no disk")

    class Sources:
        def base_model_sources(self):
            return [Failing()]

    assert find_tokenizer(None, Sources()) is None


@pytest.mark.parametrize(
    ("texts", "keeps_mark"), [(["ሃ፞ታ ሀታ", "ሰ፝ባ ሰባ"] * 20, True), (["ሃታ ሀታ", "ሰባ"] * 20, False)]
)
def test_gemination_marks_of_the_alphabet_stay(texts, keeps_mark):
    choices = choose(observe(texts), source="tests")
    chain = load_chain(render_normalizer(ABOUT, choices), name="chain")
    assert any("\u135e" in letter for letter in choices.alphabet) is keeps_mark
    assert (chain.normalize("ሃ፞ታ", purpose="target") == "ሃ፞ታ") is keeps_mark
