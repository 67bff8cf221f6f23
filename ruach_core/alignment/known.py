"""The known text of a recording as words: as they are written, and as they are matched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ruach_core.data.subtitle_files import (
    SUBTITLE_SUFFIXES,
    UNSPACED,
    SubtitleCue,
    drop_carried_lines,
    read_subtitles,
    read_text_file,
)
from ruach_core.errors import DataError
from ruach_core.text.unicode import is_mark
from ruach_core.types import TextNormalizer

TEXT_SUFFIXES = (*SUBTITLE_SUFFIXES, ".txt")
"""File name endings of known texts; of several for one recording the first is taken."""

_TOKEN = re.compile("[^\\s\u1361\u2014]+[\u1361\u2014]*|[\u1361\u2014]+")
"""Words are parted by white space, the Ethiopic word space and the em dash."""


@dataclass(frozen=True, slots=True)
class KnownWord:
    """A word of the text; where no spaces are written, a character.

    Attributes:
        text: as it is written, with what punctuation stands around it.
        key: its letters in the `score` form, without spaces; never empty.
        has_space: whether white space parts it from the word before.
        time_s: about when it is said, where subtitles tell.
        speaker: who says it, where subtitles tell.
    """

    text: str
    key: str
    has_space: bool = True
    time_s: float | None = None
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class KnownText:
    """What is said in a recording, as far as it is known.

    Attributes:
        path: the file that it is from.
        words: in order.
        notes: on what of the file was left out, one line each.
    """

    path: Path
    words: tuple[KnownWord, ...]
    notes: tuple[str, ...] = ()

    @property
    def has_times(self) -> bool:
        """Whether the words have times: all of them have, or none."""
        return bool(self.words) and self.words[0].time_s is not None


def read_known_text(path: Path, normalizer: TextNormalizer, *, has_times: bool) -> KnownText:
    """The words of a text file or of a subtitle file.

    Args:
        path: a text in UTF-8 (or UTF-16 with its mark), or SubRip or WebVTT.
        normalizer: its `score` form is what words are matched by.
        has_times: whether it is a subtitle file.

    Raises:
        DataError: the file can't be read, or nothing in it is said; names file and remedy.
    """
    split = _Splitter(normalizer)
    notes: list[str] = []
    if has_times:
        words, notes = _read_cues(path, split)
    else:
        words = list(split(read_text_file(path)))
    if not words:
        kind = "cue with speech" if has_times else "word"
        raise DataError(f"{path}: has no {kind}; give the text that is spoken in the recording")
    return KnownText(path, tuple(words), tuple(notes))


def join_words(words: Sequence[KnownWord]) -> str:
    """The words as they are written, in one line."""
    parts = (f" {word.text}" if word.has_space else word.text for word in words)
    return "".join(parts).strip()


def matching_key(text: str, normalizer: TextNormalizer) -> str:
    """The letters of a text in its `score` form: what is compared has no spaces."""
    return "".join(normalizer.normalize(text, purpose="score").split())


class _Splitter:
    """Splits texts into words; a word's key is found once."""

    def __init__(self, normalizer: TextNormalizer) -> None:
        self._normalizer = normalizer
        self._keys: dict[str, str] = {}

    def __call__(self, text: str) -> Iterator[KnownWord]:
        """The words; what has no letters belongs to the word before it, or to the first."""
        held: KnownWord | None = None
        for token, has_space in _split(text):
            key = self._key(token)
            if held is None:
                held = KnownWord(token, key, has_space)
            elif not key or not held.key:
                space = " " if has_space else ""
                held = replace(held, text=f"{held.text}{space}{token}", key=held.key + key)
            else:
                yield held
                held = KnownWord(token, key, has_space)
        if held is not None and held.key:
            yield held

    def _key(self, token: str) -> str:
        if token not in self._keys:
            self._keys[token] = matching_key(token, self._normalizer)
        return self._keys[token]


def _split(text: str) -> Iterator[tuple[str, bool]]:
    """The tokens, and whether a space stands before each."""
    end = -1
    for match in _TOKEN.finditer(text):
        has_space = match.start() != end
        end = match.end()
        token = match.group()
        if not UNSPACED.search(token):
            yield token, has_space
            continue
        for part in _split_unspaced(token):
            yield part, has_space
            has_space = False


def _split_unspaced(token: str) -> Iterator[str]:
    """Each character of a script without word spaces, with its marks; other runs whole."""
    part = ""
    for char in token:
        is_own = UNSPACED.match(char) is not None
        if part and not is_mark(char) and (is_own or UNSPACED.match(part)):
            yield part
            part = ""
        part += char
    yield part


def _read_cues(path: Path, split: _Splitter) -> tuple[list[KnownWord], list[str]]:
    found = drop_carried_lines(read_subtitles(path))
    cues = [cue for cue in found if isinstance(cue, SubtitleCue)]
    notes = []
    if len(cues) < len(found):
        bad = next(item for item in found if not isinstance(item, SubtitleCue))
        notes.append(
            f"{path.name}: {len(found) - len(cues)} cues can't be read (first, row {bad.row}: "
            f"{bad.detail})"
        )
    words: list[KnownWord] = []
    for cue in sorted(cues, key=lambda cue: (cue.start_ms, cue.end_ms)):
        own = list(split(cue.spoken))
        n_letters, n_before = sum(len(word.key) for word in own), 0
        for word in own:
            share = (n_before + len(word.key) / 2) / n_letters
            time_s = cue.start_s + share * (cue.end_s - cue.start_s)
            n_before += len(word.key)
            words.append(replace(word, has_space=True if word is own[0] else word.has_space,
                                 time_s=time_s, speaker=cue.speaker))  # fmt: skip
    return words, notes
