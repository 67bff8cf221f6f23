from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ruach_core.text import latin
from ruach_core.text.normalization import ChainNormalizer, clean_rules
from ruach_core.text.unicode import UnicodeForm, normalize_form


def _chain(
    form: UnicodeForm = "NFC",
    *,
    accents: bool = True,
    inside: str = "'",
    keep_numerals: bool = False,
) -> ChainNormalizer:
    target = (
        *clean_rules(form),
        *latin.apostrophe_rules(accents=accents),
        latin.unify_hyphens(),
    )
    folds = latin.latin_folds(
        form, accents=accents, inside_words=inside, keep_numerals=keep_numerals
    )
    return ChainNormalizer("test", target=target, score=target + folds)


def _target(text: str, *, accents: bool = True) -> str:
    return _chain(accents=accents).normalize(text, purpose="target")


def _score(text: str, *, inside: str = "'") -> str:
    return _chain(inside=inside).normalize(text, purpose="score")


APOSTROPHES = "'’‘‛＇ʼʻʽʹꞌꞋ"
ACCENTS = "`´′‵"
TEXTS = st.text(
    st.one_of(
        st.sampled_from(f"{APOSTROPHES}{ACCENTS}abñŋẹŉꞋ\u0301\u0323\ufe0f\u200b-‐‑–—−.,:/%12 _"),
        st.characters(),
        st.characters(categories=["Cs", "Mn", "Sk", "Lm"]),
    ),
    max_size=25,
)


@pytest.mark.parametrize("apostrophe", [*APOSTROPHES, *ACCENTS])
def test_every_apostrophe_inside_a_word_is_one_sign(apostrophe: str) -> None:
    assert _target(f"Re{apostrophe}ee") == "Re'ee"
    assert _score(f"Re{apostrophe}ee") == "re'ee"
    # A letter with a mark that has no composed form ends the first half.
    assert _target(f"ẹ\u0301{apostrophe}ọ") == "ẹ\u0301'ọ"


@pytest.mark.parametrize("accent", ACCENTS)
def test_accents_are_left_where_they_can_be_something_else(accent: str) -> None:
    for text in (f"nga{accent}", f"{accent}nga", f"nga {accent} nga", f"5{accent}6"):
        assert _target(text) == text
    assert _target(f"o{accent}r", accents=False) == f"o{accent}r"
    assert _target("oʼr o’r", accents=False) == "o'r o'r"


@pytest.mark.parametrize("apostrophe", APOSTROPHES)
def test_apostrophes_around_words_are_quotation_marks_in_score(apostrophe: str) -> None:
    assert _score(f"{apostrophe}ng{apostrophe}ombe wangu{apostrophe}") == "ng'ombe wangu"


@pytest.mark.parametrize("hyphen", "-‐‑")
def test_hyphens(hyphen: str) -> None:
    assert _target(f"sañ{hyphen}sañ") == "sañ-sañ"
    assert _score(f"sañ{hyphen}sañ") == "sañ sañ"
    assert _score(f"sañ{hyphen}sañ", inside="'-") == "sañ-sañ"
    assert _score(f"sañ{hyphen} sañ", inside="'-") == "sañ sañ"


@pytest.mark.parametrize("dash", "‒–—―−")
def test_dashes_part_words_and_hold_ranges(dash: str) -> None:
    assert _target(f"a{dash}b 5{dash}9") == f"a{dash}b 5{dash}9"
    assert _score(f"a{dash}b 5{dash}9 5 {dash} 9", inside="'-") == "a b 5-9 5 9"


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("12/05/2016, 3:30. 1,5; 25% %", "12/05/2016 3:30 1,5 25%"),
        ("(Ŋ-Ŋ) “ÀÉ”…", "ŋ ŋ àé"),
        ("ŉ", "n"),  # its case folding begins with an apostrophe letter
        ("'", ""),
    ],
)
def test_score(text: str, score: str) -> None:
    assert _score(text) == score


def test_numerals_can_stay_whole() -> None:
    text = "Simu: +255 712-345; (5–9), −7, 1/2. 5_6"
    chain = _chain(keep_numerals=True)
    assert chain.normalize(text, purpose="score") == "simu +255 712-345 5-9 7 1/2 5_6"
    assert _score(text) == "simu 255 712-345 5-9 7 1/2 5 6"


@given(
    text=TEXTS,
    form=st.sampled_from(["NFC", "NFD"]),
    accents=st.booleans(),
    inside=st.sampled_from(["", "'", "'-"]),
    keep_numerals=st.booleans(),
)
@example(text="a`\ufe0fb", form="NFC", accents=True, inside="'", keep_numerals=False)
@settings(max_examples=400, deadline=None)
def test_invariants(
    text: str, form: UnicodeForm, accents: bool, inside: str, keep_numerals: bool
) -> None:
    chain = _chain(form, accents=accents, inside=inside, keep_numerals=keep_numerals)
    target = chain.normalize(text, purpose="target")
    score = chain.normalize(text, purpose="score")
    assert chain.normalize(target, purpose="target") == target
    assert chain.normalize(score, purpose="score") == score
    assert chain.normalize(target, purpose="score") == score
    for output in (target, score):
        assert normalize_form(output, form) == output
        assert output == " ".join(output.split())


@given(st.text(st.characters(categories=["Ll", "Lu", "Mn"]), min_size=1, max_size=12))
@settings(max_examples=200, deadline=None)
def test_letters_and_marks_stay_one_word(word: str) -> None:
    word = f"a{word}"
    assert len(_score(word).split()) == 1
    assert len(_target(word).split()) == 1
