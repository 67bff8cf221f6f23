"""The benchmark of large tables, on small ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "million_rows.py"


@pytest.mark.slow
def test_each_table_is_read_by_the_loader_that_it_is_for() -> None:
    command = [sys.executable, str(SCRIPT), "--rows", "200", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    tables = [(t["loader"], t["first"], t["n_read"], len(t["splits"])) for t in found["tables"]]
    assert tables == [
        ("folder", "Utterance", 200, 1), ("folder", "Utterance", 180, 3),
        ("folder", "Utterance", 200, 1), ("ljspeech", "Utterance", 200, 1),
    ]  # fmt: skip
    assert all(0 < t["before_mib"] <= t["peak_mib"] for t in found["tables"])
