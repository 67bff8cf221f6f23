from __future__ import annotations

import pytest
from ruach_lang_am.normalizer import build_normalizer

from ruach_core.text.tables import read_table


def _target(text: str, **options: str) -> str:
    return build_normalizer({"numbers": "keep", **options}).normalize(text, purpose="target")


def _score(text: str) -> str:
    return build_normalizer({}).normalize(text, purpose="score")


_ROWS = read_table(
    "ruach_lang_am", "abbreviations.tsv", columns=("short", "long", "contested", "source")
)


@pytest.mark.parametrize("row", _ROWS, ids=lambda row: row["short"])
def test_every_row_of_the_table(row: dict[str, str]) -> None:
    short, long = row["short"], row["long"]
    assert _target(f"ይህ {short} ነው") == f"ይህ {long} ነው"
    assert _target(f"የ{short} ነው") == f"የ{long} ነው"
    assert _target(f"({short.replace('.', '/')})") == f"({long})"
    assert _target(f"({short.replace('/', '.')})") == f"({long})"
    assert _target(short, abbreviations="keep") == short
    assert _score(short) == _score(long)
    assert row["source"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("በት/ቤቱ", "በትምህርት ቤቱ"),
        ("ት/ቤቶች", "ትምህርት ቤቶች"),
        ("ት/ቤቶቹን", "ትምህርት ቤቶቹን"),
        ("ከት/ቤታችን", "ከትምህርት ቤታችን"),
        ("ት/ቤቴ", "ትምህርት ቤቴ"),
        ("ት/ቤትህን", "ትምህርት ቤትህን"),
        ("ወ/ሮዎች", "ወይዘሮዎች"),
        ("ጽ/ቤቷ", "ጽሕፈት ቤቷ"),
        ("ፅ/ቤት", "ጽሕፈት ቤት"),
        ("የወ/ሮ", "የወይዘሮ"),
        ("ለዶ/ር", "ለዶክተር"),
        ("እነዶ/ር", "እነዶክተር"),
        ("ከነዶ/ር", "ከነዶክተር"),
        ("ዶ/ሩ", "ዶክተሩ"),
        ("የፕ/ር", "የፕሮፌሰር"),
        ("የፕ/ት", "የፕሬዚዳንት"),
        ("ፕ/ቱ", "ፕሬዚዳንቱ"),
        ("ጠ/ሚኒስትሩ", "ጠቅላይ ሚኒስትሩ"),
        ("ጠ/ሚሩ", "ጠቅላይ ሚኒስትሩ"),
        ("ወ/ሪት", "ወይዘሪት"),
        ("አ.አ", "አዲስ አበባ"),
        ("በአ/አ", "በአዲስ አበባ"),
        ("አ.አን", "አዲስ አበባን"),
        ("ዓ.ዓ", "ዓመተ ዓለም"),
        ("አ.ም", "ዓመተ ምሕረት"),
        ("ዐ.ም", "ዓመተ ምሕረት"),
        ("ዓ. ም", "ዓመተ ምሕረት"),
        ("ዓ/ም", "ዓመተ ምሕረት"),
        ("ገ/መድህን", "ገብረ መድህን"),
        ("የኃ/ማርያምን", "የኃይለ ማርያምን"),
        ("ሃ/ማርያም", "ኃይለ ማርያም"),
        ("ተ/ወ/ማርያም", "ተክለ ወልደ ማርያም"),
        ("ኪ.ሜ", "ኪሎ ሜትር"),
        ("እ.ኤ.አ", "እንደ ኤውሮፓውያን አቆጣጠር"),
    ],
)
def test_clitics_and_endings_survive(written: str, read: str) -> None:
    assert _target(f"ያ {written} ነው") == f"ያ {read} ነው"
    assert _target(read) == read


@pytest.mark.parametrize(
    "text",
    [
        "ነው/ናት", "ሃኪም ነው/ናት ወይ?", "የኢ.ፌ.ዴ.ሪ", "ወንድ/ሴት", "ገ/ሰው", "ት/ቤትስራ", "ት/ቤ", "ዓ.ምን.ም", "መ/ርት",
        "ሀ/ለ/ሐ", "ነበር.እሱ", "3.14", "ወ/ሮማን", "ዶ/ሮማን", "ሀ.ዓ.ም", "/ዓ.ም",
    ],
)  # fmt: skip
def test_other_tokens_stay(text: str) -> None:
    assert _target(text) == text


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("በ2016 ዓ.ም. ተጀመረ።", "በ2016 ዓመተ ምሕረት ተጀመረ።"),
        ("በ2016 ዓ. ም. ተጀመረ።", "በ2016 ዓመተ ምሕረት ተጀመረ።"),
        ("የተጀመረው በ2016 ዓ.ም.", "የተጀመረው በ2016 ዓመተ ምሕረት።"),
        ("የተጀመረው በ2016 ዓ.ም", "የተጀመረው በ2016 ዓመተ ምሕረት"),
        ("የተጀመረው በ2016 ዓ.ም።", "የተጀመረው በ2016 ዓመተ ምሕረት።"),
        ("የተጀመረው በ2016 ዓ.ም.።", "የተጀመረው በ2016 ዓመተ ምሕረት።"),
        ("የተጀመረው በ2016 ዓ.ም.፡፡", "የተጀመረው በ2016 ዓመተ ምሕረት።"),
        ("“የተጀመረው በ2016 ዓ.ም.”", '"የተጀመረው በ2016 ዓመተ ምሕረት።"'),
        ("በ2016 ዓ.ም.፣ በ2017 ዓ.ም.", "በ2016 ዓመተ ምሕረት፣ በ2017 ዓመተ ምሕረት።"),
        ("በ2016 ዓ.ም...", "በ2016 ዓመተ ምሕረት..."),
        ("ያዩት ዶ/ር. እሱ", "ያዩት ዶክተር። እሱ"),
        ("2016ዓ.ም.2017", "2016 ዓመተ ምሕረት 2017"),
    ],
)
def test_the_stop_of_the_sentence_survives(written: str, read: str) -> None:
    assert _target(written) == read


def test_expansion_comes_before_folding() -> None:
    assert _score("ዓ.ም") == "አመተ ምህረት"
    assert _score("ዓ.ዓ") == "አመተ አለም"
    assert _score("አ.አ") == "አዲስ አበባ"


def test_unknown_initials_are_joined_in_score_alone() -> None:
    assert _score("የኢ.ፌ.ዴ.ሪ") == "የኢፌዴሪ"
    assert _target("የኢ.ፌ.ዴ.ሪ") == "የኢ.ፌ.ዴ.ሪ"
    assert _score("ኢ.ፌ.ዴ.ሪን") == "ኢፌዴሪን"
    assert _score("ሕ.ግ በሕ.ግ") == "ህግ በህግ"


@pytest.mark.parametrize("written", ["በቃ.አለ", "የት.ነው", "የኔ.ነው", "ከዛ.በኋላ", "ሄደ.በቃ.አለ"])
def test_a_stop_whose_space_was_forgotten_parts_words(written: str) -> None:
    assert _score(written) == _score(written.replace(".", ". "))
