from __future__ import annotations

import time

import pytest
from ruach_lang_am.hooks import ruach_normalizer
from ruach_lang_am.normalizer import build_normalizer

from ruach_core.text.normalization import ChainNormalizer
from ruach_core.text.unicode import is_letter

# Rows of the homophone table by order: the canonical letter first.
SERIES = (
    "ሀሐኀሃሓኃኻ", "ሁሑኁኹ", "ሂሒኂኺ", "ሄሔኄኼ", "ህሕኅኽ", "ሆሖኆኾ", "ኋሗዃ",
    "ሰሠ", "ሱሡ", "ሲሢ", "ሳሣ", "ሴሤ", "ስሥ", "ሶሦ", "ሷሧ",
    "አዐኣዓ", "ኡዑ", "ኢዒ", "ኤዔ", "እዕ", "ኦዖ",
    "ጸፀ", "ጹፁ", "ጺፂ", "ጻፃ", "ጼፄ", "ጽፅ", "ጾፆ",
    "ቆቈ", "ኮኰ", "ጎጐ", "ሆኈዀ", "ቁቍቊ", "ኩኵ", "ጉጕ", "ሁኍዅ", "ውዉ",
)  # fmt: skip

# Here digits and abbreviations stay, so that what happens beside them shows.
KEEP = {"numbers": "keep", "abbreviations": "keep"}

U_ORDER = "ሉሙሩሱሹቁቡቩቱቹሁኑኙኩዙዡዱጁጉጡጩጱጹፉፑ"
WA_FORMS = "ሏሟሯሷሿቋቧቯቷቿኋኗኟኳዟዧዷጇጓጧጯጷጿፏፗ"


@pytest.fixture(scope="module")
def normalizer() -> ChainNormalizer:
    return build_normalizer({})


def _target(text: str) -> str:
    return build_normalizer(KEEP).normalize(text, purpose="target")


def _score(text: str) -> str:
    return build_normalizer(KEEP).normalize(text, purpose="score")


def _amharic_letters() -> list[str]:
    return [chr(c) for c in range(0x1200, 0x135B) if is_letter(chr(c))]


def test_normalizer_is_for_amharic_alone() -> None:
    assert ruach_normalizer(lang="ti", options={}) is None
    assert ruach_normalizer(lang="am", options={}) is not None


@pytest.mark.parametrize("series", SERIES, ids=lambda s: s[0])
def test_homophones_fold_to_one_letter(series: str) -> None:
    for letter in series:
        assert _score(f"በ{letter}ል") == f"በ{series[0]}ል"


def test_nothing_else_folds() -> None:
    folded = set("".join(series[1:] for series in SERIES))
    for letter in _amharic_letters():
        assert (_score(f"ብ{letter}ብ") == f"ብ{letter}ብ") == (letter not in folded), letter


def test_homophones_fold_never_across_orders() -> None:
    canonical = [_score(series[0]) for series in SERIES[:28]]
    assert len(set(canonical)) == len(canonical)


@pytest.mark.parametrize(("u", "wa"), list(zip(U_ORDER, WA_FORMS, strict=True)))
def test_second_order_and_wa_is_one_letter(u: str, wa: str) -> None:
    assert _score(f"መ{u}ዋል") == _score(f"መ{wa}ል")
    assert _score(f"መ{u}ዋ{u}ዋ") == _score(f"መ{wa}{wa}")
    assert _target(f"መ{u}ዋል") == f"መ{u}ዋል"


def test_only_second_order_composes_with_wa() -> None:
    composing = set(U_ORDER) | set("ሡሑኁኹፁኵቍቊጕኍዅ")  # homophones and labiovelars fold to it first
    for letter in _amharic_letters():
        assert ("ዋ" not in _score(f"በ{letter}ዋል")) == (letter in composing), letter


def test_hiatus_is_never_composed() -> None:
    for letter in _amharic_letters():
        for vowel in "አዓኣዐ":
            assert _score(f"በ{letter}{vowel}ል")[2:] == "አል", letter


@pytest.mark.parametrize(
    "word", ["ወስደዋል", "ድሬደዋ", "ወልደአረጋይ", "ሉአላዊነት", "ፉአድ", "ህዋስ", "ንዋይ", "ልዋጭ", "ጥዋት"]
)
def test_words_that_no_fold_touches(word: str) -> None:
    assert _score(word) == word


def test_folding_starts_from_homophone_spellings() -> None:
    assert _score("ሉዓላዊነት") == "ሉአላዊነት"
    assert _score("ቍዋንቍዋ") == _score("ቋንቋ")
    assert _score("ሑዋላ") == _score("ሗላ") == "ኋላ"


def test_target_keeps_every_letter() -> None:
    for block in (range(0x1200, 0x135B), range(0x1380, 0x1390), range(0x2D80, 0x2DDF)):
        for letter in map(chr, block):
            word = f"በ{letter}ብ"
            assert _target(word) == word


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("ኘሮጀክት", "ፕሮጀክት"),
        ("ኘሬስ", "ፕሬስ"),
        ("አውሮኘላን", "አውሮፕላን"),
        ("በአውሮኘላኑ", "በአውሮፕላኑ"),
        ("የኘላስቲክ", "የፕላስቲክ"),
        ("ስለኘላኔት", "ስለፕላኔት"),
        ("ኘላትፎርም", "ፕላትፎርም"),
        ("ኢንተርኘራይዝ", "ኢንተርኘራይዝ"),
        # "found for her", "wished for them": verbs that end in ኘ before an object suffix.
        ("አገኘላት", "አገኘላት"),
        ("ተመኘላቸው", "ተመኘላቸው"),
        ("ጎበኘላችሁ", "ጎበኘላችሁ"),
        ("ኘ", "ኘ"),
    ],
)
def test_nya_typed_for_pe(typed: str, meant: str) -> None:
    assert _target(typed) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("9ዐ%", "90%"),
        ("2ዐዐ5", "2005"),
        ("በ2ዐ1ዐ ዓ.ም.", "በ2010 ዓ.ም."),
        ("8:ዐዐ", "8:00"),
        ("8፡ዐዐ ሰዓት", "8:00 ሰዓት"),
        ("ዐ.5", "0.5"),
        ("5ዐኛ", "50ኛ"),
        ("ከዐ9", "ከ09"),
        ("1ዐ/ዐ5/2ዐ16", "10/05/2016"),
        ("2ዐ,ዐዐዐ", "20,000"),
        # ዐ begins or ends a word here.
        ("3ዐመት", "3ዐመት"),
        ("3 ዐመት", "3 ዐመት"),
        ("5 ዐ.ም", "5 ዐ.ም"),
        ("5ዐ.ም.", "5ዐ.ም."),
        ("3.ዐለም", "3.ዐለም"),
        ("ተሰማዐ5", "ተሰማዐ5"),
        ("ዐለም", "ዐለም"),
        ("ዐ", "ዐ"),
    ],
)
def test_ayin_typed_for_zero(typed: str, meant: str) -> None:
    assert _target(typed) == meant


def test_invisible_characters_go() -> None:
    ranges = ((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x2060), (0x2066, 0x2069))
    code_points = [0xFEFF, 0xAD, *(c for low, high in ranges for c in range(low, high + 1))]
    for code_point in code_points:
        assert _target(f"ሰላ{chr(code_point)}ም") == "ሰላም"
        assert _score(f"ሰላ{chr(code_point)}ም") == "ሰላም"


def test_marks_are_deleted_and_never_split() -> None:
    for mark in "\u135d\u135e\u135f":
        assert _target(f"ገ{mark}ና") == _score(f"ገ{mark}ና") == "ገና"
        assert _target(f"ገ{mark}{mark}ና{mark}") == "ገና"
    assert _score("ሠ\u1390ላ") == "ሰላ"


@pytest.mark.parametrize("space", "\u00a0\u2007\u202f\u3000\u2003\t\n\r\u2028\x85")
def test_white_space_is_one_space(space: str) -> None:
    assert _target(f"{space}አዲስ {space}አበባ{space}") == "አዲስ አበባ"


def test_lone_surrogates_do_no_harm() -> None:
    assert _target("ሰላም \ud83d") == "ሰላም \ufffd"
    assert _score("\udc00ሰላም\ud800") == "ሰላም"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ብለዋል.", "ብለዋል።"),
        ("ብለዋል . እሱም", "ብለዋል። እሱም"),
        ('"ብለዋል."', '"ብለዋል።"'),
        ("ብለዋል..", "ብለዋል።"),
        ("ገጽ. 5", "ገጽ. 5"),
        ("ዓ.ም.", "ዓ.ም."),
        ("ኪ.ሜትር.", "ኪ.ሜትር."),
        ("3.14", "3.14"),
        ("ቆይ… መጣ", "ቆይ... መጣ"),
        ("ስሙ፡፡-አበበ", "ስሙ፦ አበበ"),
        ("ስሙ፡—አበበ", "ስሙ፦ አበበ"),
        (":-) ሳቀ", ":-) ሳቀ"),
        ("std::sort", "std::sort"),
        ("ሰላም፡።", "ሰላም።"),
        ("ሰላም፡፡፡ሌላ", "ሰላም። ሌላ"),
        ("ሰላም ። ።", "ሰላም።"),
        ("5፥3", "5፥3"),
        ("ዳቦ ÷ ወተት", "ዳቦ፥ ወተት"),
        ("1,234 ሰው", "1,234 ሰው"),
        ("<<ሰላም>>", '"ሰላም"'),
        ("''ሰላም''", '"ሰላም"'),
        ("«ሰላም» ፣ አለ", '"ሰላም"፣ አለ'),
        ("(ዳቦ), ወተት", "(ዳቦ)፣ ወተት"),
        ("እንዴት ነህ ?ደህና", "እንዴት ነህ? ደህና"),
        ("፪፡፴", "፪:፴"),
    ],
)
def test_punctuation_of_target(text: str, expected: str) -> None:
    assert _target(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ዋው!...(ከምሽቱ 3፡30) «ሰላም»፦", "ዋው ከምሽቱ 3:30 ሰላም"),
        ("መርሀ-ግብር", "መርሀ ግብር"),
        ("ነው/ናት", "ነው ናት"),
        ("don’t STOP", "dont stop"),
        ("1,234,567 ብር", "1234567 ብር"),
        ("25% ነው %", "25% ነው"),
        ("3.14", "3.14"),
        ("የኢ.ፌ.ዴ.ሪ.", "የኢፌዴሪ"),
        ("ነበር.እሱ", "ነበር እሱ"),
        ("😀 ሰላም❤\ufe0f", "ሰላም"),
        ("___", ""),
        ("ኘ.ሮ", "ፕሮ"),
    ],
)
def test_surface_of_score(text: str, expected: str) -> None:
    assert _score(text) == expected


def test_score_of_every_letter_pair_is_stable() -> None:
    letters = _amharic_letters()
    for second in "ዋሮሬላዐአኘ":
        text = " ".join(first + second for first in letters)
        for purpose in ("target", "score"):
            once = build_normalizer({}).normalize(text, purpose=purpose)
            assert build_normalizer({}).normalize(once, purpose=purpose) == once
        assert _score(_target(text)) == _score(text)


@pytest.mark.parametrize(
    "unit",
    [
        "ሀ",
        "ኘ",
        "፡",
        "፠",
        ".",
        "ዐ",
        "0",
        "ሀ.",
        "0,000,",
        "'",
        "<",
        "« ",
        "፣ ",
        "ዐ5",
        "ሱዋ",
        "ሀ ,",
        ": ",
        "፡-",
        "…",
        "የየ",
        "\u135f",
        "\u0327\u0301",
        "\u200d",
        "a\u200d",
        " ",
        "5ኛ ",
        "5",
        "1,",
        "1፪",
        "፪፡",
        "3:15ሰዓት ",
        "ዓ.ም",
        "ዓ.ም.",
        "ት/",
        "የየ/",
        "ሺ ",
        "$5",
        "-5 ",
    ],
)
def test_time_is_linear(normalizer: ChainNormalizer, unit: str) -> None:
    def seconds(n_characters: int) -> float:
        text = (unit * n_characters)[:n_characters]
        laps: list[float] = []
        for _ in range(3):
            start = time.process_time()
            normalizer.normalize(text, purpose="score")
            laps.append(time.process_time() - start)
        return min(laps)

    # Linear is 4, quadratic 16; the constant keeps noise on quick runs from mattering.
    assert seconds(8_000) < 9 * seconds(2_000) + 0.02


def test_names_its_version(normalizer: ChainNormalizer) -> None:
    assert normalizer.name.startswith("ruach-lang-am 0.")
    assert "(" not in normalizer.name
    options = {"numbers": "keep", "number_variants": "level"}
    assert build_normalizer(options).name.endswith(" (numbers=keep, number_variants=level)")


def test_explain_names_the_rules(normalizer: ChainNormalizer) -> None:
    steps = normalizer.explain("ፀሐይ፡፡", purpose="score")
    assert [name for name, _ in steps] == ["double colon", "punctuation", "homophones"]
    assert steps[-1][1] == normalizer.normalize("ፀሐይ፡፡", purpose="score")


@pytest.mark.parametrize("text", [".0,000", "0,000", "0,000,", ",0,000", "x.0,000"])
def test_digit_groups_are_joined_whatever_stands_around_them(text: str) -> None:
    assert "0000" in _score(text)
    assert _score(_score(text)) == _score(text)
