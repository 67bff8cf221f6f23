"""A person's decisions about clips: `review.csv` in the corpus' folder, applied to what is read.

`ruach data review` makes the page that writes the file. A clip is dropped, its text is replaced, or
it is accepted, which keeps it from being called suspicious again. The source itself is never
changed. Each decision holds for the text that was looked at: if that has changed since, it is told
and not applied.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from ruach_core.blame import split_source
from ruach_core.data.table import BadRow, TableRow, read_table
from ruach_core.errors import DataError
from ruach_core.types import SetAside, Utterance

REVIEW = "review.csv"
Verdict = Literal["accept", "drop", "fix"]
COLUMNS = ("source", "id", "decision", "transcription", "transcript_sha256", "note")
"""Of `review.csv`, in order."""
_FIELDS = {
    "id": ("id", "file_name"),
    **{name: (name,) for name in COLUMNS if name != "id"},
}
_REQUIRED = ("id", "decision")
_DIGEST_CHARS = 16
_N_NAMED = 5
_GUARDED = re.compile(r"'+[=+\-@\t\r]")


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about one clip.

    Attributes:
        id: of the utterance, as its source has it.
        verdict: what to do.
        transcription: the right text, where the verdict is `fix`.
        digest: of the text that was looked at (`text_digest`); empty where it doesn't matter.
        source: name of the source; empty for the one in whose folder the file lies.
        note: what the person wrote about it.
        row: of `review.csv`.
    """

    id: str
    verdict: Verdict
    transcription: str = ""
    digest: str = ""
    source: str = ""
    note: str = ""
    row: int = 0


def text_digest(transcript: str) -> str:
    """16 hex digits that tell one transcript from another."""
    content = transcript.encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).hexdigest()[:_DIGEST_CHARS]


def review_path(source: Path) -> Path | None:
    """Where a source's decisions lie: in its folder, or beside its file; None for other sources."""
    path = split_source(source)[1]
    if path.is_dir():
        return path / REVIEW
    return path.with_name(REVIEW) if path.is_file() else None


def read_decisions(path: Path) -> list[Decision]:
    """The rows of a `review.csv`.

    Raises:
        DataError: it can't be read; names the row and the remedy.
    """
    found: dict[tuple[str, str], Decision] = {}
    for row in read_table(path, fields=_FIELDS, required=_REQUIRED):
        if isinstance(row, BadRow):
            raise _malformed(path, row.number, row.detail)
        decision = _parse(path, row)
        earlier = found.setdefault((decision.source, decision.id), decision)
        if earlier is not decision:
            detail = f"{decision.id} is decided in row {earlier.row} already; keep one of the two"
            raise _malformed(path, row.number, detail)
    return list(found.values())


def find_decisions(source: Path) -> list[Decision]:
    """The decisions that lie with a source; none where there is no file.

    Raises:
        DataError: the file can't be read.
    """
    path = review_path(source)
    return read_decisions(path) if path is not None and path.is_file() else []


@dataclass(slots=True)
class Review:
    """The decisions about one source, and what came of them while its rows were read.

    Attributes:
        name: of the source, among those of the run.
        decisions: by utterance id.
        others: names of other sources that the file has decisions about.
        accepted: ids of clips whose text is right.
        dropped: ids of clips that take no part.
        fixed: ids of clips whose text was replaced.
        stale: decisions about a text that has changed since.
    """

    name: str
    decisions: dict[str, Decision] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    accepted: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    fixed: list[str] = field(default_factory=list)
    stale: list[Decision] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, source: Path, name: str) -> Review:
        """The decisions that lie with a source; none where there is no file.

        Args:
            source: the folder (or whatever a loader knows).
            name: of the source; rows that name another one are passed over.

        Raises:
            DataError: the file can't be read.
        """
        rows = find_decisions(source)
        mine = {row.id: row for row in rows if row.source in ("", name)}
        return cls(name, mine, {row.source for row in rows} - {"", name})

    def apply(self, rows: Iterable[Utterance | SetAside]) -> Iterator[Utterance | SetAside]:
        """The rows of the source, lazily, with the decisions carried out."""
        for row in rows:
            if isinstance(row, SetAside):
                self._seen.add(row.utterance_id)
                yield row
            else:
                yield self._decide(row, self.decisions.get(row.id))

    def notes(self, *, is_whole: bool = True) -> list[str]:
        """What was done, and what couldn't be, a line each.

        Args:
            is_whole: all splits were read, so a clip that wasn't seen isn't there.
        """
        notes = []
        if self.dropped or self.fixed or self.accepted:
            notes.append(
                f"{REVIEW} of {self.name}: {_count(self.dropped, 'clip')} dropped"
                f"{_named(self.dropped)}, {_count(self.fixed, 'text')} fixed{_named(self.fixed)}, "
                f"{len(self.accepted)} accepted"
            )
        gone = [d for d in self.decisions.values() if is_whole and d.id not in self._seen]
        problems = [
            f"{len(found)} {what} (row {found[0].row}: {found[0].id})"
            for found, what in (
                (gone, "name a clip that isn't there"),
                (self.stale, "are about a text that has changed since"),
            )
            if found
        ]
        if problems:
            notes.append(
                f"{REVIEW} of {self.name}: decisions that aren't applied: {', '.join(problems)}; "
                "decide anew with ruach data review, or delete the rows"
            )
        if self.others and not self.decisions:
            notes.append(
                f"{REVIEW} of {self.name}: nothing is applied, as all its rows name other sources "
                f"({', '.join(sorted(self.others)[:_N_NAMED])}); empty the column source if they "
                "are about this one"
            )
        return notes

    def _decide(self, row: Utterance, decision: Decision | None) -> Utterance | SetAside:
        if decision is None:
            return row
        self._seen.add(row.id)
        is_changed = decision.digest not in ("", text_digest(row.transcript))
        if decision.verdict == "fix" and row.transcript == decision.transcription:
            return row  # mended in the source itself
        if is_changed:
            self.stale.append(decision)
            return row
        if decision.verdict == "drop":
            self.dropped.append(row.id)
            detail = "dropped in review" + (f": {decision.note}" if decision.note else "")
            return SetAside(row.id, row.split, "dropped", detail, row.row)
        if decision.verdict == "accept":
            self.accepted.append(row.id)
            return row
        self.fixed.append(row.id)
        return replace(row, transcript=decision.transcription)


def _parse(path: Path, row: TableRow) -> Decision:
    cells = {name: unguard(row.cells.get(name, "")) for name in COLUMNS}
    verdict = cells["decision"].strip().lower()
    if not cells["id"]:
        raise _malformed(path, row.number, "names no clip in the column id")
    if verdict not in get_args(Verdict):
        shown = verdict[:40] or "empty"
        raise _malformed(path, row.number, f"the decision is {shown}, not accept, drop or fix")
    if verdict == "fix" and not cells["transcription"].strip():
        detail = "a fix without a transcription; write the right text, or drop the clip"
        raise _malformed(path, row.number, detail)
    return Decision(
        id=cells["id"],
        verdict=verdict,  # type: ignore[arg-type]
        transcription=cells["transcription"],
        digest=cells["transcript_sha256"].strip().lower(),
        source=cells["source"].strip(),
        note=" ".join(cells["note"].split()),
        row=row.number,
    )


def guard(cell: str) -> str:
    """A cell that a spreadsheet doesn't run as a formula; `unguard` undoes it."""
    return f"'{cell}" if re.match(r"'*[=+\-@\t\r]", cell) else cell


def unguard(cell: str) -> str:
    """A cell as it was before `guard`."""
    return cell[1:] if _GUARDED.match(cell) else cell


def _malformed(path: Path, row: int, detail: str) -> DataError:
    return DataError(f"{path} row {row}: {detail} (or save {REVIEW} from the review page again)")


def _count(ids: Sequence[str], what: str) -> str:
    return f"{len(ids)} {what}{'' if len(ids) == 1 else 's'}"


def _named(ids: Sequence[str]) -> str:
    if not ids:
        return ""
    more = f" and {len(ids) - _N_NAMED} more" if len(ids) > _N_NAMED else ""
    return f" ({', '.join(ids[:_N_NAMED])}{more})"
