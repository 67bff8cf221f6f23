"""Other software that transcribes, each with the same weights and beam, as its users call it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from common.openai_format import write_openai_checkpoint
from ruach_core.data.waveforms import load_utterance
from ruach_core.types import SAMPLING_RATE, Utterance

PIPELINE_BATCH = 8
_WORKER = Path(__file__).with_name("openai_worker.py")


class FasterWhisper:
    """`faster_whisper.WhisperModel`, clip by clip; and its two ways with a long recording."""

    def __init__(
        self, export_dir: Path, *, language: str, beam_size: int, compute_type: str, device: str
    ) -> None:
        from faster_whisper import BatchedInferencePipeline, WhisperModel

        self._model = WhisperModel(str(export_dir), device=device, compute_type=compute_type)
        self._batched = BatchedInferencePipeline(self._model)
        self._settings = {"language": language, "beam_size": beam_size, "temperature": 0.0}

    def clips(self, utterances: Sequence[Utterance]) -> list[str]:
        """Each clip in its 30 s window."""
        return [
            self._join(
                self._model.transcribe(
                    str(utterance.audio), without_timestamps=True,
                    condition_on_previous_text=False, **self._settings,
                )
            )
            for utterance in utterances
        ]  # fmt: skip

    def sequential(self, path: Path) -> str:
        """One 30 s window after another, silence left out."""
        found = self._model.transcribe(
            str(path), vad_filter=True, condition_on_previous_text=False, **self._settings
        )
        return self._join(found)

    def batched(self, path: Path, batch_size: int) -> str:
        """`BatchedInferencePipeline`, which looks for speech and decodes many windows at once."""
        return self._join(
            self._batched.transcribe(str(path), batch_size=batch_size, **self._settings)
        )

    @staticmethod
    def _join(found: tuple[Any, Any]) -> str:
        segments, _ = found
        return " ".join(segment.text.strip() for segment in segments)


class TransformersPipeline:
    """transformers' `pipeline("automatic-speech-recognition")`, batches of eight."""

    def __init__(self, model_dir: Path, *, language: str, beam_size: int, device: str) -> None:
        import torch
        from transformers import pipeline

        self._pipeline = pipeline(
            "automatic-speech-recognition", model=str(model_dir), device=device,
            dtype=torch.float16 if device == "cuda" else torch.float32,
        )  # fmt: skip
        self._generation = {"language": language, "task": "transcribe", "num_beams": beam_size}

    def clips(self, utterances: Sequence[Utterance]) -> list[str]:
        """Each clip in its 30 s window."""
        inputs = [{"raw": load_utterance(u), "sampling_rate": SAMPLING_RATE} for u in utterances]
        found = self._pipeline(
            inputs, batch_size=PIPELINE_BATCH, generate_kwargs=dict(self._generation)
        )
        return [item["text"].strip() for item in found]


class OpenaiWhisper:
    """openai-whisper, clip by clip, in a process that waits while others are timed."""

    def __init__(
        self,
        python: Path,
        model_dir: Path,
        utterances: Sequence[Utterance],
        *,
        language: str,
        beam_size: int,
        device: str,
    ) -> None:
        """Raises RuntimeError, with the last line it wrote, where it can't be started."""
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        write_openai_checkpoint(model_dir, folder / "model.pt")
        for i, utterance in enumerate(utterances):
            np.save(folder / f"{i:06}.npy", load_utterance(utterance))
        self._errors = (folder / "stderr.txt").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [str(python), str(_WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._errors, text=True, encoding="utf-8",
        )  # fmt: skip
        self.version = str(self._ask({
            "checkpoint": str(folder / "model.pt"), "waveforms": str(folder),
            "language": language, "beam_size": beam_size, "device": device,
        })["version"])  # fmt: skip

    def clips(self) -> list[str]:
        """Each clip in its 30 s window."""
        texts: list[str] = self._ask({})["texts"]
        return texts

    def close(self) -> None:
        """End the process and delete its files."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended by itself
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()
        self._folder.cleanup()

    def _ask(self, question: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._process.wait()
            self._errors.seek(0)
            said = self._errors.read().strip().splitlines()
            self.close()
            raise RuntimeError(said[-1] if said else f"ended with {self._process.returncode}")
        return json.loads(line)


def find_openai_python(given: Path | None) -> Path | None:
    """The interpreter that has openai-whisper: the one given, else this one if it has."""
    if given is not None:
        return given
    return Path(sys.executable) if find_spec("whisper") is not None else None
