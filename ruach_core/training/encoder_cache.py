"""The frozen encoder's states, computed once a clip and read at every epoch.

A frozen encoder hears the same clip the same way each time, as long as nothing changes the clip. So
its states are kept on disk in float16 and read with `pread`, as the waveforms are: 100 x d_model
bytes a second of audio (184 MB an hour with whisper-base, 461 MB with large), and memory doesn't
grow with the corpus. Each clip is encoded in a window of its own length; in a batch the shorter
ones are filled up with zeros, which the decoder's cross-attention is kept from (`mask_padding`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ruach_core.config import AugmentConfig, RunConfig, WindowConfig
from ruach_core.data.waveforms import load_utterance
from ruach_core.errors import UserError
from ruach_core.features import MAX_SAMPLES, MAX_WINDOW_S, pad_waveform, window_samples
from ruach_core.files import write_aside
from ruach_core.models.special_tokens import SpecialTokens
from ruach_core.training.batching import MicroBatch
from ruach_core.training.collate import Collator, Tensors, decoder_ids
from ruach_core.training.mel import batch_log_mel
from ruach_core.training.packing import STEP_SAMPLES
from ruach_core.types import SAMPLING_RATE, Utterance

if TYPE_CHECKING:
    import torch

_READERS = 4
_MOST_AT_ONCE_S = 60.0
"""Seconds of window in one pass that fills the cache."""


def without_changes(config: RunConfig) -> tuple[RunConfig, list[str]]:
    """The settings with everything switched off that would change what the encoder hears.

    Args:
        config: of a run; returned as it is where it doesn't cache.

    Returns:
        The settings, and a line that says what was switched off.

    Raises:
        UserError: the encoder isn't frozen, or a setting that can't be was given another value
            than its default.
    """
    if not config.training.cache_encoder:
        return config, []
    if not config.training.freeze_encoder:
        raise UserError(
            "--training.cache_encoder needs --training.freeze_encoder true: the states of an "
            "encoder that is trained change at every update"
        )
    augment, window = config.augment, config.window
    asked = [
        f"--augment.{name}"
        for name in ("speed", "gain_db", "noise_share", "silence_share", "spec_augment")
        if getattr(augment, name) not in (AugmentConfig.model_fields[name].default, 0, False)
    ]
    bare = WindowConfig.model_validate(
        {
            "policy": window.policy if window.policy in ("trim", "full") else "trim",
            "margin_s": window.margin_s,
            "timed_share": window.timed_share,
            "prompt_share": window.prompt_share,
        }
    )
    if _mixture(window) not in (_mixture(bare), _mixture(WindowConfig.model_validate({}))):
        asked.append("--window.policy, jitter_s, packed_share or full_share as they are")
    if asked:
        raise UserError(
            f"--training.cache_encoder hears each clip once, as it is, in a window of its own; "
            f"that rules out {', '.join(asked)}: leave them out, or leave out cache_encoder"
        )
    off = [
        name
        for name, is_on in (
            ("speed perturbation", augment.speed),
            ("SpecAugment", augment.spec_augment),
            ("windows without speech", augment.silence_share),
            ("jitter and windows with several clips", window != bare),
        )
        if is_on
    ]
    line = f"Encoder states are computed once a clip, so these are off: {', '.join(off)}"
    still = {"speed": 0.0, "spec_augment": False, "silence_share": 0.0}
    changed = config.model_copy(
        update={"window": bare, "augment": augment.model_copy(update=still)}
    )
    return changed, [line] if off else []


def _mixture(window: WindowConfig) -> tuple[str, float, float, float]:
    """What decides which windows a clip is heard in."""
    return window.policy, window.jitter_s, window.packed_share, window.full_share


class EncoderStates:
    """Encoder states by utterance, read by position from one file; safe in many threads."""

    def __init__(self, path: Path, places: dict[str, tuple[int, int]], width: int) -> None:
        """`places` has each utterance's first position and its number of positions."""
        self._path = path
        self._places = places
        self._width = width
        self._file = os.open(path, os.O_RDONLY)

    def __reduce__(self) -> tuple[type[EncoderStates], tuple[Any, ...]]:
        """Travel to another process as the file's name; that one opens it anew."""
        return EncoderStates, (self._path.absolute(), self._places, self._width)

    @classmethod
    def build(
        cls,
        path: Path,
        utterances: Sequence[Utterance],
        model: Any,
        window: WindowConfig,
        *,
        key: str,
        precision: str = "float32",
        on_progress: Callable[[int], object] | None = None,
    ) -> EncoderStates:
        """Encode the utterances into a file, or reuse the one that an interrupted run left.

        Args:
            path: the file; its index is beside it, `.json`.
            utterances: what to encode; clips of at most 30 s.
            model: allows short windows; it is where its parameters are.
            window: margin and policy, `trim` or `full`.
            key: says what decides the states; a file with another one is written anew.
            precision: that the encoder computes in: float32, bf16 or fp16.
            on_progress: called with the number of clips just done.

        Raises:
            AudioError: a clip can't be read.
            UserError: the disk is full.
        """
        width = int(model.config.d_model)
        sizes = {u.id: _window_samples(u, window) for u in utterances}
        places, end = {}, 0
        for utterance in utterances:
            n_positions = sizes[utterance.id] // STEP_SAMPLES
            places[utterance.id] = (end, n_positions)
            end += n_positions
        index = path.with_suffix(".json")
        content = json.dumps({"key": key, "places": places, "width": width}, sort_keys=True)
        if not _is_there(path, index, content, 2 * width * end):
            try:
                _write(path, utterances, model, sizes, places, precision, on_progress)
                write_aside(index, lambda beside: beside.write_text(content, encoding="utf-8"))
            except OSError as error:
                raise UserError(
                    f"{path}: can't be written: {error.strerror or error}; encoder states take "
                    f"{2 * width * end / 1e6:,.0f} MB here; free space, or leave out cache_encoder"
                ) from error
        return cls(path, places, width)

    def read(self, utterance: Utterance) -> np.ndarray:
        """The states of an utterance, float16, shape (n_positions, d_model)."""
        first, n_positions = self._places[utterance.id]
        row = 2 * self._width
        content = os.pread(self._file, row * n_positions, row * first)
        return np.frombuffer(content, dtype="<f2").reshape(n_positions, self._width)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


@dataclass(frozen=True, slots=True)
class CachedTensors(Tensors):
    """A forward pass whose encoder has been.

    Attributes:
        states: float16, (batch, n_positions, d_model), filled up with zeros.
    """

    states: torch.Tensor

    def encoder_inputs(self, device: torch.device | str = "cpu") -> dict[str, Any]:
        """The states in place of what they were computed from."""
        return {"encoder_outputs": (self.states.to(device).float(),)}


class CachedCollator(Collator):
    """Stacks encoder states in place of waveforms; safe in several threads."""

    def __init__(
        self,
        utterances: Sequence[Utterance],
        text_ids: Sequence[Sequence[int]],
        tokens: SpecialTokens,
        *,
        n_mels: int,
        states: EncoderStates,
    ) -> None:
        """Args: utterances, their texts' ids, their states."""
        super().__init__(utterances, text_ids, tokens, n_mels=n_mels)
        self._states = states

    def __call__(self, micro_batch: MicroBatch, epoch: int) -> Tensors:
        """The tensors of a micro-batch; the same in every epoch."""
        import torch

        read = [self._states.read(self._utterances[i]) for i in micro_batch.indices]
        n_positions = micro_batch.n_samples // STEP_SAMPLES
        states = np.zeros((len(read), n_positions, read[0].shape[1]), dtype=np.float16)
        for row, found in zip(states, read, strict=True):
            row[: len(found)] = found
        inputs, targets = decoder_ids(micro_batch.windows, self._text_ids, self._tokens)
        return CachedTensors(
            # Silence that takes no memory: what is shown of a batch is its shape.
            waveforms=torch.zeros(1, 1).expand(len(read), micro_batch.n_samples),
            masks=(),
            n_mels=self._n_mels,
            decoder_input_ids=torch.from_numpy(inputs),
            target_ids=torch.from_numpy(targets),
            states=torch.from_numpy(states),
        )


def mask_padding(model: Any) -> None:
    """Keep the decoder's cross-attention from encoder states that are all zeros: padding.

    transformers' decoder gives its cross-attention no mask. The encoder ends in a layer norm with a
    bias, so a state that it computed is never zero throughout.

    Args:
        model: a `WhisperForConditionalGeneration`; changed in place.
    """
    now: dict[str, Any] = {}

    def find(_module: Any, _arguments: Any, named: dict[str, Any]) -> None:
        states = named["encoder_hidden_states"]
        is_real = (states != 0).any(-1)
        now["mask"] = None if bool(is_real.all()) else is_real[:, None, None, :]

    def give(_module: Any, arguments: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return arguments, {**named, "attention_mask": now["mask"]}

    decoder = model.get_decoder()
    decoder.register_forward_pre_hook(find, with_kwargs=True)
    for layer in decoder.layers:
        layer.encoder_attn.register_forward_pre_hook(give, with_kwargs=True)


def _window_samples(utterance: Utterance, window: WindowConfig) -> int:
    if window.policy == "full":
        return MAX_SAMPLES
    return window_samples(utterance.duration_s or MAX_WINDOW_S, margin_s=window.margin_s)


def _is_there(path: Path, index: Path, content: str, n_bytes: int) -> bool:
    try:
        return index.read_text(encoding="utf-8") == content and path.stat().st_size == n_bytes
    except OSError:
        return False


def _write(
    path: Path,
    utterances: Sequence[Utterance],
    model: Any,
    sizes: dict[str, int],
    places: dict[str, tuple[int, int]],
    precision: str,
    on_progress: Callable[[int], object] | None,
) -> None:
    temporary = path.with_suffix(".tmp")
    row = 2 * int(model.config.d_model)
    with temporary.open("wb") as file, ThreadPoolExecutor(_READERS) as pool:
        for some in _alike(utterances, sizes):
            n_samples = sizes[some[0].id]
            waveforms = np.stack(
                [pad_waveform(wave, n_samples) for wave in pool.map(load_utterance, some)]
            )
            for utterance, states in zip(some, _encode(model, waveforms, precision), strict=True):
                first, _ = places[utterance.id]
                os.pwrite(file.fileno(), states.tobytes(), row * first)
            if on_progress:
                on_progress(len(some))
    temporary.replace(path)


def _alike(utterances: Sequence[Utterance], sizes: dict[str, int]) -> Iterator[list[Utterance]]:
    """Clips with windows of one length together, as many as one pass takes."""
    some: list[Utterance] = []
    for utterance in sorted(utterances, key=lambda u: sizes[u.id]):
        size = sizes[utterance.id]
        seconds = (len(some) + 1) * size / SAMPLING_RATE
        if some and (sizes[some[0].id] != size or seconds > _MOST_AT_ONCE_S):
            yield some
            some = []
        some.append(utterance)
    if some:
        yield some


def _encode(model: Any, waveforms: np.ndarray, precision: str) -> np.ndarray:
    """States of waveforms of one length: little-endian float16, (batch, n_positions, d_model)."""
    import torch

    device = next(model.get_encoder().parameters()).device
    mel = batch_log_mel(torch.from_numpy(waveforms).to(device), n_mels=model.config.num_mel_bins)
    return np.asarray(encode(model, mel, precision).float().cpu().numpy(), dtype="<f2")


def encode(model: Any, mel: torch.Tensor, precision: str) -> torch.Tensor:
    """What the encoder makes of log-mel spectrograms as it is now, without dropout.

    Args:
        model: allows short windows.
        mel: (batch, n_mels, n_frames), float32: a sum of powers is too large for half precision.
        precision: that the encoder computes in: float32, bf16 or fp16.

    Returns:
        (batch, n_positions, d_model), without a gradient.
    """
    import torch

    encoder = model.get_encoder()
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
    was_training = encoder.training
    encoder.eval()
    with torch.no_grad(), torch.autocast(mel.device.type, dtype=dtype, enabled=dtype is not None):
        states: torch.Tensor = encoder(mel).last_hidden_state
    encoder.train(was_training)
    return states
