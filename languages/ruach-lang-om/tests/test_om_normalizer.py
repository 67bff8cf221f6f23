"""The Oromo normaliser: no word with a hudhaa splits, doubled letters stay, any text will do."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruach_lang_om.normalizer import build_normalizer

from ruach_core.manifest import load_manifest
from ruach_core.packs import find_pack
from ruach_core.plugins import Plugins
from ruach_core.text import unicode
from ruach_core.types import Purpose

PURPOSES: tuple[Purpose, ...] = ("target", "score")
NORMALIZER = build_normalizer({})

# 6.7 % of the words of the UDHR in Oromo hold a hudhaa or a hyphen.
WORDS = [
    "re'ee", "ta'e", "Waan", "ta'eef", "bu'uura", "daa'imman", "yaa'ii", "Wal-ga'iin", "ta'uu",
    "danda'a", "du'a", "har'a", "GA'UMSA", "lakka'aamu", "walii-galaa", "adda-addaa", "Qabxii",
    "hin", "nyaatti", "jecha'aa'uu", "dhiphisuu",
]  # fmt: skip

OROMO_LIKE = st.text(
    st.one_of(
        st.sampled_from("re'etaBU’‘ʼ`´-–‐ \u00a0\u200b\ufe0f\u0301\u0323ŉꞌ.,\"(5/:%"),
        st.characters(),
        st.characters(categories=["Cs", "Mn", "Lm"]),
    ),
    max_size=30,
)


@given(OROMO_LIKE)
@example("ŉ'a-'b")
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


@pytest.mark.parametrize("apostrophe", "'’‘‛＇ʼʻʽʹꞌ`´′")
def test_no_word_splits(apostrophe: str) -> None:
    typed = [word.replace("'", apostrophe) for word in WORDS]
    for form in ("NFC", "NFD"):
        text = unicode.normalize_form(" ".join(typed), form)
        assert NORMALIZER.normalize(text, purpose="target").split() == WORDS
        assert NORMALIZER.normalize(text, purpose="score").split() == [w.lower() for w in WORDS]


@given(
    st.lists(
        st.from_regex(r"[a-z]{1,8}(?:['’ʼ-][a-z]{1,8}){0,3}", fullmatch=True),
        min_size=1,
        max_size=8,
    ).map(" ".join)
)
@settings(max_examples=100, deadline=None)
def test_no_generated_word_splits_or_joins(text: str) -> None:
    for purpose in PURPOSES:
        assert len(NORMALIZER.normalize(text, purpose=purpose).split()) == len(text.split())


def test_doubled_letters_and_the_hudhaa_tell_words_apart() -> None:
    words = ["lafa", "laafaa", "badaa", "baddaa", "bade", "badde", "re'e", "re'ee", "ree", "ta'e"]
    assert len({NORMALIZER.normalize(word, purpose="score") for word in words}) == len(words)


@given(
    st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ,.!?'-", max_size=40)
)
@settings(max_examples=200, deadline=None)
def test_target_changes_no_plain_text(text: str) -> None:
    assert NORMALIZER.normalize(text, purpose="target") == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("wal-qixxee", "wal-qixxee"),
        ("wal\u2010qixxee", "wal-qixxee"),
        ("tokkoon- tokkoon", "tokkoon tokkoon"),
        ("Oromiyaa – Itoophiyaa", "oromiyaa itoophiyaa"),
        ("Oromiyaa—Itoophiyaa", "oromiyaa itoophiyaa"),
        ("-25", "25"),
        ("‘re‘ee’", "re'ee"),
        ("\"ta'e\" 'ta'e'", "ta'e ta'e"),
    ],
)
def test_hyphens_and_quotation_marks(text: str, score: str) -> None:
    assert NORMALIZER.normalize(text, purpose="score") == score


def test_alphabet_is_qubee() -> None:
    letters = load_manifest(find_pack("om")).letters
    assert len(letters) == 26 + 5
    assert {"ch", "dh", "ny", "ph", "sh", "q", "x", "z"} <= set(letters)


def test_hook_and_manifest() -> None:
    plugins = Plugins.load("om")
    assert plugins.manifest is not None
    assert plugins.manifest.whisper_language == "so"
    for options in ({}, {"numbers": "keep"}):
        assert plugins.normalizer(options).normalize("guyyaa 25", purpose="score") == "guyyaa 25"
    repaired = {repair.letter: repair.becomes for repair in plugins.manifest.repairs}
    for letter, becomes in repaired.items():
        output = plugins.normalizer().normalize(f"re{letter}ee", purpose="target")
        assert output == f"re{becomes}ee"
