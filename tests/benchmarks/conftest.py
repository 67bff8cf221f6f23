"""Benchmark scripts, run to their end or as modules."""

from __future__ import annotations

import importlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def run_script(
    forked: Callable[..., Any], tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs one of the scripts to its end: `run_script(name, *flags)`."""

    def finish(script: str, *flags: str) -> subprocess.CompletedProcess[str]:
        command = [str(BENCHMARKS / script), *flags]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        stderr = tmp_path / "stderr.txt"
        process = forked(command, tmp_path, environment, stderr)
        with process.stdout:
            out = process.stdout.read()
        status = process.wait()
        err = stderr.read_text(encoding="utf-8")
        return subprocess.CompletedProcess(command, status, out, err)

    return finish


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports one of the scripts, or of what they share, as a module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module
