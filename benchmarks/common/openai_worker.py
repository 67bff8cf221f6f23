"""openai-whisper in a process of its own, perhaps of another virtual environment.

Reads one JSON line of settings, answers with its version, and then decodes all clips for each
further line and answers with the texts. Nothing of Ruach is imported here.

    python openai_worker.py    (started by `common.peers`)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    settings = json.loads(sys.stdin.readline())
    import numpy as np
    import torch
    import whisper

    device = settings["device"]
    model = whisper.load_model(settings["checkpoint"], device=device)
    # From memory: reading files would need ffmpeg, and isn't what is compared.
    paths = sorted(Path(settings["waveforms"]).glob("*.npy"))
    waveforms = [np.load(path, allow_pickle=False) for path in paths]
    answer({"version": whisper.__version__})
    for _ in sys.stdin:
        texts = [
            model.transcribe(
                waveform, language=settings["language"], beam_size=settings["beam_size"],
                temperature=0.0, condition_on_previous_text=False, without_timestamps=True,
                fp16=device == "cuda",
            )["text"].strip()
            for waveform in waveforms
        ]  # fmt: skip
        if device == "cuda":
            torch.cuda.synchronize()
        answer({"texts": texts})


def answer(content: dict[str, object]) -> None:
    print(json.dumps(content), flush=True)


if __name__ == "__main__":
    main()
