from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from ruach_core.transcription.words import group_words


class _ByteTokenizer:
    """Whisper's pieces are bytes; here each token is exactly one."""

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, ids: Sequence[int]) -> str:
        return bytes(ids).decode(errors="replace")


@pytest.mark.parametrize("text", ["one two", " one  two ", "ሰላም ነው።", "a\u0301 b", "አንድ", ""])
def test_group_words_keeps_characters_whole(text: str) -> None:
    tokenizer = _ByteTokenizer()
    ids = tokenizer.encode(text)
    words = group_words(ids, tokenizer)
    assert [word for word, _, _ in words] == text.split()
    for word, first, last in words:
        assert tokenizer.decode(ids[first:last]).strip() == word
    assert all(a[2] <= b[1] for a, b in itertools.pairwise(words))


def test_group_words_survives_a_text_that_breaks_off_within_a_character() -> None:
    ids = list("ሰላም".encode())[:-1]
    words = group_words(ids, _ByteTokenizer())
    assert [word for word, _, _ in words] == ["ሰላ\ufffd"]
    assert words[0][2] == len(ids)
