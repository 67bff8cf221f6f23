from __future__ import annotations

import pytest
from ruach_lang_am.normalizer import build_normalizer
from ruach_lang_am.number_reading import find_unread

from ruach_core.text.ethiopic_numerals import format_ethiopic


def _target(text: str, **options: str) -> str:
    return build_normalizer(options).normalize(text, purpose="target")


def _score(text: str, **options: str) -> str:
    return build_normalizer(options).normalize(text, purpose="score")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        # Ordinals
        ("1ኛ", "አንደኛ"),
        ("2ኛ", "ሁለተኛ"),
        ("3ኛ", "ሦስተኛ"),
        ("9ኛ", "ዘጠነኛ"),
        ("10ኛ", "አሥረኛ"),
        ("19ኛው", "አሥራ ዘጠነኛው"),
        ("20ኛ", "ሃያኛ"),
        ("100ኛ", "መቶኛ"),
        ("101ኛ", "መቶ አንደኛ"),
        ("21ኛውን", "ሃያ አንደኛውን"),
        ("5ኛዋ", "አምስተኛዋ"),
        ("1ኛና 2ኛ", "አንደኛና ሁለተኛ"),
        ("5 ኛ", "አምስተኛ"),
        ("5-ኛ", "አምስተኛ"),
        ("5ተኛ", "አምስተኛ"),
        ("ለ3ኛ", "ለሦስተኛ"),
        ("፬ኛ", "አራተኛ"),
        # Articles, possessives, plurals, enclitics
        ("5ቱ", "አምስቱ"),
        ("9ኙ", "ዘጠኙ"),
        ("9ኙም", "ዘጠኙም"),
        ("10ሩን", "አሥሩን"),
        ("1ዱ", "አንዱ"),
        ("1ዷ", "አንዷ"),
        ("12ቱ", "አሥራ ሁለቱ"),
        ("5 ቱ", "አምስቱ"),
        ("2ታችን", "ሁለታችን"),
        ("3ታቸውም", "ሦስታቸውም"),
        ("20ው", "ሃያው"),
        ("100ው", "መቶው"),
        ("15ው", "አሥራ አምስቱ"),
        ("20ቱ", "ሃያው"),
        ("15%ቱ", "አሥራ አምስት በመቶው"),
        ("10ቱ", "አሥርቱ"),
        ("በ1960ዎቹ", "በአንድ ሺህ ዘጠኝ መቶ ስልሳዎቹ"),
        ("2000ዎቹ", "ሁለት ሺዎቹ"),
        ("100ም", "መቶም"),
        ("5ና 6", "አምስትና ስድስት"),
        ("2016ን", "ሁለት ሺህ አሥራ ስድስትን"),
        # Words glued to the digits
        ("5ተማሪዎች", "አምስት ተማሪዎች"),
        ("5ቶን", "አምስት ቶን"),
        ("50ሺ", "ሃምሳ ሺ"),
        ("8ሚሊየን", "ስምንት ሚሊየን"),
        ("ሺ500", "ሺ አምስት መቶ"),
        ("ገጽ5", "ገጽ አምስት"),
        ("2016ዓ.ም", "ሁለት ሺህ አሥራ ስድስት ዓመተ ምሕረት"),
        ("5kg", "አምስት kg"),
        ("5ከ6", "አምስት ከስድስት"),
        ("5-ሰዎች", "አምስት ሰዎች"),
        ("ኮቪድ-19", "ኮቪድ አሥራ ዘጠኝ"),
        ("COVID-19", "COVID አሥራ ዘጠኝ"),
        # Prefixes
        ("በ2016", "በሁለት ሺህ አሥራ ስድስት"),
        ("በ 2016", "በሁለት ሺህ አሥራ ስድስት"),
        ("ከ5 እስከ 9", "ከአምስት እስከ ዘጠኝ"),
        ("እስከ9", "እስከዘጠኝ"),
        ("በየ5 ዓመቱ", "በየአምስት ዓመቱ"),
        ("ስለ3ቱ", "ስለሦስቱ"),
        ("ባለ5 ፎቅ", "ባለ አምስት ፎቅ"),
        # Decimals, percent, money
        ("3.14", "ሦስት ነጥብ አንድ አራት"),
        ("0.5", "ዜሮ ነጥብ አምስት"),
        ("1,234.50", "አንድ ሺህ ሁለት መቶ ሠላሳ አራት ነጥብ አምስት ዜሮ"),
        ("በ6 ነጥብ 8ሚሊየን", "በስድስት ነጥብ ስምንት ሚሊየን"),
        ("25%", "ሃያ አምስት በመቶ"),
        ("25 %", "ሃያ አምስት በመቶ"),
        ("2.5%", "ሁለት ነጥብ አምስት በመቶ"),
        ("25%ው", "ሃያ አምስት በመቶው"),
        ("ከ10%ና", "ከአሥር በመቶና"),
        ("25%የሚሆኑት", "ሃያ አምስት በመቶ የሚሆኑት"),
        ("2.45 ብር", "ሁለት ብር ከአርባ አምስት ሳንቲም"),
        ("2.05ብር", "ሁለት ብር ከአምስት ሳንቲም"),
        ("2.00 ብር", "ሁለት ብር"),
        ("በ0.45 ብር", "በአርባ አምስት ሳንቲም"),
        ("0.00 ብር", "ዜሮ ብር"),
        ("2.5 ብር", "ሁለት ነጥብ አምስት ብር"),
        ("2.45 ሚሊዮን ብር", "ሁለት ነጥብ አራት አምስት ሚሊዮን ብር"),
        ("2 ብር ከ45 ሳንቲም", "ሁለት ብር ከአርባ አምስት ሳንቲም"),
        ("$5", "አምስት ዶላር"),
        ("በ$5 ሚሊዮን", "በአምስት ሚሊዮን ዶላር"),
        # Times
        ("1:00 ሰዓት", "አንድ ሰዓት"),
        ("1:00 ሰዓቱ", "አንድ ሰዓቱ"),
        ("3፡30 ሰዓት", "ሦስት ሰዓት ተኩል"),
        ("3:30 ሰአት", "ሦስት ሰአት ተኩል"),
        ("3:30 ሰዓትና", "ሦስት ሰዓት ተኩልና"),
        ("3:23 ሰዓት", "ሦስት ሰዓት ከሃያ ሦስት ደቂቃ"),
        ("ከ8:00", "ከስምንት ሰዓት"),
        ("13:00", "አሥራ ሦስት ሰዓት"),
        ("ከምሽቱ 2:45 ላይ", "ከምሽቱ ሁለት ሰዓት ከአርባ አምስት ደቂቃ ላይ"),
        ("ከቀኑ በ8:15", "ከቀኑ በስምንት ሰዓት ከአሥራ አምስት ደቂቃ"),
        ("2 ሰዓት 23 ደቂቃ", "ሁለት ሰዓት ሃያ ሦስት ደቂቃ"),
        # Ethiopic numerals, old mixed ones too, and other digits
        ("፳፻፲፮", "ሁለት ሺህ አሥራ ስድስት"),
        ("፲ሺ", "አሥር ሺ"),
        ("ሺ፭፻", "ሺ አምስት መቶ"),
        ("፭፻ሺ", "አምስት መቶ ሺ"),
        ("በ፲፱፻፺፱", "በአንድ ሺህ ዘጠኝ መቶ ዘጠና ዘጠኝ"),
        ("፪፡፴", "ሁለት ሰዓት ተኩል"),
        ("፳%", "ሃያ በመቶ"),
        ("٢٠١٦", "ሁለት ሺህ አሥራ ስድስት"),
        ("2ዐዐ5", "ሁለት ሺህ አምስት"),
        # At the end of a sentence, and in a list
        ("በ2016.", "በሁለት ሺህ አሥራ ስድስት።"),
        ("1.መግቢያ", "አንድ። መግቢያ"),
        ("ቁ.5", "ቁ. አምስት"),
        ("1፣2፣3", "አንድ፣ ሁለት፣ ሦስት"),
        ("ጥር 23 ቀን 2016 ዓ.ም. ነበር", "ጥር ሃያ ሦስት ቀን ሁለት ሺህ አሥራ ስድስት ዓመተ ምሕረት ነበር"),
    ],
)
def test_numbers_in_a_text(written: str, read: str) -> None:
    assert _target(written) == read
    assert _target(f"እና {written} ሆነ") == f"እና {read} ሆነ"
    assert _target(read) == read
    assert _score(written) == _score(read)
    assert find_unread(_target(written)) == []


@pytest.mark.parametrize(
    "written",
    [
        "12/05/2016", "12-05-2016", "0911234567", "+251911234567", "+251 911 23 45 67", "5-9",
        "ከ5-9", "1/2", "1990/91", "1,23", "1 234 567", "1.2.3", "007", "1234567890123456", "3:16",
        "12:05:59", "A4", "MP3", "COVID19", "H2O", "-5", "+5", "በ-5", "-25%", "፩፪", "፪-፫", "፭፥፫",
        "5፻", "፻5", "10²", "3:30 ሰዓቱ",
    ],
)  # fmt: skip
def test_what_is_left_and_listed(written: str) -> None:
    assert _target(written) == written
    assert find_unread(written)
    assert _target(f"እና {written} ሆነ") == f"እና {written} ሆነ"


@pytest.mark.parametrize(
    ("written", "scored"),
    [
        ("12/05/2016", "12/05/2016"),
        ("ስልክ፡ +251-911 23 45 67", "ስልክ +251-911 23 45 67"),
        ("(5–9)", "5-9"),
        ("ዮሐንስ 3:16", "ዮሀንስ 3፥16"),
        ("A4 H2O", "a4 h2o"),
        ("-5 ዲግሪ", "ነጌቲቭ አምስት ዲግሪ"),
        ("በ-5 ዲግሪ", "በነጌቲቭ አምስት ዲግሪ"),
        ("+5 ዲግሪ", "አምስት ዲግሪ"),
        ("3:16፣ ሰዓት", "3፥16 ሰአት"),
    ],
)
def test_what_is_left_stays_whole_in_score(written: str, scored: str) -> None:
    assert _score(written) == scored
    assert _score(scored) == scored


def test_every_ethiopic_numeral_is_read_as_its_value() -> None:
    for value in (*range(1, 200), 1000, 1999, 2016, 10_100, 123_456, 10**8):
        assert _target(format_ethiopic(value)) == _target(str(value))


def test_digits_can_be_kept() -> None:
    text = "በ2016 25% 3፡30 ፲ሺ 5ቱ -5 COVID-19"
    assert _target(text, numbers="keep") == text.replace("፡", ":")
    assert _score(text, numbers="keep") == "በ2016 25% 3:30 ፲ሺ 5ቱ 5 covid 19"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("አምሳ", "ሃምሳ"),
        ("በአምሳ", "በሃምሳ"),
        ("አምሳኛው", "ሃምሳኛው"),
        ("ስድሳ", "ስልሳ"),
        ("ሰማኒያ", "ሰማንያ"),
        ("ሺ", "ሺህ"),
        ("ሺሕ", "ሺህ"),
        ("ሚሊየን", "ሚሊዮን"),
        ("ከሚሊየኑ", "ከሚሊዮኑ"),
        ("ሚሊየነኛ", "ሚሊዮነኛ"),
        ("ቢሊየን", "ቢሊዮን"),
        ("ሁለት ሺ አምሳ", "2050"),
    ],
)
def test_number_variants_are_levelled_on_request(one: str, other: str) -> None:
    assert _score(one, number_variants="level") == _score(other, number_variants="level")
    assert _target(one, number_variants="level") == one


@pytest.mark.parametrize("word", ["አምሳያ", "አምሳል", "ሺፈራው", "ሺሻ", "ድሬሺ"])
def test_other_words_are_not_levelled(word: str) -> None:
    assert _score(word, number_variants="level") == _score(word)


def test_number_variants_stay_by_default() -> None:
    assert len({_score(word) for word in ("አምሳ", "ሃምሳ", "ሺ", "ሺህ", "ሚሊየን", "ሚሊዮን")}) == 6
    assert _score("ሺሕ") == _score("ሺህ")


def test_sixth_order_and_wa_is_folded_on_request() -> None:
    assert _score("ቤትዋ በጥዋት", labialised_sixth="fold") == "ቤቷ በጧት"
    assert _score("ቤትዋ በጥዋት") == "ቤትዋ በጥዋት"
    assert _target("ቤትዋ በጥዋት", labialised_sixth="fold") == "ቤትዋ በጥዋት"
