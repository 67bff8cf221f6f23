"""Parquet and Arrow tables, read lazily: a few rows at a time, whatever the table's size.

pyarrow comes with the train extra and is imported where it is needed. Nothing in such a table is
ever unpickled or decoded as audio here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ruach_core.errors import DataError, require_extra

_PARQUET, _ARROW_FILE, _ARROW_STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"
_STARTS = {".parquet": (_PARQUET,), ".arrow": (_ARROW_FILE, _ARROW_STREAM)}
_LFS_POINTER = b"version https://git-lfs"
SUFFIXES = tuple(_STARTS)
_ROWS = 32
"""Rows taken at a time: with their audio they are some megabytes."""
_MAX_GROUP_BYTES = 8 << 30
"""A row group that unpacks to more than this isn't one of a table of clips."""

Kind = Literal["text", "audio", "bytes", "number", "other"]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row whose cells can't be read, and why."""

    detail: str


def check_table(path: Path) -> None:
    """Refuse a file that doesn't begin as a table of its ending does; reads it without pyarrow.

    Raises:
        DataError: it is a Git LFS pointer, empty, or something else.
        OSError: the file can't be read.
    """
    kind = path.suffix.lower()
    if kind not in _STARTS:
        raise DataError(f"{path}: ends neither in .parquet nor in .arrow; give such a file")
    with path.open("rb") as file:
        start = file.read(len(_LFS_POINTER))
        n_bytes = file.seek(0, 2)
    if start.startswith(_STARTS[kind]):
        return
    if start == _LFS_POINTER:
        raise DataError(
            f"{path}: {n_bytes} bytes, a Git LFS pointer and not the table itself; fetch that with "
            "git lfs pull"
        )
    raise DataError(
        f"{path}: {n_bytes} bytes, not a {kind} table; the download is broken: fetch it again, or "
        "move it away"
    )


class ArrowTable:
    """One file of a table: its columns at once, its rows as they are asked for."""

    def __init__(self, path: Path) -> None:
        """Opens the file and reads its columns.

        Raises:
            UserError: pyarrow isn't installed.
            DataError: the file isn't a table, is damaged, or unpacks to far too much.
        """
        self.path = path
        try:
            import pyarrow
            import pyarrow.ipc
            import pyarrow.parquet
        except ImportError as error:
            raise require_extra("pyarrow", "train") from error
        self._arrow = pyarrow
        self._faults = (pyarrow.ArrowException, OSError, ValueError, MemoryError)
        try:
            if path.suffix.lower() == ".parquet":
                self._file = pyarrow.parquet.ParquetFile(path, memory_map=True, pre_buffer=False)
                schema = self._file.schema_arrow
                self._check_groups()
            else:
                self._file = self._open_arrow()
                schema = self._file.schema
            self.kinds: dict[str, Kind] = {field.name: self._kind(field.type) for field in schema}
        except self._faults as error:
            raise self._damaged(error) from error

    def rows(self, columns: Sequence[str]) -> Iterator[Row | Unreadable]:
        """The rows' cells in these columns, a few rows at a time.

        Raises:
            DataError: the file is damaged further on.
        """
        try:
            for batch in self._batches(list(columns)):
                for first in range(0, batch.num_rows, _ROWS):
                    yield from self._cells(batch.slice(first, _ROWS))
        except self._faults as error:
            raise self._damaged(error) from error

    def _batches(self, columns: list[str]) -> Iterator[Any]:
        if self.path.suffix.lower() == ".parquet":
            yield from self._file.iter_batches(batch_size=_ROWS, columns=columns)
            return
        source = self._open_arrow()
        if hasattr(source, "num_record_batches"):
            batches = (source.get_batch(i) for i in range(source.num_record_batches))
        else:
            batches = iter(source)
        for batch in batches:
            yield batch.select(columns)

    def _open_arrow(self) -> Any:
        """The file or stream, of which memory holds no more than is looked at."""
        mapped = self._arrow.memory_map(str(self.path))
        is_file = mapped.read(len(_ARROW_FILE)) == _ARROW_FILE
        mapped.seek(0)
        return self._arrow.ipc.open_file(mapped) if is_file else self._arrow.ipc.open_stream(mapped)

    def _check_groups(self) -> None:
        metadata = self._file.metadata
        for i in range(metadata.num_row_groups):
            n_bytes = metadata.row_group(i).total_byte_size
            if n_bytes > _MAX_GROUP_BYTES:
                raise DataError(
                    f"{self.path}: a row group of {n_bytes / 2**30:.0f} GiB; write the table anew "
                    "with row groups of some hundred clips"
                )

    def _kind(self, kind: Any) -> Kind:
        types = self._arrow.types
        if types.is_dictionary(kind):
            kind = kind.value_type
        if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
            return "text"
        if types.is_struct(kind):
            names = {kind.field(i).name for i in range(kind.num_fields)}
            return "audio" if {"bytes", "path"} <= names or "array" in names else "other"
        if types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
            return "bytes"
        if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
            return "number"
        return "other"

    def _cells(self, rows: Any) -> Iterator[Row | Unreadable]:
        """The rows of a slice; a cell that is damaged costs its row alone."""
        try:
            # An arrow file is taken as it is: what a place in it says may lie outside of it.
            rows.validate(full=True)
            cells: list[Row] = rows.to_pylist()
        except (self._arrow.ArrowInvalid, UnicodeDecodeError) as error:
            if rows.num_rows > 1:
                for i in range(rows.num_rows):
                    yield from self._cells(rows.slice(i, 1))
            else:
                yield Unreadable(_one_line(error))
        else:
            yield from cells

    def _damaged(self, error: BaseException) -> DataError:
        return DataError(
            f"{self.path}: can't be read as a table ({_one_line(error)}); fetch it again"
        )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
