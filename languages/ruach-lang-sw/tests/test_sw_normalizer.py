"""The Swahili normaliser: words stay whole, and the rules hold on any text."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruach_lang_sw.normalizer import build_normalizer

from ruach_core.manifest import load_manifest
from ruach_core.packs import find_pack
from ruach_core.plugins import Plugins
from ruach_core.testing.contract_speed import find_slowness
from ruach_core.text import unicode
from ruach_core.types import Purpose

PURPOSES: tuple[Purpose, ...] = ("target", "score")
OPTIONS: tuple[Mapping[str, str], ...] = ({}, {"numbers": "keep"}, {"numbers": "words"})
NORMALIZER = build_normalizer({})

SWAHILI_LIKE = st.lists(
    st.one_of(
        st.sampled_from(
            ["ng'", "ng’", "saa ", "Sh. ", "$", "asilimia ", "mbali-mbali", "25", "3.30", "3:30",
             "1,000", " ", "-", "–", "%", ".", ",", "/", "'", "(", ")", "+", "0712", "a", "\u0301",
             "\ufe0f", "٣", "²", "_", "ŉ", "`", "\u02bc", "\ud800", "\u200b"]
        ),
        st.characters(),
    ),
    max_size=14,
).map("".join)  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_any_text(options: Mapping[str, str]) -> None:
    normalizer = build_normalizer(options)

    @given(SWAHILI_LIKE)
    @example("1 234 5 + 5%6 7(8")
    @example("saa 3.30 5")
    @settings(max_examples=400, deadline=None)
    def check(text: str) -> None:
        target = normalizer.normalize(text, purpose="target")
        score = normalizer.normalize(text, purpose="score")
        for output in (target, score):
            assert output == " ".join(output.split())
            assert unicode.normalize_form(output, "NFC") == output
        assert normalizer.normalize(target, purpose="target") == target
        assert normalizer.normalize(score, purpose="score") == score
        assert normalizer.normalize(target, purpose="score") == score

    check()


@given(st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ,.!?'-", max_size=40))
@settings(max_examples=200, deadline=None)
def test_target_changes_no_plain_text(text: str) -> None:
    plain = " ".join(text.split())
    for options in OPTIONS:
        assert build_normalizer(options).normalize(plain, purpose="target") == plain


@pytest.mark.parametrize("apostrophe", "'’‘‛＇ʼʻʽʹꞌ`´′")
@pytest.mark.parametrize("word", ["ng'ombe", "Ng'ang'ania", "ANAYENG'ARA", "asinyang'anywe"])
def test_ng_never_splits_a_word(word: str, apostrophe: str) -> None:
    typed = word.replace("'", apostrophe)
    for form in ("NFC", "NFD"):
        text = unicode.normalize_form(typed, form)
        assert NORMALIZER.normalize(text, purpose="target") == word
        assert NORMALIZER.normalize(text, purpose="score") == word.lower()


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("mbali-mbali", "mbalimbali"),
        ("Pole-pole ndio mwendo", "polepole ndio mwendo"),
        ("ng'ombe-ng'ombe", "ng'ombeng'ombe"),
        ("mbali\u2010mbali", "mbalimbali"),
        ("bata-mzinga", "bata mzinga"),
        ("mbali-mbalimbali", "mbali mbalimbali"),
        ("a-a", "a a"),
        ("la-la-la", "la la la"),
        ("tano tano", "tano tano"),
    ],
)
def test_hyphens(text: str, score: str) -> None:
    assert NORMALIZER.normalize(text, purpose="score") == score


def test_marks_never_split_a_word() -> None:
    for word in ("Zoe\u0308", "Jose\u0301", "x\u0323\u0301y"):
        for purpose in PURPOSES:
            assert len(NORMALIZER.normalize(word, purpose=purpose).split()) == 1


@pytest.mark.parametrize("unit", ["mbali-", "saa 3.30 ", "Sh. 5 (", "9" * 50, "ng'ab-ng'ab"])
def test_time_is_linear(unit: str) -> None:
    for options in OPTIONS:
        assert find_slowness(build_normalizer(options), unit) is None


def test_alphabet_is_cldrs_and_ng() -> None:
    letters = load_manifest(find_pack("sw")).letters
    assert {"ng'", "ch"} <= set(letters)
    assert not {"c", "q", "x"} & set(letters)


def test_hook_gives_the_normalizer_with_its_options() -> None:
    plugins = Plugins.load("sw")
    assert plugins.manifest is not None
    assert plugins.manifest.whisper_language == "sw"
    names = {plugins.normalizer(options).name for options in OPTIONS}
    assert len(names) == len(OPTIONS)
    text = "watu 25"
    assert plugins.normalizer().normalize(text, purpose="target") == text
    assert plugins.normalizer().normalize(text, purpose="score") == "watu ishirini na tano"
    keep = plugins.normalizer({"numbers": "keep"})
    assert keep.normalize(text, purpose="score") == text
