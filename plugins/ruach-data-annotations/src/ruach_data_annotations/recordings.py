"""The recording that a file of annotations belongs to, looked for inside the source's folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import unquote

from ruach_core.data.audio_folder import AudioFolder
from ruach_core.data.audio_names import RECORDING_SUFFIXES
from ruach_core.types import SetAsideReason

_FOLDERS = ("audio", "wav", "wavs", "media", "recordings", "sound", "sounds")


@dataclass(frozen=True, slots=True)
class NotFound:
    """Why a file of annotations has no recording."""

    reason: SetAsideReason
    detail: str


class Recordings:
    """Finds recordings beside annotations, and in the folders where people keep them."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the source's; nothing outside it is read."""
        self._folder = AudioFolder(folder)
        self._places: dict[PurePosixPath, list[PurePosixPath]] = {}

    def find_linked(self, annotations: PurePosixPath, links: Sequence[str]) -> Path | NotFound:
        """The recording that one of the links names, or a file of that name nearby.

        Links are mostly to another machine (`file:///C:/Users/...`): of those only the file's name
        counts.

        Args:
            annotations: the file of annotations, relative to the folder.
            links: addresses or paths, best first.
        """
        outside = ""
        spellings = [s for link in links for s in dict.fromkeys((link, unquote(link)))]
        for link in spellings:
            relative = _relative(link)
            if relative is None:
                continue
            found, is_outside = self._find(annotations.parent / relative)
            if found is not None:
                return found
            if is_outside:
                outside = outside or relative
        names = dict.fromkeys(PureWindowsPath(link).name for link in spellings)
        for place in self._near(annotations.parent):
            for name in names:
                if name and (found := self._find(place / name)[0]) is not None:
                    return found
        if outside:
            detail = (
                f"{outside} is outside {self._folder.path}; give the folder that holds both, or "
                "put the recording beside the annotations"
            )
            return NotFound("outside-folder", detail)
        shown = ", ".join(names)[:200] or "a recording"
        return NotFound("missing", f"{shown}: not beside the annotations, put it there")

    def find_same_stem(self, annotations: PurePosixPath) -> Path | NotFound:
        """The recording that is named as the file of annotations is."""
        stem = annotations.name[: -len(annotations.suffix)]
        is_outside = False
        for place in self._near(annotations.parent):
            for suffix in RECORDING_SUFFIXES:
                for name in (stem + suffix, stem + suffix.upper()):
                    found, leads_out = self._find(place / name, is_guess=True)
                    if found is not None:
                        return found
                    is_outside = is_outside or leads_out
        if is_outside:
            return NotFound("outside-folder", f"{stem}: a link leads out of {self._folder.path}")
        detail = f"no recording {stem}.wav (or .flac, .mp3, ...) beside the annotations"
        return NotFound("missing", detail)

    def _find(self, name: PurePosixPath, *, is_guess: bool = False) -> tuple[Path | None, bool]:
        """The existing file of a name relative to the folder, and whether that leads out of it."""
        try:
            # Nearly all guesses are wrong, and looking for a file by the rules takes its time.
            if is_guess and str(name).isascii() and not (self._folder.path / name).exists():
                return None, False
            found = self._folder.find(str(name))
            is_file = found is not None and found.is_file()
        # A null character, a name too long, a folder that may not be read: no such file.
        except (OSError, ValueError):
            return None, False
        return (found if is_file else None), found is None

    def _near(self, folder: PurePosixPath) -> list[PurePosixPath]:
        """The folder, and those in it and beside it that usually hold recordings."""
        if folder not in self._places:
            above = [] if folder == PurePosixPath() else [folder.parent]
            near = [place / name for place in (folder, *above) for name in _FOLDERS]
            self._places[folder] = [folder, *filter(self._is_folder, near)]
        return self._places[folder]

    def _is_folder(self, place: PurePosixPath) -> bool:
        try:
            return (self._folder.path / place).is_dir()
        except OSError:
            return False


def _relative(link: str) -> str | None:
    """A link as a relative path; None for what is absolute or on a network."""
    path = link.removeprefix("file:").replace("\\", "/")
    if path.startswith(("///./", "///../")):
        path = path.removeprefix("///")
    is_absolute = path.startswith("/") or PureWindowsPath(path).is_absolute() or "://" in path
    return None if is_absolute or not path.strip() else path
