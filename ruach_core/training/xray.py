"""The first batch, shown before a minute is spent: what the model will really be taught."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ruach_core.errors import UserError
from ruach_core.features import HOP_LENGTH
from ruach_core.models.memory import is_out_of_memory
from ruach_core.models.special_tokens import MAX_TARGET_POSITIONS, SpecialTokens, WhisperTokenizer
from ruach_core.training.batching import MicroBatch
from ruach_core.training.collate import IGNORED, Tensors
from ruach_core.types import Utterance

if TYPE_CHECKING:
    from ruach_core.training.console import Console
    from ruach_core.training.loop import Loop, Plan
    from ruach_core.training.preparation import Prepared


def check_decoder_ids(inputs: np.ndarray, targets: np.ndarray, tokens: SpecialTokens) -> None:
    """Refuse a batch that would teach something else than transcription in this language.

    Args:
        inputs: decoder input ids, (batch, length).
        targets: target ids, (batch, length).
        tokens: the special tokens that the run is for.

    Raises:
        UserError: a doubled start token, a wrong language, an empty text, no end, or too long.
    """
    prompt = tokens.prompt
    if inputs.shape[1] > MAX_TARGET_POSITIONS:
        raise UserError(
            f"first batch: {inputs.shape[1]} decoder positions; Whisper has {MAX_TARGET_POSITIONS}"
        )
    for row, (input_ids, target_ids) in enumerate(
        zip(inputs.tolist(), targets.tolist(), strict=True)
    ):
        where = f"first batch, clip {row + 1}"
        n_starts = input_ids.count(tokens.start) + target_ids.count(tokens.start)
        if n_starts != 1 or (input_ids[0] not in (tokens.start, tokens.previous)):
            raise UserError(f"{where}: {n_starts} <|startoftranscript|> where there must be one")
        task = input_ids[input_ids.index(tokens.start) :][: len(prompt)]
        if task[1] != tokens.language:
            raise UserError(
                f"{where}: language token {task[1]}, not {tokens.language} "
                f"(<|{tokens.whisper_language}|>)"
            )
        if task != prompt and not (task[:-1] == prompt[:-1] and task[-1] > tokens.no_timestamps):
            raise UserError(f"{where}: prompt {task}, not {prompt}")
        kept = [i for i in target_ids if i != IGNORED]
        if kept[-1:] != [tokens.end]:
            raise UserError(f"{where}: the text doesn't end with <|endoftext|>")
        if len(kept) <= len(prompt):
            raise UserError(f"{where}: the text is empty")


def xray_lines(
    tensors: Tensors,
    utterances: Sequence[Utterance],
    tokenizer: WhisperTokenizer,
    tokens: SpecialTokens,
    *,
    loss: Callable[[Tensors], float],
) -> list[str]:
    """Readable lines on the first batch; its first clip stands for all.

    Raises:
        UserError: as `check_decoder_ids`.
    """
    inputs, targets = tensors.decoder_input_ids.numpy(), tensors.target_ids.numpy()
    check_decoder_ids(inputs, targets, tokens)
    first = utterances[0]
    n_kept = int(np.flatnonzero(targets[0] != IGNORED)[-1]) + 1
    learnt = [i for i in targets[0].tolist() if i != IGNORED]
    n_mels, n_frames = tensors.n_mels, tensors.waveforms.shape[1] // HOP_LENGTH
    per_token = loss(tensors) / int((targets != IGNORED).sum())
    return [
        f"first batch: {len(utterances)} clips, window {n_frames / 100:.1f} s, "
        f"log-mel {n_mels} x {n_frames}, loss {per_token:.3f} per token",
        f"  audio       {first.audio.name} ({first.duration_s or 0:.2f} s)",
        f"  transcript  {first.transcript}",
        f"  reference   {first.reference}",
        f"  decoder in  {tokenizer.describe(inputs[0][:n_kept].tolist())}",
        f"  target      {tokenizer.describe(learnt)}",
        f"  target ids  {learnt}",
    ]


def show_first_batch(
    loop: Loop, plan: Plan, prepared: Prepared, console: Console
) -> tuple[MicroBatch, float]:
    """Print what the model will be taught, by the first pass's windows with speech.

    Where memory has no room for them, the first window alone is shown.

    Returns:
        What was shown, and the seconds that it took forward.

    Raises:
        UserError: as `check_decoder_ids`.
    """
    import torch

    shown = _first_with_speech(plan)
    seconds: list[float] = []

    def loss(tensors: Tensors) -> float:
        began = time.perf_counter()
        with torch.inference_mode():
            value = float(loop.updater.loss(tensors))
        seconds.append(time.perf_counter() - began)
        return value

    def lines() -> list[str]:
        return xray_lines(
            plan.collator(shown, 0),
            [plan.train[i] for i in shown.indices],
            prepared.tokenizer,
            prepared.tokens,
            loss=loss,
        )

    try:
        found = lines()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        shown = MicroBatch(shown.windows[:1], shown.n_samples)
        found = lines()
    for line in found:
        console.line(line)
    return shown, seconds[0]


def _first_with_speech(plan: Plan) -> MicroBatch:
    """The windows with speech of the first pass that has any: silent ones may be in every pass."""
    for batch in plan.batches(0):
        for micro in batch.micro_batches:
            windows = tuple(window for window in micro.windows if window.indices)
            if windows:
                return MicroBatch(windows, micro.n_samples)
    raise AssertionError("an epoch has clips")
