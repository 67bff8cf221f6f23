"""The files inside a tar archive, one after another, whatever the archive claims.

Nothing is unpacked to where a member says: a caller gets its name and a stream. Refused is an
archive that unpacks to many times its size, or that has a header as large as memory. Links, devices
and folders are passed over.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

from ruach_core.errors import DataError

MAX_RATIO = 100
"""Recorded speech packs by less than ten; only silence and bombs go beyond."""
ALWAYS_ALLOWED_BYTES = 1 << 30
"""However small the archive."""
_MAX_HEADER_BYTES = 1 << 20
_BLOCK = 1 << 20


def iter_members(archive: Path) -> Iterator[tuple[str, int, BinaryIO]]:
    """Each regular file of a tar or tar.gz archive: its name, its size in bytes, and a stream.

    A stream can be read until the next file is asked for; where the archive turns out to be damaged
    in it, the stream raises the DataError.

    Raises:
        DataError: the archive can't be read, is damaged, or is made to fill a disk or memory.
    """
    try:
        with archive.open("rb") as file:
            unpacked = _Unpacked(file, archive)
            with tarfile.open(
                fileobj=cast(IO[bytes], unpacked), mode="r:", errors="surrogateescape"
            ) as members:
                while (member := members.next()) is not None:
                    # These are for those who go back to a member, and only grow.
                    for kept in ("members", "pax_headers"):
                        getattr(members, kept).clear()
                    if member.size < 0:
                        raise _damaged(archive, f"a file of {member.size} bytes")
                    unpacked.check_size(member.size)
                    # The parts of a sparse file need not be in order.
                    if member.isreg() and not member.issparse():
                        unpacked.is_in_member = True
                        yield member.name, member.size, cast(BinaryIO, members.extractfile(member))
                        unpacked.is_in_member = False
    # RecursionError: headers of headers by the hundred.
    except (tarfile.TarError, ValueError, RecursionError, OSError) as error:
        raise _damaged(archive, getattr(error, "strerror", None) or str(error)) from error


class _Unpacked:
    """The part of a file that `tarfile` uses, over a stream that only goes forward."""

    def __init__(self, file: BinaryIO, archive: Path) -> None:
        is_packed = file.read(2) == b"\x1f\x8b"
        n_bytes = file.seek(0, 2)
        file.seek(0)
        self._stream = cast(IO[bytes], gzip.GzipFile(fileobj=file)) if is_packed else file
        self._limit = ALWAYS_ALLOWED_BYTES + MAX_RATIO * n_bytes
        self._archive = archive
        self._position = 0
        self.is_in_member = False

    def read(self, n_bytes: int) -> bytes:
        if not self.is_in_member and not 0 <= n_bytes <= _MAX_HEADER_BYTES:
            raise _damaged(self._archive, f"a header of {n_bytes} bytes")
        try:
            data = self._stream.read(n_bytes)
        except (EOFError, zlib.error, OSError) as error:
            raise _damaged(self._archive, str(error)) from error
        self._position += len(data)
        self.check_size(0)
        if self.is_in_member and len(data) < n_bytes:
            raise _damaged(self._archive, "it is cut off")
        return data

    def check_size(self, n_bytes: int) -> None:
        """Refuse what unpacks to too much, once `n_bytes` more are read.

        Raises:
            DataError: it does.
        """
        if self._position + n_bytes > self._limit:
            raise DataError(
                f"{self._archive}: unpacks to over {self._limit / 2**30:.1f} GiB, far more than "
                "an archive of audio would; unpack it yourself if you trust it"
            )

    def seek(self, position: int) -> int:
        if position < self._position:
            raise _damaged(self._archive, "its parts are out of order")
        while self._position < position:
            if not self.read(min(_BLOCK, position - self._position)):
                break
        return self._position

    def tell(self) -> int:
        return self._position


def _damaged(archive: Path, reason: str) -> DataError:
    reason = " ".join(reason.split())[:200]
    return DataError(f"{archive}: not a whole tar archive ({reason}); fetch it again")
