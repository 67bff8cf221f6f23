"""`ruach ray train` on a cluster of this machine's own: two workers, no GPU."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ruach_ray", reason="ruach-ray isn't installed")

from ruach_ray.cluster import _reason

from ruach_core.errors import UserError
from ruach_core.training.ranks import ElsewhereError

RUN = (
    "--lang", "qaa", "--epochs", "2", "--training.batch_size", "3", "--training.log_steps", "1",
    "--training.learning_rate", "1e-3", "--training.precision", "float32",
    "--evaluation.zero_shot_clips", "0", "--export.parity_threshold", "99",
)  # fmt: skip


class FailedError(Exception):
    def __init__(self, failures: dict[int, Exception]) -> None:
        super().__init__("Training failed due to worker errors:\nrank 1: KeyError: 'x'")
        self.worker_failures = failures


def test_the_error_is_that_of_the_process_that_knows_it():
    known = UserError("the folder is missing")
    assert _reason(FailedError({0: ElsewhereError(), 1: known})) is known
    assert isinstance(_reason(FailedError({0: ElsewhereError()})), ElsewhereError)
    assert "KeyError: 'x'" in str(_reason(FailedError({1: KeyError("x")})))


def test_options_of_processes_are_refused_before_a_cluster_starts(tmp_path):
    done = _ruach(tmp_path, "ray", "train", "--lang", "qaa", "--nproc", "2")
    assert done.returncode == 2
    assert "--nproc is for ruach train itself" in done.stderr


def test_without_ray_it_says_what_to_install(tmp_path):
    code = (
        "import sys; sys.modules['ray'] = None\n"
        "from ruach_core.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    done = _python(tmp_path, "-c", code, "ray", "train", "--lang", "qaa")
    assert done.returncode == 1
    assert done.stderr == "ruach: error: ray is not installed: run pip install ruach-ray\n"


def _python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, text=True,
                          capture_output=True, check=False, timeout=1800)  # fmt: skip


def _ruach(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return _python(folder, "-m", "ruach_core", *arguments)


def _losses(out: str) -> list[float]:
    lines = [line[line.index("{'loss'") :] for line in out.splitlines() if "{'loss'" in line]
    return [ast.literal_eval(line.strip())["loss"] for line in lines]


@pytest.mark.slow
def test_two_workers_learn_what_one_process_learns(tmp_path):
    pytest.importorskip("ray", reason="Ray isn't installed")
    from ruach_core.testing.tiny import write_tiny_whisper

    model = ("--model", str(write_tiny_whisper(tmp_path / "tiny")))
    alone = _ruach(tmp_path, "train", *RUN, *model, "--output", "alone")
    assert alone.returncode == 0, alone.stderr
    shared = _ruach(tmp_path, "ray", "train", "--workers", "2", *RUN, *model, "--output", "shared")
    if "timed out during startup" in shared.stderr:
        pytest.skip("Ray gives itself 30 s to start, and this machine had other work")
    assert shared.returncode == 0, shared.stderr
    assert len(_losses(shared.stdout)) == 4
    np.testing.assert_allclose(_losses(shared.stdout), _losses(alone.stdout), rtol=1e-4)
    record = json.loads((tmp_path / "shared" / "run.json").read_text(encoding="utf-8"))
    assert record["lang"] == "qaa"
    assert (tmp_path / "shared-ct2" / "model.bin").is_file()

    again = _ruach(tmp_path, "ray", "train", "--workers", "2", *RUN, *model, "--output", "shared")
    assert again.returncode == 1
    lines = [line for line in again.stderr.splitlines() if line.startswith("ruach: error: ")]
    assert lines == ["ruach: error: shared: already there; give another --output, or "
                     "--overwrite it"]  # fmt: skip
