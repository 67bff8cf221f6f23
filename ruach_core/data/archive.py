"""Tar archives of a corpus, read as they stream: nothing in them is trusted, nothing unpacked.

The members come in the archive's order, in one pass and in little memory. What isn't a plain file
with a name inside the archive (links, devices, sparse files, absolute names, `..`) is told and
passed by; an archive that breaks off gives what it holds up to there.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from ruach_core.data.extraction import MAX_FILE_BYTES, AudioCache
from ruach_core.errors import DataError
from ruach_core.text.unicode import normalize_form
from ruach_core.types import SetAsideReason

_MAX_HEADER_BYTES = 16 << 10
"""A member's name and attributes; tarfile reads them into memory, however many are announced."""
_MAX_RATIO = 200
_RATIO_FROM_BYTES = 1 << 30
"""Sound hardly compresses: an archive that gives so much more than it holds is a bomb."""
_BLOCK = 1 << 20
_ZEROS = bytes(512)
# What tarfile and the decompressors raise on bytes that make no sense.
_FAULTS = (
    tarfile.TarError, zlib.error, EOFError, OSError, ArithmeticError, AttributeError, LookupError,
    RecursionError, TypeError, ValueError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ArchiveFault:
    """What can't be used: a member, or with an empty name the archive from here on."""

    name: str
    reason: SetAsideReason
    detail: str


class ArchiveMember:
    """A plain file in an archive; its content can be had until the next member is asked for.

    Attributes:
        name: path inside the archive, with `/` between its parts and no `.` or `..` among them;
            in NFC, whichever form the system that packed it uses.
        n_bytes: how long its content is, by its header.
    """

    __slots__ = ("_file", "_source", "n_bytes", "name")

    def __init__(self, name: str, n_bytes: int, file: IO[bytes], source: _Source) -> None:
        self.name = name
        self.n_bytes = n_bytes
        self._file = file
        self._source = source

    def read(self, n_bytes: int = -1) -> bytes | None:
        """The content, or its first bytes; None where the archive breaks off within it."""
        try:
            return self._file.read(n_bytes)
        except _FAULTS as error:
            self._source.damage = _describe(error)
            return None

    def save(self, cache: AudioCache, name: str = "") -> Path | None:
        """Write the content to the cache; None where the archive breaks off within it.

        Args:
            cache: the archive's.
            name: what it is called there; its name in the archive by default.

        Raises:
            DataError: the cache can't be written.
        """
        try:
            return cache.put(name or self.name, self._file, self.n_bytes)
        except _FAULTS as error:
            self._source.damage = _describe(error)
            return None


def looks_like_archive(path: Path) -> bool:
    """Whether the name is one of a tar archive that can be read here."""
    name = path.name.lower()
    return name.endswith((".tar", ".tar.gz", ".tgz")) and not name.startswith(".")


def read_archive(path: Path) -> Iterator[ArchiveMember | ArchiveFault]:
    """The plain files of a `.tar` or `.tar.gz`, in its order; folders aren't told.

    A member that can't be used comes as an ArchiveFault. Where the archive is damaged, a fault
    without a name comes last.

    Raises:
        DataError: the file can't be opened, or isn't such an archive from its start.
    """
    try:
        with path.open("rb") as file:
            is_gzip = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            source = _Source(file, gzip.GzipFile(fileobj=file) if is_gzip else None)
            try:
                # The interface is all that tarfile needs of a file.
                tar = tarfile.TarFile(fileobj=cast(Any, source), mode="r")
            except _FAULTS as error:
                raise DataError(
                    f"{path}: not a .tar or .tar.gz archive ({_describe(error)}); fetch it again, "
                    "or unpack it and give the folder"
                ) from error
            yield from _read_members(tar, source)
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror or error}") from error


def _read_members(tar: tarfile.TarFile, source: _Source) -> Iterator[ArchiveMember | ArchiveFault]:
    is_end_marked = False
    while not source.damage:
        source.is_header = True
        try:
            member = tar.next()
        except _FAULTS as error:
            source.damage = _describe(error)
            break
        source.is_header = False
        # tarfile keeps every member that it has seen.
        cast(Any, tar).members.clear()
        tar.pax_headers = {}
        if member is None:
            is_end_marked = source.is_zeros
            break
        if member.isdir():
            continue
        yield _check_member(tar, member, source)
    if source.damage:
        detail = f"the archive is damaged ({source.damage}), the rest of it lost; fetch it again"
        yield ArchiveFault("", "unreadable", detail)
    elif not is_end_marked:
        detail = "the archive ends without its end mark: some may be missing, fetch it again"
        yield ArchiveFault("", "unreadable", detail)


def _check_member(
    tar: tarfile.TarFile, member: tarfile.TarInfo, source: _Source
) -> ArchiveMember | ArchiveFault:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        return ArchiveFault(member.name, "outside-folder", "its name leads out of the archive")
    name = normalize_form(path.as_posix(), "NFC")
    if member.issym() or member.islnk():
        return ArchiveFault(name, "bad-row", "a link in the archive; links aren't followed")
    if not member.isreg() or member.issparse():
        return ArchiveFault(name, "bad-row", "not a plain file in the archive")
    if not 0 <= member.size <= MAX_FILE_BYTES:
        detail = f"over {MAX_FILE_BYTES / 2**30:g} GiB ({member.size} bytes), which isn't a clip"
        return ArchiveFault(name, "bad-row", detail)
    file = tar.extractfile(member)
    if file is None:
        return ArchiveFault(name, "bad-row", "not a plain file in the archive")
    return ArchiveMember(name, member.size, file, source)


class _Source:
    """The bytes of an archive, forward only; the part of a file's interface that tarfile needs.

    Attributes:
        damage: what is wrong with it, once something is.
        is_header: whether what is being read is a header.
        is_zeros: whether the last block that was read marks the archive's end.
    """

    def __init__(self, file: IO[bytes], unzipped: gzip.GzipFile | None) -> None:
        self._file = file
        self._unzipped = unzipped
        self._position = 0
        self.damage = ""
        self.is_header = True
        self.is_zeros = False

    def tell(self) -> int:
        return self._position

    def seekable(self) -> bool:
        return False

    def seek(self, position: int) -> int:
        # A negative size would have tarfile read the same header for ever.
        if position < self._position:
            raise tarfile.ReadError("a member ends before it starts")
        if self._unzipped is None:
            self._file.seek(position)
            self._position = position
        while self._position < position:
            if not self._take(min(_BLOCK, position - self._position)):
                break
        return self._position

    def read(self, n_bytes: int) -> bytes:
        if self.is_header and n_bytes > _MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {n_bytes} bytes")
        block = self._take(n_bytes)
        self.is_zeros = block == _ZEROS
        return block

    def _take(self, n_bytes: int) -> bytes:
        try:
            block = (self._file if self._unzipped is None else self._unzipped).read(n_bytes)
        except OSError as error:
            # Not to be taken for the cache's own fault where a member is being written there.
            raise tarfile.ReadError(error.strerror or str(error)) from error
        self._position += len(block)
        if self._unzipped is not None and self._position > _RATIO_FROM_BYTES:
            n_packed = self._file.tell()
            if self._position > _MAX_RATIO * n_packed:
                raise tarfile.ReadError(
                    f"{n_packed} bytes of it unpack to over {self._position}: not a corpus"
                )
        return block


def _describe(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "headers without end"
    return " ".join(str(error).split())[:200] or type(error).__name__
