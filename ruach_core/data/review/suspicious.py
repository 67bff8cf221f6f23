"""`suspicious.csv`: the clips whose text may be wrong, the likeliest first."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ruach_core.data.review.decisions import guard, unguard
from ruach_core.data.table import BadRow, read_table
from ruach_core.errors import DataError
from ruach_core.files import write_text

SUSPICIOUS = "suspicious.csv"


@dataclass(frozen=True, slots=True)
class SuspiciousClip:
    """One clip of the ranking.

    Attributes:
        rank: from 1.
        id: of the utterance, as its source has it.
        source: name of the source.
        split: train or validation.
        duration_s: length in seconds.
        why: what stands out, in words.
        score: how far the clip is above its like, in robust standard deviations.
        loss: cross-entropy for each token, teacher-forced; mean over the epochs that count.
        usual_loss: what clips like this one have.
        cer: strict, a fraction; None where the clip wasn't decoded.
        reference: the normalised text.
        hypothesis: what the model wrote, normalised likewise; None where it wasn't decoded.
    """

    rank: int
    id: str
    source: str
    split: str
    duration_s: float
    why: str
    score: float
    loss: float
    usual_loss: float
    cer: float | None
    reference: str
    hypothesis: str | None


_NAMES = tuple(field.name for field in fields(SuspiciousClip))
_DECIMALS = {"duration_s": 3, "score": 2, "loss": 4, "usual_loss": 4, "cer": 4}
_OPTIONAL = ("cer", "hypothesis", "reference", "why")


def write_suspicious(clips: Sequence[SuspiciousClip], path: Path) -> None:
    """Write the table, in one move.

    Raises:
        UserError: it can't be written.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_NAMES)
    for clip in clips:
        writer.writerow([_cell(name, value) for name, value in asdict(clip).items()])
    write_text(path, out.getvalue())


def read_suspicious(path: Path) -> list[SuspiciousClip]:
    """The clips of a table, in its order.

    Raises:
        DataError: it can't be read, or isn't such a table; names the row.
    """
    columns = {name: (name,) for name in ("id", *(n for n in _NAMES if n != "id"))}
    found = []
    for row in read_table(path, fields=columns, required=_NAMES):
        detail = row.detail if isinstance(row, BadRow) else ""
        if not isinstance(row, BadRow):
            try:
                found.append(_parse({name: unguard(row.cells.get(name, "")) for name in _NAMES}))
                continue
            except ValueError as error:
                detail = str(error)
        raise DataError(f"{path} row {row.number}: {detail}; take the table that ruach train wrote")
    return found


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if name in _DECIMALS:
        return f"{value:.{_DECIMALS[name]}f}"
    return guard(value) if isinstance(value, str) else str(value)


def _parse(cells: dict[str, str]) -> SuspiciousClip:
    """The clip of a row; raises ValueError where a cell isn't what its column holds."""
    for name in _NAMES:
        if not cells[name].strip() and name not in _OPTIONAL:
            raise ValueError(f"{name} is empty")
    cer = float(cells["cer"]) if cells["cer"] else None
    return SuspiciousClip(
        rank=int(cells["rank"]),
        id=cells["id"],
        source=cells["source"],
        split=cells["split"],
        duration_s=float(cells["duration_s"]),
        why=cells["why"],
        score=float(cells["score"]),
        loss=float(cells["loss"]),
        usual_loss=float(cells["usual_loss"]),
        cer=cer,
        reference=cells["reference"],
        # A clip that was decoded has a CER, and its hypothesis may be empty.
        hypothesis=None if cer is None else cells["hypothesis"],
    )
