from __future__ import annotations

import os
import subprocess
import sys

from ruach_core.training.randomness import generator

KEY = ("window", 42, 7, "audio/ሰላም.wav")


def test_the_same_key_gives_the_same_numbers():
    assert generator(*KEY).random(5).tolist() == generator(*KEY).random(5).tolist()


def test_every_part_of_the_key_counts():
    keys = [KEY, ("augment", *KEY[1:]), ("window", 43, *KEY[2:]), ("window", 42, 8, KEY[3]),
            (*KEY[:3], "audio/other.wav"), ("window", 42, 7), ("window", "42", 7, KEY[3]),
            ("window", 427, KEY[3])]  # fmt: skip
    assert len({generator(*key).random() for key in keys}) == len(keys)


def test_another_process_draws_the_same_numbers():
    """Python's own hash differs from process to process; a resumed run must not."""
    script = (
        "from ruach_core.training.randomness import generator;"
        f"print(repr(float(generator(*{KEY!r}).random())))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONUTF8": "1"}
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    assert float(result.stdout) == generator(*KEY).random()


def test_numbers_are_pinned():
    """A run begun with one release goes on with the next: these may never change."""
    assert generator("window", 42, 0, "a.wav").random() == 0.254431955109778
