from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ruach_core.types import Utterance

# Before torch is imported: the machine's other work must not wait for these tests.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Whisper in transformers' layout."""
    pytest.importorskip("transformers")
    from ruach_core.testing.tiny import write_tiny_whisper

    return write_tiny_whisper(tmp_path_factory.mktemp("tiny-whisper"))


@pytest.fixture(scope="session")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Utterance]:
    """Makes an utterance with real audio: `tone(index, duration_s)`."""
    folder = tmp_path_factory.mktemp("tones")

    def make(index: int, duration_s: float = 0.6) -> Utterance:
        path = folder / f"{index}-{duration_s}.wav"
        times = np.arange(round(duration_s * 16_000)) / 16_000
        wave = 0.3 * np.sin(2 * np.pi * (200 + 90 * index) * times)
        soundfile.write(path, wave, 16_000, subtype="FLOAT")
        text = "ba be bi bo bu"[: 2 + 3 * (index % 5)]
        return Utterance(id=path.name, audio=path, transcript=text, split="train",
                         duration_s=len(wave) / 16_000, reference=text)  # fmt: skip

    return make
