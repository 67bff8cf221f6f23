from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruach_data_annotations import hooks
from ruach_data_annotations.eaf import read_eaf

from ruach_core.errors import DataError
from ruach_core.plugins import Plugins
from ruach_core.testing.plugins import plugin_registered
from ruach_core.types import Utterance

IS_INSTALLED = any(p.value == hooks.__name__ for p in entry_points(group="ruach.plugins"))
TEXTGRID = (
    '"ooTextFile" "TextGrid" 0 9 <exists> 1 "IntervalTier" "tx" 0 9 2 0 2 "from Praat" 2 9 ""'
)


@pytest.fixture
def plugins():
    with nullcontext() if IS_INSTALLED else plugin_registered(hooks, "annotations"):
        yield Plugins.load(None)


@pytest.fixture
def corpus(tmp_path, write_eaf, write_wav):
    tiers = {"tx": ({}, [("a1", "t1", "t2", "from ELAN")])}
    write_eaf(tmp_path / "s.eaf", {"t1": 0, "t2": 90}, tiers)
    (tmp_path / "s.TextGrid").write_text(TEXTGRID)
    write_wav(tmp_path / "s.wav")
    return tmp_path


def test_found_by_layout_and_by_name(plugins, corpus):
    assert plugins.find_dataset_loader(corpus).name == "elan"
    assert plugins.find_dataset_loader(corpus / "s.TextGrid").name == "textgrid"
    source = Path(f"textgrid:{corpus}")
    loader = plugins.find_dataset_loader(source)
    assert loader.splits(source) == ("train",)
    (utterance,) = loader.read(source, "train")
    assert isinstance(utterance, Utterance)
    assert utterance.transcript == "from Praat"


def test_a_prepared_folder_is_the_folder_loaders(plugins, corpus):
    (corpus / "metadata.csv").write_text("file_name,transcription\ns.wav,x\n")
    assert plugins.find_dataset_loader(corpus).name == "folder"


def test_hooks_load_nothing_heavy():
    code = "import sys, ruach_data_annotations.hooks; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = set(run.stdout.decode().split())
    assert "ruach_data_annotations.hooks" in loaded
    assert not {"torch", "numpy", "pydantic", "xml.parsers.expat"} & loaded


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_bytes_for_an_eaf_give_tiers_or_a_data_error(corpus, data):
    good = (corpus / "s.eaf").read_bytes()
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 40)))
    path = corpus / "mutated.eaf"
    path.write_bytes(good[:start] + data.draw(st.binary(max_size=20)) + good[end:])
    try:
        tiers = read_eaf(path, "x").tiers
    except DataError as error:
        message = str(error)
    else:
        message = "x"
        assert all(isinstance(segment.text, str) for tier in tiers for segment in tier.segments)
    assert message.startswith("x")
    assert "\n" not in message
