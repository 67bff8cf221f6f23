"""Utterances -> the tensors of one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ruach_core.config import AugmentConfig
from ruach_core.data.waveforms import load_utterance
from ruach_core.features import HOP_LENGTH, FloatArray
from ruach_core.models.special_tokens import SpecialTokens
from ruach_core.training.augment import Masks, augment_waveform, draw_masks, draw_noise
from ruach_core.training.batching import MicroBatch
from ruach_core.training.mel import batch_log_mel, mask_log_mel
from ruach_core.training.packing import STEP_SAMPLES, TrainingWindow
from ruach_core.training.randomness import generator
from ruach_core.types import Utterance

if TYPE_CHECKING:
    import torch

IGNORED = -100
"""Target id that takes no part in the loss: padding, and a prompt of earlier text."""


@dataclass(frozen=True, slots=True)
class Tensors:
    """One forward pass, on the CPU.

    Attributes:
        waveforms: float32, (batch, n_samples), mono at 16 kHz.
        masks: of each window, SpecAugment's masks of its clips.
        n_mels: mel bands of the model.
        decoder_input_ids: int64, (batch, length): prompt, then text.
        target_ids: int64, (batch, length): the same one place on, then the end; padding is
            `IGNORED`. The end shares its id with Whisper's padding, so padding goes by length.
    """

    waveforms: torch.Tensor
    masks: tuple[tuple[Masks, ...], ...]
    n_mels: int
    decoder_input_ids: torch.Tensor
    target_ids: torch.Tensor

    def uncounted(self) -> Tensors:
        """The same pass without any target: its loss is 0, and so is its gradient."""
        return replace(self, target_ids=self.target_ids.new_full(self.target_ids.shape, IGNORED))

    def log_mel(self, device: torch.device | str = "cpu") -> torch.Tensor:
        """What the encoder hears: float32, (batch, n_mels, n_frames), computed on the device."""
        mel = batch_log_mel(self.waveforms.to(device), n_mels=self.n_mels)
        return mask_log_mel(mel, self.masks)

    def encoder_inputs(self, device: torch.device | str = "cpu") -> dict[str, Any]:
        """The model's arguments that say what was heard, on the device."""
        return {"input_features": self.log_mel(device)}


class Collator:
    """Reads, lays out and stacks the clips of a micro-batch; safe in several threads."""

    def __init__(
        self,
        utterances: Sequence[Utterance],
        text_ids: Sequence[Sequence[int]],
        tokens: SpecialTokens,
        *,
        n_mels: int,
        augment: AugmentConfig | None = None,
        seed: int = 0,
        read: Callable[[Utterance], FloatArray] = load_utterance,
    ) -> None:
        """Args: utterances and their texts' ids; `augment` None leaves the clips as they are."""
        self._utterances = utterances
        self._text_ids = text_ids
        self._tokens = tokens
        self._n_mels = n_mels
        self._augment = augment
        self._seed = seed
        self._read = read
        self.n_tokens = [len(ids) for ids in text_ids]

    def __call__(self, micro_batch: MicroBatch, epoch: int) -> Tensors:
        """The tensors of a micro-batch in an epoch."""
        import torch

        windows = micro_batch.windows
        waveforms = np.zeros((len(windows), micro_batch.n_samples), dtype=np.float32)
        masks = tuple(
            self._lay_out(window, waveform, epoch)
            for window, waveform in zip(windows, waveforms, strict=True)
        )
        inputs, targets = decoder_ids(windows, self._text_ids, self._tokens)
        return Tensors(
            waveforms=torch.from_numpy(waveforms),
            masks=masks,
            n_mels=self._n_mels,
            decoder_input_ids=torch.from_numpy(inputs),
            target_ids=torch.from_numpy(targets),
        )

    def n_target_tokens(self, windows: Sequence[TrainingWindow]) -> int:
        """Tokens that the loss of these windows counts: language, task, mode, text and end."""
        targets = decoder_ids(windows, self._text_ids, self._tokens)[1]
        return int((targets != IGNORED).sum())

    def _lay_out(
        self, window: TrainingWindow, waveform: FloatArray, epoch: int
    ) -> tuple[Masks, ...]:
        """Write the window's clips into a silent waveform; returns their masks."""
        masks: list[Masks] = []
        if window.silence is not None:
            rng = generator("silence", self._seed, epoch, window.silence)
            speech = self._read(self._utterances[int(rng.integers(len(self._utterances)))])
            draw_noise(waveform, speech, rng)
        for i, start in zip(window.indices, window.starts, strict=True):
            utterance, first = self._utterances[i], start * STEP_SAMPLES
            clip = self._played(utterance, epoch)[: len(waveform) - first]
            waveform[first : first + len(clip)] = clip
            if self._augment is not None and self._augment.spec_augment:
                rng = generator("augment", self._seed, epoch, utterance.id)
                first_frame = first // HOP_LENGTH
                last_frame = first_frame + max(1, len(clip) // HOP_LENGTH)
                masks.append(
                    draw_masks(first_frame, last_frame, self._augment, rng, n_mels=self._n_mels)
                )
        return tuple(masks)

    def _played(self, utterance: Utterance, epoch: int) -> FloatArray:
        waveform = self._read(utterance)
        if self._augment is None:
            return waveform
        return augment_waveform(waveform, utterance, self._augment, seed=self._seed, epoch=epoch)


def decoder_ids(
    windows: Sequence[TrainingWindow], text_ids: Sequence[Sequence[int]], tokens: SpecialTokens
) -> tuple[np.ndarray, np.ndarray]:
    """Decoder inputs and targets, each of shape (batch, longest sequence), int64.

    The input is `<|startoftranscript|> <|language|> <|transcribe|> <|notimestamps|> text`, exactly
    one start token; the target is the same without the start and with `<|endoftext|>` behind. With
    timestamps it is `<|startoftranscript|> <|language|> <|transcribe|> <|0.00|> text <|2.34|> ...`,
    and a text before the window stands in front, behind `<|startofprev|>`, which no loss counts.

    Without speech there is no text, and two targets: `<|nospeech|>` behind the start, where
    decoders read how likely it is that nobody speaks, and the end behind the prompt.
    """
    sequences = [_sequence(window, text_ids, tokens) for window in windows]
    prompts = [_prompt(window, text_ids, tokens) for window in windows]
    length = max(len(p) + len(s) for p, s in zip(prompts, sequences, strict=True)) - 1
    inputs = np.full((len(windows), length), tokens.end, dtype=np.int64)
    targets = np.full((len(windows), length), IGNORED, dtype=np.int64)
    for row, (window, prompt, sequence) in enumerate(zip(windows, prompts, sequences, strict=True)):
        end = len(prompt) + len(sequence) - 1
        inputs[row, :end] = [*prompt, *sequence[:-1]]
        targets[row, len(prompt) : end] = sequence[1:]
        if window.silence is not None:
            targets[row, : end - 1] = IGNORED
            targets[row, 0] = tokens.no_speech
    return inputs, targets


def _sequence(
    window: TrainingWindow, text_ids: Sequence[Sequence[int]], tokens: SpecialTokens
) -> list[int]:
    """From the start token to the end of the text."""
    if not window.ends:
        texts = [token for i in window.indices for token in text_ids[i]]
        return [*tokens.prompt, *texts, tokens.end]
    timed = [tokens.start, tokens.language, tokens.transcribe]
    for i, start, end in zip(window.indices, window.starts, window.ends, strict=True):
        timed += [tokens.timestamp(start), *text_ids[i], tokens.timestamp(end)]
    return [*timed, tokens.end]


def _prompt(
    window: TrainingWindow, text_ids: Sequence[Sequence[int]], tokens: SpecialTokens
) -> list[int]:
    if window.previous is None:
        return []
    return [tokens.previous, *text_ids[window.previous]]
