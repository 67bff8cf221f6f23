"""What one key of a shard holds, and how its text members become an utterance's text.

A member's key is its path up to the first dot of the file name, and what follows the dot says
which part of the sample it is: `a/0001.flac` and `a/0001.json` are one sample. That is webdataset's
own rule (https://github.com/webdataset/webdataset).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

AUDIO = frozenset({"wav", "flac", "mp3", "ogg", "opus", "m4a"})
TEXT = frozenset({"txt", "json"})
TRANSCRIPTS = ("text", "sentence", "transcription", "transcript")
SPEAKERS = ("speaker", "speaker_id", "client_id")
MAX_TEXT_BYTES = 1 << 20
"""A text member beyond this isn't a clip's."""
_MAX_ATTRIBUTE = 10_000
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(slots=True)
class Sample:
    """The members of one key, as far as they have come.

    Attributes:
        audio: the audio member's name and its file.
        transcript: of the `.txt`, else of the `.json`.
        names: of the members that have been taken in.
        problem: why the key can't be used, once that is known.
    """

    audio: tuple[str, Path] | None = None
    transcript: str | None = None
    speaker_id: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    has_txt: bool = False
    has_json: bool = False
    names: set[str] = field(default_factory=set)
    problem: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether it has sound and text."""
        return self.audio is not None and self.transcript is not None

    @property
    def n_chars(self) -> int:
        """About how much memory its text takes."""
        return len(self.transcript or "") + sum(map(len, self.attributes.values()))

    def add_text(self, kind: str, content: bytes) -> None:
        """Take in the content of a `.txt` or `.json` member; sets `problem` where it can't be."""
        try:
            if kind == "txt":
                self._add_txt(content)
            else:
                self._add_json(content)
        except UnicodeDecodeError as error:
            self.problem = f"its .{kind} isn't {error.encoding} text; write it as UTF-8"
        except RecursionError:
            self.problem = f"its .{kind} is nested too deeply"
        except ValueError as error:
            self.problem = f"its .{kind} can't be read: {str(error)[:100]}"

    def _add_txt(self, content: bytes) -> None:
        if self.has_txt:
            raise ValueError("there are two for one key, which ends at the first dot of the name")
        self.has_txt = True
        self.transcript = _check(_decode(content)).strip()

    def _add_json(self, content: bytes) -> None:
        if self.has_json:
            raise ValueError("there are two for one key, which ends at the first dot of the name")
        self.has_json = True
        data = json.loads(_decode(content))
        if not isinstance(data, dict):
            raise ValueError("not an object with fields")
        transcript = next((n for n in TRANSCRIPTS if isinstance(data.get(n), str)), None)
        speaker = next((n for n in SPEAKERS if _is_name(data.get(n))), None)
        if transcript is not None and not self.has_txt:
            self.transcript = _check(data[transcript])
        if speaker is not None:
            self.speaker_id = _check(str(data[speaker])).strip() or None
        self.attributes = {
            _check(str(name)): _check(_show(value))
            for name, value in data.items()
            if name not in (transcript, speaker) and value is not None
        }


def split_key(name: str) -> tuple[str, str] | None:
    """A member's key and, in lower case, the kind of content that it has.

    Returns:
        None for a hidden file or one without an extension.
    """
    path = PurePosixPath(name)
    stem, _, extension = path.name.partition(".")
    if not stem or not extension:
        return None
    return path.with_name(stem).as_posix(), extension.rpartition(".")[2].lower()


def _decode(content: bytes) -> str:
    is_utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    return content.decode("utf-16" if is_utf16 else "utf-8-sig")


def _check(text: str) -> str:
    if "\0" in text or _SURROGATE.search(text):
        raise ValueError("it holds a NUL or half a character")
    return text


def _is_name(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _show(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text[:_MAX_ATTRIBUTE]
