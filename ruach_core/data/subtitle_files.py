"""Reads subtitle files, SubRip (.srt) and WebVTT (.vtt): cues with times, text and speaker.

SubRip has no standard; what players accept is accepted. WebVTT is the W3C's
(https://www.w3.org/TR/webvtt1/), read leniently. What `ruach_core.transcription.subtitles` writes
is read back the same.
"""

from __future__ import annotations

import html
import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ruach_core.errors import DataError

SUBTITLE_SUFFIXES = (".vtt", ".srt")
"""File name endings; of two files for one recording the first is taken, as it can name speakers."""

MAX_FILE_BYTES = 16 << 20
"""A subtitle file beyond this isn't one: a day of speech needs 2 MiB, 10 with each word's time."""

_ROLL_UP_GAP_MS = 50
_CLOCK = r"(?:([0-9]{1,6}):)?([0-9]{1,3}):([0-9]{1,3})(?:[.,:]([0-9]{1,9}))?"
_TIMES = re.compile(rf"\s*{_CLOCK}\s*-{{1,3}}>\s*{_CLOCK}(?![0-9:.,])")
_NUMBER = re.compile(r"\s*[0-9]+\s*")
_ARROW = "-->"
_COMMENT = re.compile(r"(?:NOTE|STYLE|REGION)(?:[ \t]|$)")

_TAG = re.compile(r"</?(?:[A-Za-z][^<>]*|[0-9:.]+|)>")
_KNOWN_TAG = re.compile(
    r"</?(?:b|i|u|s|c|v|font|ruby|rt|lang|span|em|strong|br)(?:[ \t./][^<>]*)?>|<[0-9:.]+>", re.I
)
_BREAK = re.compile(r"<br\s*/?>", re.I)
_SRT_BREAK = re.compile(r"\\[Nn]")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?[ \t]([^<>]+)>", re.I)
_POSITION = re.compile(r"\{\\[^{}]*\}")
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff\u3001\u3002\uff01\uff0c\uff1f]"
)
"""Of scripts that put no space between words: a line break stands for nothing."""
_MUSIC = re.compile("[\u2669-\u266c\U0001f3b5\U0001f3b6]")
_SOUND = re.compile(r"\[[^\[\]]*\]|［[^［］]*］|【[^【】]*】")
_ASIDE = re.compile(r"\s*(?:\([^()]*\)|（[^（）]*）|\*[^*]*\*)[\s.]*")
_TURN = re.compile(r"\s*(?:[-\u2010-\u2015]+(?=\s|[^\W\d_])|>>+)\s*")


@dataclass(frozen=True, slots=True)
class SubtitleCue:
    """One subtitle.

    Attributes:
        row: line number of its times in the file.
        start_ms: when it appears, in milliseconds.
        end_ms: when it disappears; after `start_ms`.
        lines: its lines without markup; none is blank.
        speaker: who speaks, where the file says so and it is one.
    """

    row: int
    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None = None

    @property
    def start_s(self) -> float:
        """When it appears, in seconds."""
        return self.start_ms / 1000

    @property
    def end_s(self) -> float:
        """When it disappears, in seconds."""
        return self.end_ms / 1000

    @property
    def text(self) -> str:
        """All its lines as one, as they are written."""
        return _join_lines(self.lines)

    @property
    def spoken(self) -> str:
        """What of it is speech; empty where nothing is.

        Left out are lines with a note (♪: sung, or music), sounds in brackets (`[music]`), lines
        that are one aside in parentheses (`(laughs)`), and the marks of a turn (`- `, `>>`).
        """
        unsung = "\n".join(line for line in self.lines if not _MUSIC.search(line))
        kept = []
        for line in _SOUND.sub(" ", unsung).split("\n"):
            turn = _TURN.match(line)
            line = line[turn.end() :] if turn is not None else line
            if line.strip() and not _ASIDE.fullmatch(line):
                kept.append(line)
        text = _join_lines(kept)
        is_speech = any(char.isalnum() for char in text) and not _ASIDE.fullmatch(text)
        return text if is_speech else ""


@dataclass(frozen=True, slots=True)
class BadCue:
    """A place in a subtitle file that can't be used: its line number, and why."""

    row: int
    detail: str


def read_subtitles(path: Path) -> list[SubtitleCue | BadCue]:
    """The cues of a SubRip or WebVTT file, in the file's order; which it is, the content tells.

    Text is UTF-8 or UTF-16 with a byte order mark, or UTF-8 without one.

    Raises:
        DataError: the file can't be read, isn't such text, or is over `MAX_FILE_BYTES`; in one
            line, with the remedy.
    """
    return parse_subtitles(read_text_file(path))


def read_text_file(path: Path) -> str:
    """The text of a file: UTF-8 or UTF-16 with a byte order mark, or UTF-8 without one.

    Raises:
        DataError: the file can't be read, isn't such text, or is over `MAX_FILE_BYTES`; in one
            line, with the remedy.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: can't be read: {reason}") from error
    if len(content) > MAX_FILE_BYTES:
        limit = MAX_FILE_BYTES >> 20
        raise DataError(f"{path}: over {limit} MiB, which isn't the text of a recording")
    return _decode(content, path).removeprefix("\ufeff")


def parse_subtitles(text: str) -> list[SubtitleCue | BadCue]:
    """The cues of a SubRip or WebVTT file's text, in its order; never raises.

    A time has a comma or a dot, and hours or none; an SRT cue needs no number. Markup is taken
    out, character references are resolved. NOTE, STYLE and REGION blocks are passed over.
    """
    text = text.removeprefix("\ufeff").replace("\r\r\n", "\n").replace("\0", "\ufffd")
    lines = re.split(r"\r\n|\n|\r", text)
    is_vtt = re.match(r"WEBVTT(?:[ \t]|$)", lines[0]) is not None
    return _Parser(lines, is_vtt=is_vtt).parse()


def drop_carried_lines(found: Sequence[SubtitleCue | BadCue]) -> list[SubtitleCue | BadCue]:
    """The cues without the line that captions which roll up carry over from the cue before.

    Live and automatic captions show each line twice, below and then above the next one. Only
    where at least a third of the cues begin with the last line of the one that ends as they begin
    is that taken for the file's way: people do say a thing twice.
    """
    carried: set[int] = set()
    previous: SubtitleCue | None = None
    for cue in found:
        if isinstance(cue, BadCue) or not cue.lines:
            continue
        if previous is not None and 0 <= cue.start_ms - previous.end_ms <= _ROLL_UP_GAP_MS:
            carried.update([cue.row] if cue.lines[0] == previous.lines[-1] else [])
        previous = cue
    if len(carried) < max(2, len(found) / 3):
        return list(found)
    return [
        replace(cue, lines=cue.lines[1:])
        if isinstance(cue, SubtitleCue) and cue.row in carried
        else cue
        for cue in found
    ]


def escape_markup(line: str, *, is_vtt: bool) -> str:
    """The line with character references for whatever would be read as markup or as one of them.

    WebVTT has them for `&`, `<` and `>`. SubRip has no escapes: its readers show as they are what
    isn't one of the usual tags, so only what could be one is written as a reference.
    """
    if is_vtt:
        line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    else:
        line = _REFERENCE.sub(lambda match: f"&amp;{match.group()[1:]}", line)
        line = _SRT_BREAK.sub(lambda match: f"&#92;{match.group()[1:]}", line)
        line = _escape(line, _KNOWN_TAG, "&lt;")
    return _escape(line, _POSITION, "&#123;")


def _escape(line: str, markup: re.Pattern[str], reference: str) -> str:
    """The line with the reference for the first character of all markup, nested one too."""
    while markup.search(line):
        line = markup.sub(lambda match: reference + match.group()[1:], line)
    return line


class _Parser:
    """Walks over a file's lines: what stands before a line with times, and what behind it."""

    def __init__(self, lines: Sequence[str], *, is_vtt: bool) -> None:
        self._lines = lines
        self._is_vtt = is_vtt
        self._found: list[SubtitleCue | BadCue] = []
        # For each position, where the next line that isn't blank is.
        self._next = array("q", [len(lines)]) * (len(lines) + 1)
        for position in range(len(lines) - 1, -1, -1):
            is_blank = not lines[position].strip()
            self._next[position] = self._next[position + 1] if is_blank else position

    def parse(self) -> list[SubtitleCue | BadCue]:
        """All cues, and what can't be one."""
        position = self._skip_block(0) if self._is_vtt else 0
        while (position := self._next[position]) < len(self._lines):
            line = self._lines[position]
            if self._is_times(position):
                position = self._take_cue(position)
            elif self._is_vtt and _COMMENT.match(line):
                position = self._skip_block(position)
            elif self._is_label(position):
                position += 1
            else:
                detail = f"text without times ({_shorten(line)})"
                self._found.append(BadCue(position + 1, detail))
                position = self._skip_block(position)
        return self._found

    def _take_cue(self, position: int) -> int:
        """Read the cue whose times are at this position; the position behind it."""
        row, times = position + 1, self._lines[position]
        taken: list[str] = []
        position += 1
        while position < len(self._lines) and not self._ends_cue(position):
            position = self._next[position]
            taken.append(self._lines[position])
            position += 1
        start_ms, end_ms = _parse_times(times)
        if start_ms is None or end_ms is None:
            self._found.append(BadCue(row, f"not two times ({_shorten(times)})"))
        elif end_ms <= start_ms:
            self._found.append(BadCue(row, f"ends before it starts ({_shorten(times)})"))
        else:
            speaker, lines = _read_markup(taken, is_vtt=self._is_vtt)
            self._found.append(SubtitleCue(row, start_ms, end_ms, lines, speaker))
        return position

    def _ends_cue(self, position: int) -> bool:
        following = self._next[position]
        if following == position:
            # A blank line before the next number may be missing.
            return self._is_times(position) or (not self._is_vtt and self._is_label(position))
        # An SRT file's text may hold blank lines: it goes on until the next number or times.
        return (
            self._is_vtt
            or following == len(self._lines)
            or self._is_times(following)
            or _NUMBER.fullmatch(self._lines[following]) is not None
        )

    def _is_times(self, position: int) -> bool:
        line = self._lines[position]
        if "->" not in line:
            return False
        if _TIMES.match(line):
            return True
        # Where times are due, an arrow means them, and what follows isn't another cue's text.
        before = self._lines[position - 1] if position else ""
        return _ARROW in line and (not before.strip() or _NUMBER.fullmatch(before) is not None)

    def _is_label(self, position: int) -> bool:
        """Whether the line is the number (in WebVTT any name) of the cue whose times follow."""
        if self._is_vtt:
            following = position + 1
        elif _NUMBER.fullmatch(self._lines[position]):
            following = self._next[position + 1]
        else:
            return False
        return following < len(self._lines) and self._is_times(following)

    def _skip_block(self, position: int) -> int:
        while position < len(self._lines) and self._lines[position].strip():
            position += 1
        return position


def _parse_times(line: str) -> tuple[int | None, int | None]:
    match = _TIMES.match(line)
    if match is None:
        return None, None
    parts = match.groups()
    return _milliseconds(*parts[:4]), _milliseconds(*parts[4:])


def _milliseconds(
    hours: str | None, minutes: str, seconds: str, fraction: str | None
) -> int | None:
    if int(seconds) > 59 or (hours is not None and int(minutes) > 59):
        return None
    whole_s = 3600 * int(hours or 0) + 60 * int(minutes) + int(seconds)
    nanoseconds = int((fraction or "").ljust(9, "0"))
    return 1000 * whole_s + (nanoseconds + 500_000) // 1_000_000


def _read_markup(taken: Iterable[str], *, is_vtt: bool) -> tuple[str | None, tuple[str, ...]]:
    """The speaker and the lines without markup."""
    speakers: set[str] = set()
    lines: list[str] = []
    for line in taken:
        speakers.update(_resolve(name).strip() for name in _VOICE.findall(line))
        line = line if is_vtt else _SRT_BREAK.sub("<br>", line)
        for part in _BREAK.split(line):
            bare = _POSITION.sub("", (_TAG if is_vtt else _KNOWN_TAG).sub("", part))
            if bare := _resolve(bare).strip():
                lines.append(bare)
    speakers.discard("")
    return speakers.pop() if len(speakers) == 1 else None, tuple(lines)


def _resolve(text: str) -> str:
    return _REFERENCE.sub(lambda match: html.unescape(match.group()), text)


def _join_lines(lines: Iterable[str]) -> str:
    text = ""
    for line in lines:
        line = " ".join(line.split())
        is_unspaced = UNSPACED.match(text[-1:]) and UNSPACED.match(line[:1])
        text += line if not text or is_unspaced else f" {line}"
    return text.strip()


def _shorten(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= 60 else line[:57] + "..."


def _decode(content: bytes, path: Path) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif b"\0" in content[:4]:
        raise DataError(f"{path}: not a text file, or UTF-16 without a mark; save it as UTF-8")
    else:
        encoding = "utf-8"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding == "utf-16":
            raise DataError(f"{path}: not UTF-16 though marked as it; save it as UTF-8") from error
        row = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path} row {row}: not UTF-8 (byte 0x{content[error.start]:02x}), perhaps Latin-1; "
            "save it as UTF-8, for example with iconv -f latin1 -t utf-8"
        ) from error
