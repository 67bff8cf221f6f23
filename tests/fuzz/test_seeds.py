"""Every file that the fuzzer starts from is read whole, and what it found stays mended."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from ruach_core.transcription import reading


@pytest.fixture
def targets(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return importlib.import_module("targets")


@pytest.mark.parametrize("name", ["audio", "subtitles", "tables", "archives", "textgrids", "eafs"])
@pytest.mark.parametrize("whole_s", [0.01, 600.0])
def test_every_seed_is_read(
    targets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, whole_s: float
) -> None:
    if name in ("textgrids", "eafs"):
        pytest.importorskip("ruach_data_annotations")
    monkeypatch.setattr(reading, "_WHOLE_S", whole_s)
    target = targets.TARGETS[name]
    for seed, content in target.seeds().items():
        path = tmp_path / f"seed{target.suffix}"
        path.write_bytes(content)
        assert target.check(path) not in ("", "0"), seed


def test_there_is_a_test_for_every_target(targets: Any) -> None:
    assert list(targets.TARGETS) == [
        "audio", "subtitles", "tables", "archives", "textgrids", "eafs",
    ]  # fmt: skip
