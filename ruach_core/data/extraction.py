"""Audio that an archive or a table holds, laid out as files in the cache.

Training reads clips in any order and many times, which a compressed archive can't give, so its
audio is written out once. Names come from digests, so no name inside an archive can lead out of the
cache's folder, and two that differ in case only don't meet.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import IO

from ruach_core.data.audio_names import is_audio_name
from ruach_core.errors import DataError
from ruach_core.models.cache import cache_dir

MAX_FILE_BYTES = 1 << 30
"""A clip of an archive beyond this isn't one: nine hours at 16 kHz."""
_SPARED_BYTES = 1 << 30
"""Left free on the disk, whatever an archive claims to hold."""
_BLOCK = 1 << 20


class AudioCache:
    """The extracted files of one archive; a changed archive gets a folder of its own."""

    def __init__(self, archive: Path) -> None:
        """`archive` is the file that holds the audio; its path, size and time tell it apart.

        Raises:
            DataError: the archive is missing or can't be read.
        """
        try:
            state = archive.stat()
        except OSError as error:
            raise DataError(f"{archive}: can't be read: {error.strerror or error}") from error
        self._archive = archive
        key = f"{archive.resolve()}\0{state.st_size}\0{state.st_mtime_ns}"
        self.folder = cache_dir() / "audio" / _digest(key)

    def path(self, name: str) -> Path:
        """Where the file of this name inside the archive is, or will be."""
        suffix = PurePosixPath(name).suffix.lower()
        digest = _digest(name)
        return self.folder / digest[:2] / (digest + (suffix if is_audio_name(name) else ".audio"))

    def put(self, name: str, content: bytes | IO[bytes], n_bytes: int | None = None) -> Path:
        """Write a file out, unless it is there already; returns its path.

        Args:
            name: inside the archive.
            content: its bytes, or a stream of them.
            n_bytes: how many there are, where that is known without reading them.

        Raises:
            DataError: it holds more than `MAX_FILE_BYTES`, less than promised, or more than the
                disk has room for; or the cache can't be written.
        """
        path = self.path(name)
        if isinstance(content, bytes):
            n_bytes, content = len(content), io.BytesIO(content)
        if n_bytes is not None and n_bytes > MAX_FILE_BYTES:
            raise DataError(f"{self._archive}: {name}: {_too_large(n_bytes)}")
        try:
            if path.is_file() and n_bytes in (None, path.stat().st_size):
                return path
            path.parent.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(path.parent).free - (n_bytes or _BLOCK) < _SPARED_BYTES:
                raise DataError(
                    f"{self.folder}: the disk is nearly full; make room, or set RUACH_CACHE to a "
                    "folder on another one"
                )
            self._write(path, name, content, n_bytes)
        except OSError as error:
            raise DataError(
                f"{self.folder}: can't be written ({error.strerror or error}); set RUACH_CACHE to "
                "a folder that can"
            ) from error
        return path

    def _write(self, path: Path, name: str, content: IO[bytes], n_bytes: int | None) -> None:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
        try:
            n_written = 0
            with os.fdopen(handle, "wb") as file:
                while block := content.read(_BLOCK):
                    n_written += len(block)
                    if n_written > MAX_FILE_BYTES:
                        raise DataError(f"{self._archive}: {name}: {_too_large(n_written)}")
                    file.write(block)
            if n_bytes is not None and n_written != n_bytes:
                raise DataError(
                    f"{self._archive}: {name}: {n_written} of {n_bytes} bytes; the archive is "
                    "damaged, fetch it again"
                )
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _too_large(n_bytes: int) -> str:
    return (
        f"over {MAX_FILE_BYTES / 2**30:g} GiB ({n_bytes} bytes), which isn't a clip; leave it out"
    )
