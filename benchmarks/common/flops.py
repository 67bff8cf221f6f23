"""Floating-point operations of training, counted on a model without weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ruach_core.models.windows import allow_short_windows

Shape = tuple[int, int, int]
"""Windows, frames of each, and decoder positions."""

_FORWARD_AND_BACKWARD = 3
"""Going back takes twice what going forward does; work done again isn't counted (MFU's custom)."""


def count_training_flops(model_dir: Path, shapes: Iterable[Shape]) -> float:
    """Of forward and backward passes over windows of these shapes, padding included."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    total = 0
    with FakeTensorMode(), torch.no_grad():
        config = WhisperConfig.from_pretrained(model_dir, attn_implementation="eager")
        model = WhisperForConditionalGeneration(config)  # the counter knows no fused attention
        allow_short_windows(model).eval()
        for (n_windows, n_frames, n_positions), times in Counter(shapes).items():
            log_mel = torch.empty(n_windows, config.num_mel_bins, n_frames)
            ids = torch.zeros(n_windows, n_positions, dtype=torch.long)
            with FlopCounterMode(display=False) as counter:
                model(input_features=log_mel, decoder_input_ids=ids, use_cache=False)
            total += times * counter.get_total_flops()
    return float(_FORWARD_AND_BACKWARD * total)
