"""Whisper of a larger size with random weights: as fast as the real one, and made without a hub."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from ruach_core.export.folder import COPIED

# Width, layers of encoder and of decoder each, heads (arXiv 2212.04356, table 1).
SIZES = {"base": (512, 6, 8), "small": (768, 12, 12), "medium": (1024, 24, 16)}
_FFN_TIMES = 4


def write_random_model(base_dir: Path, size: str, folder: Path) -> Path:
    """Write a model of a size, with the tokenizer and all other settings of another one.

    Args:
        base_dir: a multilingual Whisper in transformers' layout, up to large-v2.
        size: one of `SIZES`.
        folder: an existing folder to write into.

    Returns:
        The folder.
    """
    import torch
    from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

    width, layers, heads = SIZES[size]
    settings = json.loads((base_dir / "config.json").read_text(encoding="utf-8"))
    settings |= {"d_model": width, "num_hidden_layers": layers}
    for part in ("encoder", "decoder"):
        settings |= {
            f"{part}_layers": layers,
            f"{part}_attention_heads": heads,
            f"{part}_ffn_dim": _FFN_TIMES * width,
        }
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(WhisperConfig(**settings))
    model.generation_config = GenerationConfig.from_pretrained(base_dir)
    model.save_pretrained(folder)
    for name in COPIED:
        if (base_dir / name).is_file():
            shutil.copyfile(base_dir / name, folder / name)
    return folder
