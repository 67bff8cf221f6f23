"""The 30 checks, and the pairs of spellings that must come out as one."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Normalize = Callable[[Sequence[str]], list[str | None]]

_TABLE = Path(__file__).with_name("checks.tsv")
_COLUMNS = ["number", "kind", "inputs", "expected", "note"]
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})")
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Check:
    """One row of `checks.tsv`.

    Attributes:
        number: rows of one number hold together or not at all.
        kind: equal, differ, same or gives.
        inputs: one text, or two for equal and differ.
        expected: what `gives` must give.
    """

    number: int
    kind: str
    inputs: tuple[str, ...]
    expected: str

    def show(self) -> str:
        """The check in a line: `ፀሐይ = ጸሀይ`."""
        texts = [_visible(text) for text in self.inputs]
        if self.kind == "gives":
            return f"{texts[0]} → {_visible(self.expected)}"
        sign = {"equal": " = ", "differ": " ≠ ", "same": ""}[self.kind]
        return sign.join(texts) + (" stays" if self.kind == "same" else "")


def read_checks() -> tuple[Check, ...]:
    """All rows, in order.

    Raises:
        ValueError: the table isn't as it should be.
    """
    lines = _TABLE.read_text(encoding="utf-8").split("\n")
    rows = [line.split("\t") for line in lines if line.strip() and not line.startswith("#")]
    if rows[0] != _COLUMNS:
        raise ValueError(f"{_TABLE.name}: the heading must be {_COLUMNS}")
    checks = []
    for number, kind, inputs, expected, _note in rows[1:]:
        texts = tuple(_unescape(text) for text in inputs.split(" | "))
        if len(texts) != (2 if kind in ("equal", "differ") else 1):
            raise ValueError(f"{_TABLE.name}: check {number} has {len(texts)} inputs")
        checks.append(Check(int(number), kind, texts, _unescape(expected)))
    return tuple(checks)


def run_checks(
    checks: Sequence[Check], normalize: Normalize, *, keeping: Sequence[Normalize] = ()
) -> dict[int, bool]:
    """Which numbers hold.

    Args:
        checks: the rows.
        normalize: the package's normaliser over a list of texts.
        keeping: for a package with more than one form of a text, the other forms, which `same`
            and `gives` ask too: `same` every one of these instead of the first, `gives` the last
            of these to the letter, and the first as well.
    """
    held: defaultdict[int, list[bool]] = defaultdict(list)
    for check in checks:
        held[check.number].append(_holds(check, normalize, keeping))
    return {number: all(results) for number, results in sorted(held.items())}


def _holds(check: Check, normalize: Normalize, keeping: Sequence[Normalize]) -> bool:
    if check.kind == "same":
        return all(form(check.inputs)[0] == check.inputs[0] for form in keeping or [normalize])
    if check.kind == "gives":
        output, wanted = normalize([check.inputs[0], check.expected])
        # A package that spaces or folds the expected text too has still read the input right.
        is_right = output is not None and output in (check.expected, wanted)
        if not is_right or not keeping:
            return is_right
        kept = keeping[-1](check.inputs)[0] or ""
        # The stop of an abbreviation at the end may be read as the sentence's too.
        return check.expected in (kept, kept.removesuffix("።"))
    first, second = normalize(check.inputs)
    return first is not None and second is not None and (first == second) is (check.kind == "equal")


def read_pairs(data: Path | None) -> list[tuple[str, str]]:
    """Pairs of the public Amharic vectors that a scorer must find one; none without the file.

    Args:
        data: folder of the test data; by default `shared/data` beside the repository.
    """
    vectors = (data or _ROOT.parent / "shared" / "data") / "vectors_public.json"
    if not vectors.is_file():
        return []
    return [
        (vector["input"], other)
        for vector in json.loads(vectors.read_text(encoding="utf-8"))
        if vector["lang"] == "am"
        for other in vector.get("equiv", ())
    ]


def count_equal(pairs: Sequence[tuple[str, str]], normalize: Normalize) -> int:
    """How many pairs the package makes one."""
    first = normalize([a for a, _ in pairs])
    second = normalize([b for _, b in pairs])
    return sum(a is not None and a == b for a, b in zip(first, second, strict=True))


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)


def _visible(text: str) -> str:
    return "".join(
        c if c.isprintable() and not "\u135d" <= c <= "\u135f" else f"[U+{ord(c):04X}]"
        for c in text
    )
