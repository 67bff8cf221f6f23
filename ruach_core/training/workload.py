"""The passes of one epoch, as training will make them: numbers only, no audio is read."""

from __future__ import annotations

from collections.abc import Sequence

from ruach_core.config import RunConfig
from ruach_core.features import MAX_WINDOW_S, window_samples
from ruach_core.models.special_tokens import PROMPT_LENGTH, SpecialTokens
from ruach_core.training.batching import Batch, MicroBatch, plan_epoch
from ruach_core.training.collate import decoder_ids
from ruach_core.training.forecast import Pass, Work
from ruach_core.types import SAMPLING_RATE, Utterance


def pass_of(
    micro_batch: MicroBatch, text_ids: Sequence[Sequence[int]], tokens: SpecialTokens
) -> Pass:
    """One forward and backward pass."""
    inputs, _ = decoder_ids(micro_batch.windows, text_ids, tokens)
    n_windows, n_labels = inputs.shape
    return Pass(n_windows, micro_batch.n_samples / SAMPLING_RATE, n_labels)


def passes_of(
    batch: Batch, text_ids: Sequence[Sequence[int]], tokens: SpecialTokens
) -> tuple[Pass, ...]:
    """The passes of one update."""
    return tuple(pass_of(micro_batch, text_ids, tokens) for micro_batch in batch.micro_batches)


def validation_passes(
    config: RunConfig, utterances: Sequence[Utterance], n_tokens: Sequence[int]
) -> tuple[Pass, ...]:
    """One window for each clip, as the policy's evaluation cuts it.

    Args:
        config: the settings.
        utterances: the clips.
        n_tokens: of each one's text.
    """

    def window_s(utterance: Utterance) -> float:
        if config.window.policy == "full":
            return MAX_WINDOW_S
        duration_s = utterance.duration_s or MAX_WINDOW_S
        return window_samples(duration_s, margin_s=config.window.margin_s) / SAMPLING_RATE

    return tuple(
        Pass(1, window_s(utterance), PROMPT_LENGTH + n)
        for utterance, n in zip(utterances, n_tokens, strict=True)
    )


def plan_work(
    config: RunConfig,
    train: Sequence[Utterance],
    text_ids: Sequence[Sequence[int]],
    tokens: SpecialTokens,
    validation: tuple[Pass, ...],
    *,
    batch_size: int,
    micro_batch_s: float,
) -> Work:
    """What the first epoch computes; the others draw other windows of about the same cost.

    Args:
        config: the settings.
        train: the training clips.
        text_ids: token ids of each one's text.
        tokens: the special tokens.
        validation: from `validation_passes`.
        batch_size: clips per update.
        micro_batch_s: most seconds of window in one pass.
    """
    batches = plan_epoch(
        train,
        config.window,
        batch_size=batch_size,
        micro_batch_s=micro_batch_s,
        seed=config.seed,
        epoch=0,
        n_tokens=[len(ids) for ids in text_ids],
        augment=config.augment,
    )
    training = tuple(p for batch in batches for p in passes_of(batch, text_ids, tokens))
    return Work(training, len(batches), validation)
