"""The Mboshi normaliser: its examples, its rules on any text, and the real corpus."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruach_lang_mdw.normalizer import build_normalizer

from ruach_core.manifest import NormalizationExample, load_manifest, read_examples
from ruach_core.packs import find_pack
from ruach_core.plugins import Plugins
from ruach_core.text import unicode
from ruach_core.text.normalization import ChainNormalizer

Purpose = Literal["target", "score"]
PURPOSES: tuple[Purpose, ...] = ("target", "score")
PACK = Path(__file__).resolve().parents[1]
NORMALIZERS = {vowels: build_normalizer(vowels=vowels) for vowels in ("greek", "ipa")}
GREEK = NORMALIZERS["greek"]
IPA = NORMALIZERS["ipa"]

MBOSHI_LIKE = st.text(alphabet="aáεέωώɛɔ\u0301\u0300mlsbnMLS'’ʼ´`ŉ \u00a0\u200b.,-3", max_size=40)


def examples() -> list[NormalizationExample]:
    return read_examples(PACK / "src" / "ruach_lang_mdw" / "samples.tsv")


def corpus() -> list[str]:
    """Transcripts of the Mboshi-French parallel corpus, or a skip where it isn't there."""
    shared = PACK.parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("RUACH_TEST_DATA", shared)) / "mboshi"
    if not folder.is_dir():
        pytest.skip("no Mboshi corpus: set RUACH_TEST_DATA to the folder that has mboshi/")
    transcripts = []
    for split in ("train", "test"):
        with (folder / split / "metadata.csv").open(encoding="utf-8", newline="") as file:
            transcripts += [row["transcription"] for row in csv.DictReader(file)]
    assert len(transcripts) > 900
    return transcripts


@pytest.mark.parametrize("example", examples(), ids=lambda example: f"row{example.row}")
def test_examples_hold(example: NormalizationExample) -> None:
    normalizer = build_normalizer(**example.options)
    assert normalizer.normalize(example.input, purpose=example.purpose) == example.expected


def test_there_are_enough_examples() -> None:
    assert {example.purpose for example in examples()} == set(PURPOSES)
    assert len(examples()) >= 20


@pytest.mark.parametrize("vowels", NORMALIZERS)
@pytest.mark.parametrize("text_of", [st.text(max_size=40), MBOSHI_LIKE], ids=["any", "mboshi"])
def test_total_idempotent_and_nfc(text_of: st.SearchStrategy[str], vowels: str) -> None:
    normalizer = NORMALIZERS[vowels]

    @given(text_of)
    def check(text: str) -> None:
        for purpose in PURPOSES:
            once = normalizer.normalize(text, purpose=purpose)
            assert normalizer.normalize(once, purpose=purpose) == once
            assert unicode.normalize_form(once, "NFC") == once
        target = normalizer.normalize(text, purpose="target")
        assert normalizer.normalize(target, purpose="score") == normalizer.normalize(
            text, purpose="score"
        )

    check()


@given(st.text(alphabet="aáeéεέiíoóωώuúɛɔ\u0301\u0304bdfghklmnprstvwyz", min_size=1))
def test_letters_and_marks_stay_one_word(word: str) -> None:
    for normalizer in NORMALIZERS.values():
        for purpose in PURPOSES:
            assert len(normalizer.normalize(word, purpose=purpose).split()) == 1


@given(MBOSHI_LIKE)
def test_vowel_options_go_both_ways(text: str) -> None:
    def target(normalizer: ChainNormalizer, text: str) -> str:
        return normalizer.normalize(text, purpose="target")

    assert target(GREEK, target(IPA, text)) == target(GREEK, text)
    assert target(IPA, target(GREEK, text)) == target(IPA, text)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_tones_are_kept(purpose: Purpose) -> None:
    words = {GREEK.normalize(word, purpose=purpose) for word in ("nga", "ngá", "ώbε", "ωbέ", "ωbε")}
    assert len(words) == 5


@pytest.mark.parametrize("apostrophe", "'’‘‛ʼʹʻ′´`＇")
def test_elided_words_stay_words(apostrophe: str) -> None:
    text = f"Báa m{apostrophe} ísála l{apostrophe} obia"
    assert GREEK.normalize(text, purpose="target") == "Báa m' ísála l' obia"
    assert GREEK.normalize(text, purpose="score").split() == ["báa", "m'", "ísála", "l'", "obia"]


def test_corpus_is_inside_the_alphabet() -> None:
    letters = set("".join(load_manifest(find_pack("mdw")).letters))
    for transcript in corpus():
        strange = {c for c in transcript if c.lower() not in letters and c not in " '"}
        assert not strange, (strange, transcript)


def test_alphabet_is_inside_the_corpus() -> None:
    seen = set("".join(corpus()).lower())
    assert set(load_manifest(find_pack("mdw")).letters) <= seen


def test_corpus_is_unchanged_by_target() -> None:
    transcripts = corpus()
    changed = [t for t in transcripts if GREEK.normalize(t, purpose="target") != t]
    assert len(changed) < 0.01 * len(transcripts), changed[:3]


@pytest.mark.parametrize("vowels", NORMALIZERS)
def test_corpus_words_are_neither_split_nor_joined(vowels: str) -> None:
    normalizer = NORMALIZERS[vowels]
    for transcript in corpus():
        for purpose in PURPOSES:
            once = normalizer.normalize(transcript, purpose=purpose)
            assert len(once.split()) == len(transcript.split()), transcript
            assert normalizer.normalize(once, purpose=purpose) == once


def test_corpus_keeps_its_words_apart_in_score() -> None:
    # Only case may merge two words: Báa and báa are one, nga and ngá are two.
    words = {word.lower() for transcript in corpus() for word in transcript.split()}
    assert len(words) > 1500
    assert len({GREEK.normalize(word, purpose="score") for word in words}) == len(words)


def test_hook_gives_the_normalizer_with_its_options() -> None:
    plugins = Plugins.load("mdw")
    assert plugins.manifest is not None
    assert plugins.manifest.whisper_language == "ln"
    assert plugins.normalizer().normalize("sωndω", purpose="target") == "sωndω"
    options = {"vowels": "ipa"}
    assert plugins.normalizer(options).normalize("sωndω", purpose="score") == "sɔndɔ"
    assert plugins.normalizer(options).name != plugins.normalizer().name
