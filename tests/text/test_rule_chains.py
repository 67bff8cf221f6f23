from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruach_core.default_plugins.normalizer import build_normalizer
from ruach_core.plugins import Plugins
from ruach_core.text.normalization import (
    ChainNormalizer,
    remove_punctuation,
    replace_characters,
    replace_sequences,
)
from ruach_core.text.unicode import UnicodeForm, normalize_form
from ruach_core.types import TextNormalizer

CORE = build_normalizer("NFC")

TEXTS = st.text(
    st.one_of(
        st.sampled_from(
            "aZßİŉǰʼ'’\"-.,:; \n\t\u200c\u200d\u200b\u00ad\u0301\u0323\u0345\u0327\u094d\ufe0f"
            "05٣፩ሀ፡። \u02c8\ud800\udc00\ue000😀%"
        ),
        st.characters(),
        st.characters(categories=["Cs", "Mn", "Sk", "Cf"]),
    ),
    max_size=30,
)


def test_core_normalizer_answers_where_no_pack_does() -> None:
    normalizer = Plugins.load(None).normalizer()
    assert normalizer.name.startswith("core ")
    assert isinstance(CORE, TextNormalizer)
    assert normalizer.normalize(" A\u200b b\n", purpose="target") == "A b"


@given(text=TEXTS, form=st.sampled_from(["NFC", "NFD"]))
@settings(max_examples=500, deadline=None)
def test_core_normalizer_invariants(text: str, form: UnicodeForm) -> None:
    normalizer = build_normalizer(form)
    target = normalizer.normalize(text, purpose="target")
    score = normalizer.normalize(text, purpose="score")
    for output in (target, score):
        output.encode()
        assert normalize_form(output, form) == output
        assert output == " ".join(output.split())
    assert normalizer.normalize(target, purpose="target") == target
    assert normalizer.normalize(score, purpose="score") == score
    assert normalizer.normalize(target, purpose="score") == score


@given(
    word=st.text(st.characters(categories=["Ll", "Lu", "Lo", "Mn", "Mc"]), min_size=1, max_size=15)
)
@settings(max_examples=500, deadline=None)
def test_core_normalizer_never_splits_at_marks(word: str) -> None:
    word = f"a{word}"
    assert len(CORE.normalize(word, purpose="target").split()) == 1
    assert len(CORE.normalize(word, purpose="score").split()) == 1


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("Ẹ̀kọ́ gbogbo kọ̀ọ̀kan", "ẹ̀kọ́ gbogbo kọ̀ọ̀kan"),  # Yoruba marks without a composed letter
        ("Ng’ombe, ng'ombe ngʼombe!", "ng'ombe ng'ombe ng'ombe"),  # Swahili consonant
        ("re'ee ta'e", "re'ee ta'e"),  # Oromo hudhaa
        ("'quoted' word'", "quoted word"),
        ("सभी मनुष्यों", "सभी मनुष्यों"),
        ("שָׁלוֹם", normalize_form("שָׁלוֹם", "NFC")),
        ("3.14 8:30 1,5. 25%", "3.14 8:30 1,5 25"),
        ("sañ-sañ (ak)", "sañ sañ ak"),
        ("می\u200cروم", "میروم"),
        # ss is another word than ß: Maße "measures", Masse "mass".
        ("STRASSE Straße STRAẞE Maße", "strasse straße straße maße"),
        # Armenian marks over a vowel, and its apostrophe.
        ("Ի՞նչ ես անում, Արա՛մ։", "ինչ ես անում արամ"),
        ("օ՜հ դ՚Արկ", "օհ դ'արկ"),
        # Malayalam "he", in both encodings, is another word than "to him"; likewise khanda ta, and
        # Marathi "valleys" against "sea".
        ("അവന\u0d4d\u200d അവ\u0d7b അവന\u0d4d", "അവ\u0d7b അവ\u0d7b അവന\u0d4d"),
        ("হঠাত\u09cd\u200d", "হঠা\u09ce"),
        ("दर\u094d\u200dया दऱ\u094dया दर\u094dया", "दऱ\u094dया दऱ\u094dया दर\u094dया"),
        ("Col·legi, ·", "col·legi"),
        ('צה״ל צה"ל ג׳ירפה', "צהל צהל ג'ירפה"),
        ("ᠬᠠᠷ\u180eᠠ", "ᠬᠠᠷᠠ"),
        ("İyi i\u0307yi", "iyi iyi"),
        ("kàá\u02c8lé ꜊má", "kàá\u02c8lé ꜊má"),  # tone letters are no punctuation
        ("", ""),
        ("...", ""),
    ],
)
def test_core_score(text: str, score: str) -> None:
    assert CORE.normalize(text, purpose="score") == score


@pytest.mark.parametrize(
    ("lang", "lower"), [("tr", "ışık"), ("az-Latn", "ışık"), ("sw", "i\u015fik")]
)
def test_capital_i_is_that_of_the_language(lang: str, lower: str) -> None:
    normalizer = Plugins.load(lang, use_pack=False).normalizer()
    assert normalizer.normalize("IŞIK İYİ", purpose="score") == f"{lower} iyi"
    assert normalizer.normalize("IŞIK İYİ", purpose="target") == "IŞIK İYİ"


def test_core_target_keeps_what_a_reader_sees() -> None:
    text = "“Ng’ombe” — 25%, ‹ሰላም›፡፡ می\u200cروم!"
    assert CORE.normalize(f"\ufeff {text}\u00a0\n", purpose="target") == text


def test_declared_form_holds() -> None:
    assert build_normalizer("NFD").normalize("é", purpose="target") == "e\u0301"
    assert CORE.normalize("e\u200b\u0301", purpose="target") == "é"


def test_replace_sequences_takes_the_longest() -> None:
    rule = replace_sequences("x", {"a": "1", "ab": "2", ".": "3"})
    assert rule.apply("aab.c") == "123c"


def test_remove_punctuation_keeps_what_it_is_told() -> None:
    assert remove_punctuation().apply("a'b 'c' 1.5 a.b 5%") == "a'b c 1.5 a b 5"
    strict = remove_punctuation(between_letters="", between_digits="", after_digits="%")
    assert strict.apply("a'b 1.5 5% %") == "a b 1 5 5%"
    nothing = remove_punctuation(between_letters="", between_digits="")
    assert nothing.apply("a'b-c") == "a b c"


def test_explain_shows_only_what_changed() -> None:
    chain = ChainNormalizer(
        "x",
        target=(replace_characters("one", {"a": "b"}), replace_characters("two", {"c": ""})),
        score=(),
    )
    assert chain.explain("abc", purpose="target") == [("one", "bbc"), ("two", "bb")]
    assert chain.explain("c", purpose="target") == [("two", "")]
    assert chain.explain("a", purpose="score") == []
