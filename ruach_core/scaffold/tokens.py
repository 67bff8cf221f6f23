"""What a character of the language costs in Whisper's tokens: measured, or an estimate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ruach_core.errors import RuachError
from ruach_core.models.special_tokens import WhisperTokenizer
from ruach_core.plugins import Plugins
from ruach_core.scaffold.scripts import Script
from ruach_core.text.token_budget import token_budget
from ruach_core.types import TextTokenizer

_OFFLINE_MODEL = "whisper-base"
_AT_MOST = 2_000
"""Texts that are measured; more change nothing in the second digit."""


@dataclass(frozen=True, slots=True)
class TokenRate:
    """Tokens for a character of running text, and where the figure is from."""

    rate: float
    note: str


def find_tokenizer(model: str | None, plugins: Plugins) -> tuple[TextTokenizer, str] | None:
    """A base model's tokenizer, and the model's name.

    Args:
        model: the base model that the user names; without one, what an installed plugin brings
            is taken, and nothing is fetched.
        plugins: their sources are asked.

    Returns:
        None where no model is named and no plugin brings one.

    Raises:
        UserError: the model that the user names can't be had.
    """
    if model is not None:
        from ruach_core.models.resolve import resolve_base_model

        resolved = resolve_base_model(model, plugins, progress=False)
        return WhisperTokenizer.read(resolved.directory), Path(resolved.name).name
    for source in plugins.base_model_sources():
        if source.name in ("hub", "path"):
            continue
        try:
            folder = source.resolve(_OFFLINE_MODEL, progress=True)
            if folder is not None:
                return WhisperTokenizer.read(folder), _OFFLINE_MODEL
        except RuachError:
            continue
    return None


def measure_tokens(texts: Iterable[str], tokenizer: TextTokenizer, model: str) -> TokenRate | None:
    """The rate over texts in their `target` form; None where there are none."""
    references = list(islice((text for text in texts if text), _AT_MOST))
    budget = token_budget(references, [0.0] * len(references), tokenizer)
    if not budget.tokens_per_char:
        return None
    note = f"Measured with the tokenizer of {model} over {budget.n_references:,} texts."
    return TokenRate(budget.tokens_per_char, note)


def estimate_tokens(script: Script, letters: Iterable[str]) -> TokenRate:
    """What texts in the script cost, or a guess from the letters' bytes in UTF-8."""
    advice = "ruach train shows what yours cost."
    if script.tokens_per_char is not None:
        note = f"An estimate, from other languages' texts in the script; {advice}"
        return TokenRate(script.tokens_per_char, note)
    sizes = [len(letter.encode("utf-8", "replace")) for letter in letters]
    rate = 0.8 * sum(sizes) / max(1, len(sizes))
    return TokenRate(max(rate, 0.3), f"A guess, 0.8 tokens a byte; {advice}")
