"""Whisper's tokenizer and special tokens, read from `tokenizer.json` without transformers.

Ids are looked up by their strings: large-v3 has one language more than large-v2, so every id
behind the languages differs by one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ruach_core.errors import UserError

MAX_TARGET_POSITIONS = 448
"""Decoder positions of every Whisper model: prompt, text and end share them."""

PROMPT_LENGTH = 4
MAX_NEW_TOKENS = MAX_TARGET_POSITIONS - PROMPT_LENGTH


class WhisperTokenizer:
    """Text <-> token ids; a `TextTokenizer`."""

    def __init__(self, tokenizer: Any, *, by_letter: bool = False) -> None:
        self._tokenizer = tokenizer
        self._by_letter = by_letter
        self._letters: dict[str, list[int]] = {}

    @classmethod
    def read(cls, model_dir: Path, *, by_letter: bool = False) -> WhisperTokenizer:
        """The tokenizer of a model's folder.

        Args:
            model_dir: has its `tokenizer.json`.
            by_letter: write each letter by itself, the first of a word with the space before it, in
                place of Whisper's longest pieces. What is read is the same.

        Raises:
            UserError: no readable `tokenizer.json` there.
        """
        from tokenizers import Tokenizer

        path = model_dir / "tokenizer.json"
        try:
            found = Tokenizer.from_str(path.read_text(encoding="utf-8"))
            return cls(found, by_letter=by_letter)
        except FileNotFoundError:
            raise UserError(f"{path}: missing; the folder isn't a complete model") from None
        except Exception as error:  # the tokenizers library raises bare Exception on bad JSON
            raise UserError(f"{path}: not a readable tokenizer: {error}") from error

    def encode(self, text: str) -> list[int]:
        """Token ids of the text alone; special tokens written in the text are not special."""
        if self._by_letter:
            return [i for letter in _LETTER.findall(text) for i in self._letter(letter)]
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        if max(ids, default=0) < self.end:
            return ids
        pieces = [self._tokenizer.encode(p, add_special_tokens=False).ids for p in _split(text)]
        return [i for piece in pieces for i in piece if i < self.end]

    def _letter(self, letter: str) -> list[int]:
        if letter not in self._letters:
            ids = self._tokenizer.encode(letter, add_special_tokens=False).ids
            self._letters[letter] = ids
        return self._letters[letter]

    def encode_text(self, text: str) -> list[int]:
        """Ids of a whole text as Whisper writes one: with the space before a word in front of it.

        So the first word has the tokens that it has anywhere else, and texts can be joined. A text
        that fills the decoder to its last position goes without. So does one whose first letter
        has no token with a space in front, as Yoruba's ẹ: a text may not begin with the space's own
        token, which every decoder of Whisper's suppresses there.
        """
        if not text:
            return []
        ids = self.encode(f" {text}")
        is_long = len(ids) > MAX_NEW_TOKENS
        return self.encode(text) if is_long or ids[0] == self.id_of(_SPACE) else ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the ids; special tokens and timestamps are left out."""
        return str(self._tokenizer.decode([i for i in ids if i < self.end]))

    def id_of(self, token: str) -> int | None:
        """The id of a token by its string, or None."""
        found: int | None = self._tokenizer.token_to_id(token)
        return found

    def describe(self, ids: Sequence[int]) -> str:
        """The ids as text with every special token visible, for people to check."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    @cached_property
    def end(self) -> int:
        """Id of `<|endoftext|>`; every text token is below it."""
        found = self.id_of("<|endoftext|>")
        if found is None:
            raise UserError("tokenizer.json has no <|endoftext|>: not a Whisper tokenizer")
        return found

    @cached_property
    def languages(self) -> dict[str, int]:
        """Whisper's own language codes and their token ids."""
        first = self.id_of("<|startoftranscript|>")
        last = self.id_of("<|translate|>")
        if first is None or last is None:
            return {}
        tokens = (self._tokenizer.id_to_token(i) for i in range(first + 1, last))
        return {t[2:-2]: first + 1 + n for n, t in enumerate(tokens)}


_SPACE = "Ġ"  # a space, as Whisper's vocabulary writes it
_LETTER = re.compile(r" ?.", re.DOTALL)


def _split(text: str) -> list[str]:
    """The text in pieces that hold no special token, each of which begins with `<|`."""
    return re.split(r"(?<=<)(?=\|)", text)


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Ids of the special tokens for transcription in one language."""

    whisper_language: str
    start: int
    language: int
    transcribe: int
    no_timestamps: int
    end: int
    previous: int
    no_speech: int

    @classmethod
    def read(cls, model_dir: Path, language: str) -> SpecialTokens:
        """The ids from the model's `tokenizer.json`.

        Raises:
            UserError: the tokenizer isn't a multilingual Whisper's, or has no such language.
        """
        return cls.of(WhisperTokenizer.read(model_dir), language)

    @classmethod
    def of(cls, tokenizer: WhisperTokenizer, language: str) -> SpecialTokens:
        """The ids from a tokenizer; raises as `read` does."""
        languages = tokenizer.languages
        if language not in languages:
            raise UserError(
                f"Whisper has no language token {language!r}; whisper_language in pack.toml must "
                f"be one of: {', '.join(sorted(languages))}"
            )

        def required(*names: str) -> int:
            for name in names:
                found = tokenizer.id_of(name)
                if found is not None:
                    return found
            raise UserError(f"tokenizer.json has no {names[0]}: not a multilingual Whisper's")

        return cls(
            whisper_language=language,
            start=required("<|startoftranscript|>"),
            language=languages[language],
            transcribe=required("<|transcribe|>"),
            no_timestamps=required("<|notimestamps|>"),
            end=tokenizer.end,
            previous=required("<|startofprev|>"),
            no_speech=required("<|nospeech|>", "<|nocaptions|>"),
        )

    def timestamp(self, step: int) -> int:
        """The id of a time, in steps of 20 ms from the window's start (0 to 1,500)."""
        return self.no_timestamps + 1 + step

    @property
    def prompt(self) -> list[int]:
        """What the decoder is given before the text: start, language, task, no timestamps."""
        return [self.start, self.language, self.transcribe, self.no_timestamps]
