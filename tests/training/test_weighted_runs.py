"""Runs over several sources with weights: what is trained on, and that they resume."""

from __future__ import annotations

import csv
import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ruach_core.training.drawing import draw_clips
from ruach_core.training.loop import InterruptedRunError, Loop

pytestmark = pytest.mark.slow

RUN = {"training.epochs": 4, "training.batch_size": 2, "training.checkpoint_minutes": 0.0,
       "training.patience": 9}  # fmt: skip


@pytest.fixture
def weighted(longer: Any) -> Any:
    """Three clips that come once in two epochs, and three that come once in each."""
    longer.utterances = [
        replace(u, weight=0.5 if i < 3 else 1.0) for i, u in enumerate(longer.utterances)
    ]
    return longer


def weights(loop: Loop) -> dict[str, Any]:
    return {name: p.detach().clone() for name, p in loop.updater.model.named_parameters()}


def drawn_in(loop: Loop) -> list[list[int]]:
    return [sorted(i for b in loop._plan.batches(e) for i in b.indices) for e in range(4)]


def test_updates_are_as_many_as_the_epochs_draw(weighted: Any) -> None:
    loop = weighted.loop(**RUN)
    epochs = drawn_in(loop)
    assert epochs == [draw_clips(weighted.utterances, seed=42, epoch=e) for e in range(4)]
    total = Counter(i for epoch in epochs for i in epoch)
    assert total == {0: 2, 1: 2, 2: 2, 3: 4, 4: 4, 5: 4}
    progress = loop.run()
    assert progress.epoch == 4
    assert progress.update == sum(-(-len(epoch) // 2) for epoch in epochs) == loop._n_updates
    # The rate falls to nothing at the very end, wherever the epochs' ends are.
    assert loop.updater.optimizer.param_groups[0]["lr"] < 1e-3 / 4


@pytest.mark.parametrize("update", [1, 3, 4, 5])
def test_a_weighted_run_resumes_to_the_bit(weighted: Any, update: int) -> None:
    whole = weighted.loop(**RUN)
    whole.run()

    def stop(line: str) -> None:
        if line.startswith("{'loss'"):
            stop.seen += 1  # type: ignore[attr-defined]
            if stop.seen == update:  # type: ignore[attr-defined]
                os.kill(os.getpid(), signal.SIGTERM)

    stop.seen = 0  # type: ignore[attr-defined]
    stopped = weighted.loop(on_line=stop, **RUN)
    with pytest.raises(InterruptedRunError):
        stopped.run()
    resumed = weighted.loop(**RUN)
    resumed.run(resume=True)
    assert resumed.progress.history == whole.progress.history
    after, expected = weights(resumed), weights(whole)
    assert all((after[name] == expected[name]).all() for name in expected)


# --- A whole run --------------------------------------------------------------------------------


def write_source(folder: Path, texts: dict[str, list[str]], *, tone: int) -> Path:
    for split, sentences in texts.items():
        (folder / split).mkdir(parents=True)
        rows = [("file_name", "transcription", "speaker")]
        for i, sentence in enumerate(sentences):
            times = np.arange(8_000) / 16_000
            wave = 0.3 * np.sin(2 * np.pi * (tone + 17 * i + len(split)) * times)
            soundfile.write(folder / split / f"{i}.wav", wave, 16_000)
            rows.append((f"{i}.wav", sentence, "one"))
        with (folder / split / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
    return folder


def test_two_sources_from_data_to_card(new_ruach: Callable[[], Any]) -> None:
    ruach = new_ruach()
    write_source(
        ruach.folder / "home", {"train": ["Ba.", "Be.", "Bi.", "Bo."], "test": ["Ba be."]}, tone=200
    )
    write_source(
        ruach.folder / "radio",
        {"train": ["Na.", "Nu.", "Ba nu.", "Bo na."], "validation": ["Be na."], "test": ["Nu nu."]},
        tone=700,
    )
    flags = (
        "--data", "home", "--data", "radio:0.5", "--epochs", "2", "--training.batch_size", "2",
        "--training.learning_rate", "3e-4", "--training.precision", "float32", "--output", "m",
        "--export.parity_threshold", "9",
    )  # fmt: skip
    finished = ruach.run(*flags)
    assert finished.status == 0, finished.err
    assert "Data: home + radio:0.5" in finished.out
    assert "radio: 4 train clips, weight 0.5: about 2 drawn an epoch" in finished.out
    record = json.loads((ruach.folder / "m/run.json").read_text(encoding="utf-8"))
    assert record["data"]["source"] == "home + radio"
    home, radio = record["data"]["sources"]
    assert (home["name"], home["weight"], home["splits"]["test"]["n_utterances"]) == ("home", 1, 1)
    assert (radio["name"], radio["weight"]) == ("radio", 0.5)
    assert radio["test_wer"] is not None
    card = (ruach.folder / "m/README.md").read_text(encoding="utf-8")
    assert "| radio | 0.5 | 4 | 1 | 1 |" in card
    assert str(ruach.folder) not in card
    with (ruach.folder / "m/hypotheses.csv").open(encoding="utf-8") as file:
        ids = {row["utterance_id"] for row in csv.DictReader(file)}
    assert ids == {"home:test/0.wav", "radio:test/0.wav"}
