"""The audio files that a corpus' tables name: looked for inside one folder, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath

from ruach_core.text.unicode import normalize_form


class AudioFolder:
    """Finds audio files inside one folder, and nothing outside it."""

    def __init__(self, path: Path) -> None:
        """`path` is the folder that every name is relative to."""
        self.path = path
        self._real = os.path.realpath(path)
        self._listings: dict[Path, dict[str, str]] = {}

    def find(self, name: str) -> Path | None:
        """The file, existing or not; None where it is outside the folder.

        Raises:
            OSError: the file system can't tell.
        """
        path = self._match(name)
        if path is None and "\\" in name:
            path = self._match(name.replace("\\", "/"))
        path = path or self.path / os.path.normpath(name.replace("\\", "/"))
        is_absolute = Path(name).is_absolute() or PureWindowsPath(name).is_absolute()
        real = os.path.realpath(path)
        if is_absolute or not (real + os.sep).startswith(self._real.rstrip(os.sep) + os.sep):
            return None
        return path

    def _match(self, name: str) -> Path | None:
        """The existing file of this name in whatever Unicode form the disk has it."""
        name = os.path.normpath(name)
        # Above the folder nothing is even looked at.
        if Path(name).is_absolute() or Path(name).parts[:1] == (os.pardir,):
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
