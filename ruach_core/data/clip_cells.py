"""Names and cells of a prepared table: what every reader and every file system takes."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath

from ruach_core.data.prepared import COLUMNS
from ruach_core.text.unicode import normalize_form, repair_surrogates

MAX_TRANSCRIPT = 100_000
_MAX_CELL = 2_000
"""Characters; a row stays far below what the reader of tables takes."""
_LINE_BREAKS = re.compile(r"[\r\n]+")
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_RESERVED = frozenset(
    {
        *COLUMNS, "begin", "begin_s", "begin_time", "duration", "end", "end_ms", "end_s",
        "end_time", "from", "offset", "split", "start", "start_ms", "start_s", "start_time",
        "stop", "to",
    }
)  # fmt: skip
"""Columns that have a meaning in a table of clips: where the source has one, it is renamed."""


def one_line(text: str) -> str:
    """The text with a space for each run of line breaks."""
    return _LINE_BREAKS.sub(" ", text)


def is_text(text: str) -> bool:
    """Whether a transcript can be written: no NUL, and no half of a surrogate pair."""
    return not _UNUSABLE.search(text)


def clip_identity(utterance_id: str) -> str:
    """An utterance's id in the form that is the same on every machine: NFC, and text throughout."""
    text = utterance_id.encode("utf-8", "backslashreplace").decode().replace("\0", "")
    return normalize_form(one_line(text), "NFC")


def clip_name(identity: str) -> str:
    """A file name for an utterance's id that every system takes.

    Lower-case ASCII from the id, for people, and a digest of the whole id, which makes it unique,
    whatever a file system thinks of case or Unicode forms.
    """
    path, _, _segment = identity.rpartition("#") if "#" in identity else (identity, "", "")
    stem = PurePosixPath(path).stem.lower()
    words = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:40].strip("-")
    digest = hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()
    return f"{words}-{digest}.wav" if words else f"{digest}.wav"


def clean_cell(text: str) -> str:
    """One line of a cell that any reader of tables takes."""
    text = one_line(repair_surrogates(text).replace("\0", ""))
    return text.encode("utf-8", "backslashreplace").decode()[:_MAX_CELL].strip()


def column_name(name: str) -> str:
    """A column of the source under a name that no table of clips uses for something else."""
    name = clean_cell(name) or "unnamed"
    return f"source_{name}" if name.lower() in _RESERVED else name
