"""The tokens that Whisper's decoders never write unless told otherwise.

OpenAI's decoder, and faster-whisper after it, keep back tokens of "non-speech" signs: quotation
marks, brackets, slash, colon, notes, and a hyphen or apostrophe at the beginning of a word. Which
these are is no list of ids but a rule on the tokenizer, so it is worked out here from the tokenizer
(the signs: `tables/suppressed_symbols.tsv`).
"""

from __future__ import annotations

from collections.abc import Iterator

from ruach_core.text.tables import read_table
from ruach_core.types import TextTokenizer


def suppressed_tokens(tokenizer: TextTokenizer) -> dict[int, str]:
    """The ids of the tokens that are kept back by default, each with the signs that it writes.

    Args:
        tokenizer: the base model's.
    """
    signs: dict[int, list[str]] = {}
    for row in read_table(
        "ruach_core.text", "suppressed_symbols.tsv", columns=("kind", "symbol", "source")
    ):
        for token, sign in _tokens_of(row["symbol"], row["kind"], tokenizer):
            signs.setdefault(token, []).append(sign)
    return {token: " ".join(dict.fromkeys(found)) for token, found in signs.items()}


def _tokens_of(symbol: str, kind: str, tokenizer: TextTokenizer) -> Iterator[tuple[int, str]]:
    if kind == "word-start":
        spelled = [tokenizer.encode(f" {symbol}")]
        sign = f"{symbol} after a space"
    else:
        spelled = [tokenizer.encode(symbol), tokenizer.encode(f" {symbol}")]
        sign = symbol
    for ids in spelled:
        # A space that is a token of its own, as in no real Whisper, is no sign.
        if len(ids) == 1 or (kind == "first" and tokenizer.decode(ids[:1]).strip()):
            yield ids[0], sign
