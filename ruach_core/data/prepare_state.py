"""What `ruach data prepare` has done so far, so that it can go on after a kill and skip the known.

A SQLite file in the output folder: written as the clips are, bounded in memory, whole after a kill.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

from ruach_core.errors import UserError
from ruach_core.types import SetAside, SetAsideReason, Split

STATE = ".prepare.sqlite"
_COMMIT_EVERY = 64
"""Clips; so many are done again at most after a kill."""
_FIELDS = (
    "id", "seq", "split", "name", "audio_key", "sentence", "transcription", "speaker", "attributes",
    "n_samples", "audio_sha256", "reason", "detail", "row",
)  # fmt: skip
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS clips ({", ".join(_FIELDS)}, PRIMARY KEY (id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS progress (is_finished INTEGER);
CREATE TEMP TABLE seen (id PRIMARY KEY) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """One row of the source, and what became of it.

    Attributes:
        id: the utterance's id; of a row that was set aside, something unique.
        seq: its place among the source's rows.
        split: the source's split.
        name: file name of the prepared clip.
        audio_key: changes when the audio, the segment or the limits do.
        sentence: equal for two spellings of one sentence.
        transcription: as the source wrote it, in one line.
        speaker: who speaks, or "".
        attributes: the source's other columns.
        n_samples: length of the prepared clip at 16 kHz.
        audio_sha256: of the prepared file.
        reason: why it was set aside; None where it wasn't.
        detail: the reason in words.
        row: where the source describes it.
    """

    id: str
    seq: int
    split: Split
    name: str = ""
    audio_key: str = ""
    sentence: str = ""
    transcription: str = ""
    speaker: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    n_samples: int = 0
    audio_sha256: str = ""
    reason: SetAsideReason | None = None
    detail: str = ""
    row: str = ""

    def reject(self, reason: SetAsideReason, detail: str) -> ClipRecord:
        """The same row, set aside."""
        return replace(self, reason=reason, detail=detail, n_samples=0, audio_sha256="")


class PrepareState:
    """The records of one output folder; close it, or use it as a context."""

    def __init__(self, folder: Path) -> None:
        """Open or make the state of `folder`, for this process alone.

        Raises:
            UserError: another process has it open, it is damaged, or it can't be written.
        """
        self._path = folder / STATE
        self._n_pending = 0
        self._is_marked = False
        with self._blame():
            self._db = sqlite3.connect(self._path, timeout=2.0, isolation_level=None)
        try:
            with self._blame():
                self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
                self._db.execute("PRAGMA synchronous=NORMAL")
                self._db.execute("BEGIN IMMEDIATE")
                for statement in _SCHEMA.strip().split(";\n"):
                    self._db.execute(statement)
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> PrepareState:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Keep what was done, whatever ended the work: every record's clip is written."""
        try:
            if error is None:
                self.commit()
            else:
                # The first fault is the one to tell of.
                with _suppressed():
                    self._db.execute("COMMIT")
        finally:
            self._db.close()

    def find(self, identity: str) -> ClipRecord | None:
        """What is known of an id."""
        with self._blame():
            found = self._db.execute(_SELECT + " WHERE id = ?", (identity,)).fetchone()
        return None if found is None else _from_row(found)

    def see(self, identity: str) -> bool:
        """Note that the source has this id; whether that is new in this run."""
        with self._blame():
            done = self._db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (identity,))
        return done.rowcount > 0

    def put(self, record: ClipRecord) -> None:
        """Write a record whose clip, if it has one, is on the disk."""
        values = [getattr(record, name) for name in _FIELDS]
        values[_FIELDS.index("attributes")] = json.dumps(dict(record.attributes))
        with self._blame():
            self._mark_unfinished()
            marks = ", ".join("?" * len(_FIELDS))
            self._db.execute(f"INSERT OR REPLACE INTO clips VALUES ({marks})", values)
        self._n_pending += 1
        if self._n_pending >= _COMMIT_EVERY:
            self.commit()

    def forget_unseen(self) -> int:
        """Drop the records of rows that the source no longer has; how many there were."""
        with self._blame():
            where = "FROM clips WHERE id NOT IN seen"
            (n_unseen,) = self._db.execute(f"SELECT count(*) {where}").fetchone()
            if n_unseen:
                self._mark_unfinished()
                self._db.execute(f"DELETE {where}")
        return int(n_unseen)

    def clips(self) -> Iterator[ClipRecord]:
        """The clips that are prepared, in the source's order."""
        yield from self._select(" WHERE reason IS NULL ORDER BY seq")

    def rejected(self) -> Iterator[SetAside]:
        """The rows that were set aside, in the source's order."""
        for record in self._select(" WHERE reason IS NOT NULL ORDER BY seq"):
            identity = record.id.partition("\0")[0]
            yield SetAside(
                identity, record.split, record.reason or "bad-row", record.detail, record.row
            )

    @property
    def is_finished(self) -> bool:
        """Whether the tables hold what the records say."""
        with self._blame():
            return bool(self._db.execute("SELECT is_finished FROM progress").fetchone())

    def finish(self) -> None:
        """Note that the tables hold what the records say."""
        with self._blame():
            self._db.execute("DELETE FROM progress")
            self._db.execute("INSERT INTO progress VALUES (1)")
        self.commit()

    def commit(self) -> None:
        """Make all that was put safe."""
        self._n_pending = 0
        with self._blame():
            self._db.execute("COMMIT")
            self._db.execute("BEGIN IMMEDIATE")

    def _mark_unfinished(self) -> None:
        if not self._is_marked:
            self._db.execute("DELETE FROM progress")
            self._is_marked = True

    def _select(self, condition: str) -> Iterator[ClipRecord]:
        with self._blame():
            for found in self._db.execute(_SELECT + condition):
                yield _from_row(found)

    @contextmanager
    def _blame(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._explain(error) from error

    def _explain(self, error: sqlite3.Error) -> UserError:
        text = str(error)
        folder = self._path.parent
        if "locked" in text:
            return UserError(f"{folder}: another ruach data prepare is writing it; wait for it")
        if "full" in text:
            return disk_full(folder)
        if isinstance(error, sqlite3.OperationalError):
            return UserError(f"{self._path}: can't be written ({text})")
        return UserError(f"{self._path}: damaged ({text}); delete it, and prepare again")


def disk_full(folder: Path) -> UserError:
    """The error for a disk that filled up while clips were written."""
    return UserError(
        f"{folder}: the disk is full; make room and run the same command again, it goes on from "
        "here (an hour of audio takes 115 MB)"
    )


@contextmanager
def _suppressed() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error:
        return


_SELECT = f"SELECT {', '.join(_FIELDS)} FROM clips"


def _from_row(values: tuple[object, ...]) -> ClipRecord:
    fields = dict(zip(_FIELDS, values, strict=True))
    fields["attributes"] = json.loads(str(fields["attributes"]))
    return ClipRecord(**fields)  # type: ignore[arg-type]
