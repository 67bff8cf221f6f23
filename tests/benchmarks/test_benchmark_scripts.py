"""Each comparison from end to end, on a tiny model and the toy pack's sample."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

Run = Callable[..., subprocess.CompletedProcess[str]]
Figures = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    from ruach_core.testing.tiny import write_tiny_whisper

    return write_tiny_whisper(tmp_path_factory.mktemp("tiny-whisper"))


@pytest.fixture
def run(run_script: Run) -> Run:
    """Runs one of the scripts on the toy pack's sample."""
    return lambda script, *flags: run_script(script, "--lang", "qaa", "--device", "cpu", *flags)


@pytest.fixture
def figures(run: Run, tiny_whisper: Path) -> Figures:
    """Runs a script and reads the JSON object, which is all that it prints."""

    def read(script: str, *flags: str) -> dict[str, Any]:
        done = run(script, "--model", str(tiny_whisper), "--json", *flags)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        assert found["ratio"] > 0
        return found

    return read


@pytest.mark.slow
def test_mel_compares_equal_values(figures: Figures) -> None:
    found = figures("mel.py", "--clips", "2", "--rounds", "1")
    assert found["largest_difference"] < 1e-3
    assert found["n_clips"] == 2


@pytest.mark.slow
def test_evaluation_compares_the_same_model(figures: Figures) -> None:
    found = figures("evaluation.py", "--clips", "2", "--rounds", "1")
    ours, peer = found["loss"].values()
    # A random model is as unsure of a window of any length.
    assert ours == pytest.approx(peer, rel=0.05)
    assert set(found["parts_s"]["Ruach"]) == {"loss", "convert", "decode"}
    assert "short windows" in found["notes"][0]


@pytest.mark.slow
def test_transcription_compares_all_that_is_installed(figures: Figures, tmp_path: Path) -> None:
    found = figures(
        "transcription.py", "--clips", "2", "--rounds", "1", "--minutes", "0.05",
        "--beam-size", "1", "--openai-python", str(tmp_path / "no-python"),
    )  # fmt: skip
    assert found["long_ratio"] > 0
    assert set(found["wer"]) == {"Ruach", "faster-whisper", "transformers pipeline"}
    assert any("openai-whisper is left out" in note for note in found["notes"])


@pytest.mark.slow
def test_training_compares_the_same_clips(figures: Figures) -> None:
    found = figures(
        "training.py", "--clips", "4", "--batch-size", "2", "--rounds", "1",
        "--policy", "trim", "--clip-seconds", "2", "--precision", "float32",
        "--peer-precision", "float32", "bf16", "--peak-tflops", "1",
    )  # fmt: skip
    assert list(found["variants"]) == ["Ruach", "recipe, float32", "recipe, bf16"]
    assert found["policy"] == "trim"
    assert 1.0 < found["clip_s"] < 3.0
    ours, recipe, _ = found["variants"].values()
    assert ours["n_updates"] == recipe["n_updates"] == 2
    # The same model on 3 s of 30.
    assert ours["gflop_per_clip"] < recipe["gflop_per_clip"] / 4
    assert ours["mfu"] > 0
    assert 0.1 < ours["peak_gb"] < 10


@pytest.mark.slow
def test_training_by_default_times_the_last_of_the_epochs(figures: Figures) -> None:
    found = figures(
        "training.py", "--clips", "4", "--batch-size", "2", "--rounds", "1",
        "--epochs", "2",
    )  # fmt: skip
    for variant in found["variants"].values():
        assert variant["n_updates"] == 2
        assert len(variant["epoch_peaks_gb"]) == 2


@pytest.mark.slow
def test_scaling_measures_more_and_longer_clips(figures: Figures) -> None:
    found = figures("scaling.py", "--clips", "2", "--rounds", "1", "--doublings", "1")
    sizes, lengths = found["points"].values()
    assert [point["n_clips"] for point in sizes] == [2, 4]
    assert [point["n_clips"] for point in lengths] == [2, 2]
    assert lengths[-1]["seconds"] > 1.5 * lengths[0]["seconds"]
    assert found["growth_per_doubling"]["data size"]["seconds"] == pytest.approx(2.0)


@pytest.mark.slow
def test_a_variant_that_fails_is_one_line(run: Run, tiny_whisper: Path) -> None:
    done = run("training.py", "--model", str(tiny_whisper), "--clips", "2", "--batch-size", "0")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_table_is_for_people(run: Run, tiny_whisper: Path) -> None:
    done = run("mel.py", "--model", str(tiny_whisper), "--clips", "2", "--rounds", "1")
    assert done.returncode == 0, done.stderr
    heading, *_ = done.stdout.splitlines()
    assert heading.split()[:2] == ["extractor", "clips/s"]
    assert "ruach-lang-qaa's sample" in done.stdout


@pytest.mark.slow
def test_a_wrong_folder_is_one_line(run: Run, tmp_path: Path) -> None:
    done = run("mel.py", "--data", str(tmp_path / "none"))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"mel.py: --data {tmp_path / 'none'}: no such folder"


@pytest.mark.slow
def test_ablation_trains_each_variant_and_draws_them(tiny_whisper: Path, tmp_path: Path) -> None:
    command = [
        sys.executable, str(BENCHMARKS / "ablation.py"), "windows", "--quick", "--json",
        "--lang", "qaa", "--model", str(tiny_whisper), "--output", str(tmp_path),
        "--only", "trim,pack",
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["variant"] for row in rows] == ["trim", "pack"]
    assert rows[1]["full_verdict"]
    assert "<circle" in (tmp_path / "quick" / "chart.svg").read_text(encoding="utf-8")
    again = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert json.loads(again.stdout)["rows"] == rows
    assert "seed" not in again.stderr  # nothing was trained again


@pytest.mark.slow
def test_segment_counts_what_was_planted(run: Run, tiny_whisper: Path) -> None:
    done = run("segment.py", "--model", str(tiny_whisper), "--json", "--clips", "3")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["n_clips"] == 3
    assert found["gaps"] == 2
    # A random model hears nothing of the text.
    assert found["matched_share"] < 0.5
    assert found["thresholds"]["default"]["words_kept"] == 0
