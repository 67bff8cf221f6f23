"""Which endings make a file's name that of a recording: the one list for all who ask."""

from __future__ import annotations

from pathlib import PurePath, PurePosixPath

from ruach_core.text.unicode import normalize_form

AUDIO_SUFFIXES = (
    ".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".oga", ".aac", ".wma", ".aif", ".aiff",
    ".amr", ".au", ".caf", ".m4b", ".wv", ".mka", ".mp4", ".webm",
)  # fmt: skip
"""Sound alone, mostly; lower case. Of several files of one name the first in this order is read."""

RECORDING_SUFFIXES = (*AUDIO_SUFFIXES, ".mkv", ".mov", ".avi", ".mpg")
"""Those and film, whose sound is read, for where no table says which file is meant."""


def is_audio_name(name: str) -> bool:
    """Whether a file's name ends as audio's does."""
    return PurePosixPath(name).suffix.lower() in AUDIO_SUFFIXES


def is_recording_name(name: str) -> bool:
    """Whether a file's name ends as audio's or film's does."""
    return PurePosixPath(name).suffix.lower() in RECORDING_SUFFIXES


def name_without_ending(path: PurePath) -> str:
    """By which a recording and its text are told to belong together, however it was typed."""
    return normalize_form(path.stem, "NFC")
