"""The trained model as a folder that transformers loads, offline."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

# Whatever of these the base model has; the weights and the configurations are written anew.
COPIED = (
    "tokenizer.json",
    "tokenizer_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "normalizer.json",
)


def save_model(model: Any, base_dir: Path, folder: Path) -> None:
    """Write weights (safetensors) and configurations, and copy the base model's tokenizer.

    The tokenizer is copied to the byte, never saved anew: run times count its ids by position.

    Args:
        model: a `WhisperForConditionalGeneration`.
        base_dir: the folder that the model began from.
        folder: an existing folder to write into.
    """
    model.save_pretrained(folder)
    for name in COPIED:
        if (base_dir / name).is_file():
            shutil.copyfile(base_dir / name, folder / name)
