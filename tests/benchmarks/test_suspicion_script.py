"""The benchmark of suspicious clips: what it plants, what it counts, and a whole run of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def suspicion(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("suspicion")


def test_each_kind_of_wrong_text_is_planted_and_noted(suspicion: ModuleType) -> None:
    texts = [f"one{i} two{i} three{i}" for i in range(58)] + ["word", "word"]
    wrong, kinds = suspicion.plant(texts, 0.2)
    assert len(kinds) == 12
    assert {kind: list(kinds.values()).count(kind) for kind in suspicion.KINDS} == dict.fromkeys(
        suspicion.KINDS, 4
    )
    for i, (before, after) in enumerate(zip(texts, wrong, strict=True)):
        assert (before != after) == (i in kinds)
        match kinds.get(i):
            case "another clip's text":
                assert after in texts
            case "half of its text":
                assert after == " ".join(before.split()[:2])
            case "another's text behind its own":
                assert after.startswith(f"{before} ")
                assert after.removeprefix(f"{before} ") in texts
    assert suspicion.plant(texts, 0.2) == (wrong, kinds)


def test_what_stands_first_is_counted_against_chance(suspicion: ModuleType) -> None:
    one, two, three = suspicion.KINDS
    kinds = {0: one, 1: two, 2: three, 3: one}
    found = suspicion.judge([3, 9, 0, 8, 1], kinds, 40)
    assert found["chance_first"] == 0.1
    assert found["ratio"] == pytest.approx(0.5 / 0.1)
    assert found["kinds"][one] == {"planted": 2, "found_first": 1.0, "found_listed": 1.0}
    assert found["kinds"][two] == {"planted": 1, "found_first": 0.0, "found_listed": 1.0}
    assert found["kinds"][three]["found_listed"] == 0.0


@pytest.mark.slow
def test_it_trains_and_reads_the_ranking(run_script: Callable[..., Any], tmp_path: Path) -> None:
    from ruach_core.testing.tiny import write_tiny_whisper

    model = tmp_path / "tiny"
    model.mkdir()
    done = run_script(
        "suspicion.py", "--lang", "am", "--data", str(sample()), "--quick", "--json",
        "--model", str(write_tiny_whisper(model)), "--epochs", "1", "--clips", "30",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["n_clips"] == 30
    assert found["kinds"]["all"]["planted"] == 3
    assert 0 < found["chance_listed"] <= 0.25


def sample() -> Path:
    package = pytest.importorskip("ruach_lang_am")
    return Path(package.__file__).parent / "sample"
