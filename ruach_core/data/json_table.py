"""Tables of clips with one JSON object a line (`metadata.jsonl`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from ruach_core.data.table_rows import (
    MAX_CELL,
    BadRow,
    Lines,
    TableRow,
    find_fault,
    wanted_columns_error,
)


def read_json_rows(
    lines: Lines, fields: Mapping[str, Sequence[str]], required: Sequence[str]
) -> Iterator[TableRow | BadRow]:
    """The rows, lazily; see `read_table`.

    Numbers and booleans come as JSON writes them, null as an absent cell. An object with a `path`,
    as audio is written by some, is that path.

    Raises:
        DataError: the first object lacks a required field altogether.
    """
    is_first = True
    while line := lines.next_filled():
        row = _parse(line, lines.number)
        if isinstance(row, BadRow):
            yield row
            continue
        name_of = {name.strip().lower(): name for name in reversed(row)}
        taken = {
            field: name_of[name]
            for field, names in fields.items()
            if (name := next((name for name in names if name in name_of), None)) is not None
        }
        if is_first and any(field not in taken for field in required):
            raise wanted_columns_error(lines.name, lines.number, fields, required, list(row))
        is_first = False
        yield _build_row(row, taken, lines.number, required)


def _parse(line: str, number: int) -> dict[str, object] | BadRow:
    if fault := find_fault(line, number):
        return fault
    try:
        row = json.loads(line)
    # RecursionError: brackets nested by the thousand.
    except (ValueError, RecursionError) as error:
        return BadRow(number, f"not JSON ({str(error)[:100]})")
    return row if isinstance(row, dict) else BadRow(number, "not a JSON object")


def _build_row(
    row: Mapping[str, object], taken: Mapping[str, str], number: int, required: Sequence[str]
) -> TableRow | BadRow:
    names = set(taken.values())
    cells = {field: _text(row[name]) for field, name in taken.items() if row[name] is not None}
    others = {
        name: text
        for name, value in row.items()
        if name not in names and value is not None and (text := _text(value)).strip()
    }
    # An escape can write what the line's own bytes couldn't.
    if fault := find_fault("".join([*cells.values(), *others, *others.values()]), number):
        return fault
    if max(map(len, (*cells.values(), *others.values())), default=0) > MAX_CELL:
        return BadRow(number, f"a cell of over {MAX_CELL} characters; this isn't a transcript")
    missing = [field for field in required if field not in cells]
    return BadRow(number, f"lacks {missing[0]}") if missing else TableRow(number, cells, others)


def _text(value: object) -> str:
    if isinstance(value, dict) and isinstance(value.get("path"), str):
        value = value["path"]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
