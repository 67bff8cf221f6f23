from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruach_core.text.ethiopic_numerals import (
    MAX_VALUE,
    format_ethiopic,
    parse_ethiopic,
    write_ascii_digits,
)

SIGNS = "፩፪፫፬፭፮፯፰፱፲፳፴፵፶፷፸፹፺፻፼"

VALUES = (
    ("፩", 1),
    ("፱", 9),
    ("፲", 10),
    ("፲፩", 11),
    ("፺፱", 99),
    ("፻", 100),
    ("፻፩", 101),
    ("፪፻", 200),
    ("፲፻", 1_000),
    ("፳፻፲፮", 2_016),
    ("፲፱፻፺፱", 1_999),
    ("፺፱፻፺፱", 9_999),
    ("፼", 10_000),
    ("፼፩", 10_001),
    ("፼፻", 10_100),
    ("፪፼", 20_000),
    ("፲፪፼፴፬፻፶፮", 123_456),
    ("፻፼", 1_000_000),
    ("፻፩፼", 1_010_000),
    ("፼፼", 10**8),
    ("፼፩፼", 10**8 + 10**4),
    ("፪፼፼፭", 2 * 10**8 + 5),
    ("፼፼፼፼", 10**16),
)
MALFORMED = (
    "", "፩፪", "፲፳", "፩፲", "፩፲፻", "፻፻", "፻፪፻", "፻፩፲", "፩፪፼", "፼፩፪", " ፩", "፩ ፪", "፩\n", "፩2", "12",
    "2፻", "፲ሺ", "ፚ፩", "፩፡", "፼፼፼፼፼", "\ud800", "\u137d",
)  # fmt: skip


@pytest.mark.parametrize(("numeral", "value"), VALUES)
def test_numerals_are_read_and_written(numeral: str, value: int) -> None:
    assert parse_ethiopic(numeral) == value
    assert format_ethiopic(value) == numeral


@pytest.mark.parametrize(
    ("numeral", "value"), [("፩፻", 100), ("፩፼", 10_000), ("፩፼፩፻፩", 10_101), ("፼፩፻", 10_100)]
)
def test_a_written_one_is_read(numeral: str, value: int) -> None:
    assert parse_ethiopic(numeral) == value
    assert format_ethiopic(value) != numeral


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_numerals_have_no_value(text: str) -> None:
    assert parse_ethiopic(text) is None


@pytest.mark.parametrize("value", [0, -1, MAX_VALUE + 1])
def test_values_out_of_range_are_refused(value: int) -> None:
    with pytest.raises(ValueError, match="no Ethiopic numeral"):
        format_ethiopic(value)


def test_every_value_of_two_groups_head_comes_back() -> None:
    written = [format_ethiopic(value) for value in range(1, 30_000)]
    assert [parse_ethiopic(numeral) for numeral in written] == list(range(1, 30_000))
    assert len(set(written)) == len(written)


@given(st.one_of(st.integers(1, 10**9), st.integers(1, MAX_VALUE)))
def test_values_come_back(value: int) -> None:
    assert parse_ethiopic(format_ethiopic(value)) == value


@given(st.sampled_from([10**k for k in range(1, 20)]), st.integers(-1, 1))
def test_values_about_powers_of_ten_come_back(power: int, step: int) -> None:
    assert parse_ethiopic(format_ethiopic(power + step)) == power + step


def test_what_is_read_is_written_but_for_the_one() -> None:
    # Every sequence of up to four signs: what is read is written back, or held a needless ፩.
    for length in range(1, 5):
        for signs in itertools.product("፩፪፲፳፻፼", repeat=length):
            numeral = "".join(signs)
            value = parse_ethiopic(numeral)
            if value is not None and format_ethiopic(value) != numeral:
                assert "፩፻" in numeral or numeral.startswith("፩፼")


@given(st.text(st.sampled_from(SIGNS + "ሀ1 ፡"), max_size=40))
def test_reading_is_total_and_bounded(text: str) -> None:
    value = parse_ethiopic(text)
    assert value is None or 1 <= value <= MAX_VALUE


@pytest.mark.parametrize("unit", ["፼", "፻", "፩", "፲፩", "፺፱፻፺፱፼"])
def test_long_runs_are_refused_quickly(unit: str) -> None:
    start = time.process_time()
    assert parse_ethiopic(unit * 200_000) is None
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("በ፳፻፲፮ ዓ.ም.", "በ2016 ዓ.ም."),
        ("፲፱፻፺፱", "1999"),
        ("፲ሺ ወታደሮች", "10ሺ ወታደሮች"),
        ("ምዕ. ፫፥፲፮", "ምዕ. 3፥16"),
        ("፪፡፴ ፲-፳ ፩፣ ፪", "2፡30 10-20 1፣ 2"),
        ("፩ ፻", "1 100"),
        ("፲ወ፪ቱ", "10ወ2ቱ"),
        ("፭.", "5."),
        ("፩፪ ፻፻", "፩፪ ፻፻"),
        ("፲5 5፲ ፲٣", "፲5 5፲ ፲٣"),
        ("፩.፪ ፲,፻፩ 1,፪ ፫.5", "፩.፪ ፲,፻፩ 1,፪ ፫.5"),
        ("2016 ሰላም", "2016 ሰላም"),
    ],
)
def test_numerals_in_text_become_digits(text: str, expected: str) -> None:
    rule = write_ascii_digits()
    assert rule.apply(text) == expected
    assert rule.apply(expected) == expected


@given(st.text(st.sampled_from("፩፪፲፳፻፼1٣ሀ ።.,፡-"), max_size=30))
def test_writing_digits_is_idempotent(text: str) -> None:
    rule = write_ascii_digits()
    once = rule.apply(text)
    assert rule.apply(once) == once


@pytest.mark.parametrize("unit", ["፼", "፩", "፩.", "፲፩ ", "፻5"])
def test_writing_digits_takes_linear_time(unit: str) -> None:
    start = time.process_time()
    write_ascii_digits().apply(unit * 30_000)
    assert time.process_time() - start < 3
