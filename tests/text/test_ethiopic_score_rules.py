from __future__ import annotations

import time

import pytest

from ruach_core.text import ethiopic


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ሕ.ግ.ደ.ፍ", "ሕግደፍ"),
        ("እ.ኤ.ኣ. ነበረ", "እኤኣ. ነበረ"),
        ("(ዓ.ም)", "(ዓም)"),
        ("ዓ.ም.", "ዓም."),
        ("ገጽ.ሀ", "ገጽ.ሀ"),
        ("ሀ.ገጽ", "ሀ.ገጽ"),
        ("ሀ.ለ.ገጽ", "ሀ.ለ.ገጽ"),
        ("a.b.c", "a.b.c"),
        ("ሀ", "ሀ"),
    ],
)
def test_dotted_initials_are_joined(text: str, expected: str) -> None:
    rule = ethiopic.join_initials()
    assert rule.apply(text) == expected
    assert rule.apply(expected) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,234,567 ብር", "1234567 ብር"),
        ("ብ2,016", "ብ2016"),
        ("1,23 12,34,567 1,2345", "1,23 12,34,567 1,2345"),
        ("1.5,000 1,000.5", "1.5,000 1000.5"),
        ("1,000,00", "1,000,00"),
    ],
)
def test_digit_groups_are_joined(text: str, expected: str) -> None:
    rule = ethiopic.join_digit_groups()
    assert rule.apply(text) == expected
    assert rule.apply(expected) == expected


@pytest.mark.parametrize("unit", ["ሀ.", "ሀ", "1,", "1,000", "000,", "1,000,"])
def test_joining_takes_linear_time(unit: str) -> None:
    start = time.process_time()
    ethiopic.join_initials().apply(unit * 20_000)
    ethiopic.join_digit_groups().apply(unit * 20_000)
    assert time.process_time() - start < 3
