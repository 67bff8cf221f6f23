"""How many tokens texts may cost, where no model's tokenizer is on this machine."""

from __future__ import annotations

from collections.abc import Sequence

_BYTES_TO_TOKENS = 0.8
"""On the high side: scripts that Whisper has seen little of cost most (Ethiopic: 2.3 tokens for a
letter of 3 bytes)."""


class GuessedTokenizer:
    """Stands in for a tokenizer that isn't on this machine: as many ids as a text may cost."""

    def __init__(self, tokens_per_char: float | None) -> None:
        """`tokens_per_char` is what the language's pack states; None for a guess by bytes."""
        self._tokens_per_char = tokens_per_char

    def encode(self, text: str) -> list[int]:
        """Zeros."""
        if self._tokens_per_char is not None:
            return [0] * round(self._tokens_per_char * len(text))
        return [0] * round(_BYTES_TO_TOKENS * len(text.encode("utf-8", "replace")))

    def encode_text(self, text: str) -> list[int]:
        """As `encode`: the space in front costs nothing, it is part of the first word's token."""
        return self.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """Nothing can be said."""
        return ""
