"""What `ruach train` tells a user to try, where it is worth trying and isn't the default."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ruach_core.config import TrainingConfig
from ruach_core.text.token_budget import TokenBudget
from ruach_core.training.optimizer import UNSEEN_WER

_WHOLE_LETTERS = 1.0
"""Tokens a letter from which pieces are letters or parts of letters anyhow, as in Ethiopic."""
_SHORT_S = 10.0
"""Letters of longer clips come near the 224 tokens at which stock software stops."""
_SHORT_QUANTILE = 0.95


def letters_hint(
    config: TrainingConfig,
    *,
    zero_shot_wer: float,
    budget: TokenBudget,
    durations_s: Sequence[float],
) -> str | None:
    """A line on letters and the CTC loss for a language that the base model doesn't know.

    Args:
        config: the settings.
        zero_shot_wer: strict WER (a fraction) of the base model.
        budget: what the texts cost in Whisper's pieces.
        durations_s: of the training clips, at least one.

    Returns:
        None where they are asked for already, wouldn't change much or don't fit.
    """
    is_plain = config.text_units == "pieces" and not config.ctc_weight
    # Neither trains the encoder as a whole in one process, which the head learns from.
    is_limited = config.sharding != "none" or config.cache_encoder or config.lora_rank > 0
    is_short = float(np.quantile(durations_s, _SHORT_QUANTILE)) <= _SHORT_S
    if not is_plain or is_limited or not is_short or zero_shot_wer < UNSEEN_WER:
        return None
    if budget.tokens_per_letter >= _WHOLE_LETTERS:
        return None
    return (
        "Worth a second run: --training.text_units letters --training.ctc_weight 0.5 --epochs 14; "
        "a language that Whisper doesn't know and short clips may gain several points "
        "(Ruach's docs/training-settings.md, Pieces or letters)"
    )
