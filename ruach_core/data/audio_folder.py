"""The audio files that a corpus' tables name: looked for inside one folder, and nowhere else."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path, PureWindowsPath

from ruach_core.text.unicode import normalize_form

_MAX_FOLDERS = 10_000
"""Folders of which it is remembered whether they lead outside."""


class AudioFolder:
    """Finds audio files inside one folder, and nothing outside it."""

    def __init__(self, path: Path, start: str = "") -> None:
        """`path` is the folder; names are relative to it, or to the folder `start` in it.

        That one may be a link out of `path`: it is part of what the user gave, and so is what it
        holds.
        """
        self.path = path
        self._start = start
        self._text = str(path)
        reals = dict.fromkeys([os.path.realpath(path), os.path.realpath(path / start)])
        self._reals = [real.rstrip(os.sep) + os.sep for real in reals]
        self._listings: dict[Path, dict[str, str]] = {}
        self._inside: dict[str, bool] = {}

    def find(self, name: str) -> Path | None:
        """The file, existing or not; None where it is outside the folder.

        Raises:
            OSError: the file system can't tell, or could have no file of this name.
        """
        try:
            return self._find_plain(name) or self._find(name)
        except ValueError as error:
            raise OSError(errno.EINVAL, f"not the name of a file ({error})") from error

    def explain(self, name: str) -> str:
        """Why a file that `find` refused is outside, and what to do."""
        plain = name.replace("\\", "/")
        if _leads_up(self._relative(plain)) or PureWindowsPath(name).is_absolute():
            return f"not inside {self.path.name}; file names are relative to the table's folder"
        path = self._match(plain) or self.path / self._relative(plain)
        return (
            f"{name} leads to {os.path.realpath(path)}, outside {self.path} (a link); put the "
            "files there, or give the folder that holds both"
        )

    def _relative(self, name: str) -> str:
        """A name as one that is relative to the folder itself."""
        return os.path.normpath(os.path.join(self._start, name))  # noqa: PTH118

    def _find_plain(self, name: str) -> Path | None:
        """What one look at the file system tells: a file that is no link, or an absent one."""
        relative = self._relative(name)
        if _leads_up(relative) or name[1:2] == ":":
            return None
        try:
            is_sure = not stat.S_ISLNK(os.lstat(f"{self._text}{os.sep}{relative}").st_mode)
        except (FileNotFoundError, NotADirectoryError):
            is_sure = name.isascii() and "\\" not in name
        is_sure = is_sure and self._is_inside(relative.rpartition(os.sep)[0])
        return self.path / relative if is_sure else None

    def _is_inside(self, folder: str) -> bool:
        if folder not in self._inside:
            if len(self._inside) >= _MAX_FOLDERS:
                self._inside.clear()
            self._inside[folder] = self._holds(os.path.realpath(self.path / folder))
        return self._inside[folder]

    def _holds(self, real: str) -> bool:
        return any((real + os.sep).startswith(inside) for inside in self._reals)

    def _find(self, name: str) -> Path | None:
        path = self._match(name)
        if path is None and "\\" in name:
            path = self._match(name.replace("\\", "/"))
        path = path or self.path / self._relative(name.replace("\\", "/"))
        is_absolute = Path(name).is_absolute() or PureWindowsPath(name).is_absolute()
        return path if not is_absolute and self._holds(os.path.realpath(path)) else None

    def _match(self, name: str) -> Path | None:
        """The existing file of this name in whatever Unicode form the disk has it."""
        name = self._relative(name)
        # Above the folder nothing is even looked at.
        if _leads_up(name):
            return None
        if (self.path / name).exists():
            return self.path / name
        if name.isascii():
            return None
        path = self.path
        for part in Path(name).parts:
            found = self._listing(path).get(normalize_form(part, "NFC"))
            if found is None:
                return None
            path = path / found
        return path

    def _listing(self, folder: Path) -> dict[str, str]:
        if folder not in self._listings:
            names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
            self._listings[folder] = {normalize_form(name, "NFC"): name for name in names}
        return self._listings[folder]


def _leads_up(name: str) -> bool:
    """Whether a normal path leads out of the folder that it is relative to."""
    return name.startswith("/") or name.split("/", 1)[0] == os.pardir
