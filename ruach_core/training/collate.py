"""Utterances -> the tensors of one forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ruach_core.config import AugmentConfig
from ruach_core.data.audio import load_audio
from ruach_core.features import HOP_LENGTH, log_mel, pad_waveform
from ruach_core.models.special_tokens import SpecialTokens
from ruach_core.training.augment import change_speed, choose_speed, spec_augment
from ruach_core.training.batching import MicroBatch
from ruach_core.training.randomness import generator
from ruach_core.types import Utterance

if TYPE_CHECKING:
    import torch

IGNORED = -100
"""Target id that takes no part in the loss (padding behind each text's end)."""


@dataclass(frozen=True, slots=True)
class Tensors:
    """One forward pass.

    Attributes:
        log_mel: float32, (batch, n_mels, n_frames).
        decoder_input_ids: int64, (batch, length): prompt, then text.
        target_ids: int64, (batch, length): the same one place on, then the end; padding is
            `IGNORED`. The end shares its id with Whisper's padding, so padding goes by length.
    """

    log_mel: torch.Tensor
    decoder_input_ids: torch.Tensor
    target_ids: torch.Tensor


class Collator:
    """Reads, pads, masks and stacks the clips of a micro-batch; safe in worker processes."""

    def __init__(
        self,
        utterances: Sequence[Utterance],
        text_ids: Sequence[Sequence[int]],
        tokens: SpecialTokens,
        *,
        n_mels: int,
        augment: AugmentConfig | None = None,
        seed: int = 0,
    ) -> None:
        """Args: utterances and their texts' ids; `augment` None leaves the mel as it is."""
        self._utterances = utterances
        self._text_ids = text_ids
        self._tokens = tokens
        self._n_mels = n_mels
        self._augment = augment
        self._seed = seed

    def __call__(self, micro_batch: MicroBatch, epoch: int) -> Tensors:
        """The tensors of a micro-batch in an epoch."""
        import torch

        mels = [
            self._features(self._utterances[i], micro_batch.n_samples, epoch)
            for i in micro_batch.indices
        ]
        inputs, targets = decoder_ids(
            [self._text_ids[i] for i in micro_batch.indices], self._tokens
        )
        return Tensors(
            log_mel=torch.from_numpy(np.stack(mels)),
            decoder_input_ids=torch.from_numpy(inputs),
            target_ids=torch.from_numpy(targets),
        )

    def n_target_tokens(self, indices: Sequence[int]) -> int:
        """Tokens that the loss of these clips counts: language, task, mode, text and end."""
        return sum(len(self._tokens.prompt) + len(self._text_ids[i]) for i in indices)

    def _features(self, utterance: Utterance, n_samples: int, epoch: int) -> np.ndarray:
        waveform = load_audio(utterance.audio, start_s=utterance.start_s, end_s=utterance.end_s)
        augment, seed = self._augment, self._seed
        if augment is not None:
            speed = choose_speed(utterance, augment, seed=seed, epoch=epoch)
            waveform = change_speed(waveform, speed)
        mel = log_mel(pad_waveform(waveform, n_samples), n_mels=self._n_mels)
        if augment is None or not augment.spec_augment:
            return mel
        n_real = min(len(waveform) // HOP_LENGTH, mel.shape[1])
        rng = generator("augment", seed, epoch, utterance.id)
        return spec_augment(mel, n_real, augment, rng)


def decoder_ids(
    texts: Sequence[Sequence[int]], tokens: SpecialTokens
) -> tuple[np.ndarray, np.ndarray]:
    """Decoder inputs and targets, each of shape (batch, prompt + longest text), int64.

    The input is `<|startoftranscript|> <|language|> <|transcribe|> <|notimestamps|> text`, exactly
    one start token; the target is the same without the start and with `<|endoftext|>` behind.
    """
    prompt = tokens.prompt
    length = len(prompt) + max(len(text) for text in texts)
    inputs = np.full((len(texts), length), tokens.end, dtype=np.int64)
    targets = np.full((len(texts), length), IGNORED, dtype=np.int64)
    for row, text in enumerate(texts):
        sequence = [*prompt, *text, tokens.end]
        inputs[row, : len(sequence) - 1] = sequence[:-1]
        targets[row, : len(sequence) - 1] = sequence[1:]
    return inputs, targets
