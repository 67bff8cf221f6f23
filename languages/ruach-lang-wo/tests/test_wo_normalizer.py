"""The Wolof normaliser: hyphenated and accented words stay whole, and any text will do."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruach_lang_wo.normalizer import build_normalizer

from ruach_core.manifest import load_manifest
from ruach_core.packs import find_pack
from ruach_core.plugins import Plugins
from ruach_core.text import unicode
from ruach_core.types import Purpose

PURPOSES: tuple[Purpose, ...] = ("target", "score")
NORMALIZER = build_normalizer({})

WORDS = [
    "Sañ-sañ", "léeg-léeg", "góor-góorlu", "PAS-PAS", "wér-gi-yaramam", "koom-koomam", "Ŋaam",
    "jërëjëf", "ÀDDUNA", "ñówul", "bëgg", "xóot", "dëggal", "c'est", "l'école", "Thiès", "Sembène",
]  # fmt: skip

WOLOF_LIKE = st.text(
    st.one_of(
        st.sampled_from("sañÑàéëóŋŊ-‐–'’ʼ`´ \u00a0\u200b\ufe0f\u0300\u0301\u0303\u0308ŉ.,«»(5/:%"),
        st.characters(),
        st.characters(categories=["Cs", "Mn", "Lm"]),
    ),
    max_size=30,
)


@given(WOLOF_LIKE)
@example("ŉ-'a")
@settings(max_examples=500, deadline=None)
def test_any_text(text: str) -> None:
    target = NORMALIZER.normalize(text, purpose="target")
    score = NORMALIZER.normalize(text, purpose="score")
    for output in (target, score):
        assert output == " ".join(output.split())
        assert unicode.normalize_form(output, "NFC") == output
    assert NORMALIZER.normalize(target, purpose="target") == target
    assert NORMALIZER.normalize(score, purpose="score") == score
    assert NORMALIZER.normalize(target, purpose="score") == score


@pytest.mark.parametrize("hyphen", "-‐‑")
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_no_word_splits(form: unicode.UnicodeForm, hyphen: str) -> None:
    typed = " ".join(WORDS).replace("-", hyphen)
    text = unicode.normalize_form(typed, form)
    assert NORMALIZER.normalize(text, purpose="target").split() == WORDS
    assert NORMALIZER.normalize(text, purpose="score").split() == [w.lower() for w in WORDS]


@given(
    st.lists(
        st.from_regex("[a-gi-uw-yàéëóñŋ]{1,8}(?:[-'’][a-gi-uw-yàéëóñŋ]{1,8}){0,3}", fullmatch=True),
        min_size=1,
        max_size=8,
    ).map(" ".join)
)
@settings(max_examples=100, deadline=None)
def test_no_generated_word_splits_or_joins(text: str) -> None:
    for typed in (text, unicode.normalize_form(text, "NFD")):
        for purpose in PURPOSES:
            output = NORMALIZER.normalize(typed, purpose=purpose)
            assert output == text.replace("’", "'")


def test_diacritics_tell_words_apart() -> None:
    words = ["set", "sët", "xol", "xóol", "nan", "ñan", "naan", "ñaan", "dem", "sét", "sëet", "ŋan"]
    assert len({NORMALIZER.normalize(word, purpose="score") for word in words}) == len(words)


@given(st.text("abcdefghijklmnopqrstuvwxyzàéëóñŋÀÉËÓÑŊ0123456789 ,.!?'-«»", max_size=40))
@settings(max_examples=200, deadline=None)
def test_target_changes_no_plain_text(text: str) -> None:
    assert NORMALIZER.normalize(text, purpose="target") == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("sañ-sañ yi", "sañ-sañ yi"),
        ("sañ -sañ", "sañ sañ"),
        ("Dakar – Thiès", "dakar thiès"),
        ("Dakar—Thiès", "dakar thiès"),
        ("« Nanga def ? »", "nanga def"),
        ("12-15, 12–15, 1/2", "12-15 12-15 1/2"),
    ],
)
def test_hyphens_and_punctuation(text: str, score: str) -> None:
    assert NORMALIZER.normalize(text, purpose="score") == score


def test_alphabet_is_cldrs() -> None:
    letters = load_manifest(find_pack("wo")).letters
    assert set(letters) == set("abcdefgijklmnopqrstuwxyàéëóñŋ")


def test_hook_and_manifest() -> None:
    plugins = Plugins.load("wo")
    assert plugins.manifest is not None
    assert plugins.manifest.whisper_language == "fr"
    for options in ({}, {"numbers": "keep"}):
        assert plugins.normalizer(options).normalize("25 nit", purpose="score") == "25 nit"
    for repair in plugins.manifest.repairs:
        output = plugins.normalizer().normalize(f"l{repair.letter}ame", purpose="target")
        assert output == f"l{repair.becomes}ame"
