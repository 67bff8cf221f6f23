"""The toy pack, found through real entry points as any installed pack is."""

from __future__ import annotations

import csv
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from ruach_core.errors import RuachError
from ruach_core.manifest import NormalizationExample, load_manifest, read_examples
from ruach_core.packs import PackRecord, find_pack, find_packs
from ruach_core.plugins import Plugins

FOLDER = Path(__file__).resolve().parent / "packs" / "ruach-lang-qaa"
SAMPLES = FOLDER / "src" / "ruach_lang_qaa" / "samples.tsv"

try:
    distribution("ruach-lang-qaa")
except PackageNotFoundError:
    pytest.skip(
        "the toy pack isn't installed: pip install -e tests/packs/ruach-lang-qaa",
        allow_module_level=True,
    )


@pytest.fixture(scope="module")
def record() -> PackRecord:
    return find_pack("qaa")


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return Plugins.load("qaa")


def test_it_is_found_once_and_is_good(record: PackRecord) -> None:
    assert [pack for pack in find_packs() if pack.code == "qaa"] == [record]
    assert (record.name, record.distribution) == ("Toy", "ruach-lang-qaa")
    assert record.module == "ruach_lang_qaa.hooks"
    assert record.problem is None
    assert record.directory is not None
    assert (record.directory / "pack.toml").is_file()


def test_finding_it_imports_nothing_of_it() -> None:
    code = (
        "import sys; from ruach_core.packs import find_pack; find_pack('qaa'); "
        "sys.exit('ruach_lang_qaa' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_its_manifest_is_valid(record: PackRecord) -> None:
    manifest = load_manifest(record)
    assert manifest.code == "qaa"
    assert manifest.whisper_language == "en"
    assert manifest.borrows_whisper_language
    assert manifest.options["case"].values == ["keep", "lower"]
    assert manifest.sample is not None
    assert manifest.sample.synthetic


@pytest.mark.parametrize("example", read_examples(SAMPLES), ids=lambda e: f"row{e.row}")
def test_its_examples_hold(plugins: Plugins, example: NormalizationExample) -> None:
    normalizer = plugins.normalizer(example.options)
    assert normalizer.normalize(example.input, purpose=example.purpose) == example.expected


def test_an_unknown_option_value_is_an_error_of_one_line(plugins: Plugins) -> None:
    with pytest.raises(RuachError, match="case") as caught:
        plugins.normalizer({"case": "upper"})
    assert "\n" not in str(caught.value)


def test_its_sample_can_be_read(record: PackRecord) -> None:
    soundfile = pytest.importorskip("soundfile")
    manifest = load_manifest(record)
    assert manifest.sample is not None
    assert record.directory is not None
    folder = record.directory / manifest.sample.path
    sentences: dict[str, set[str]] = {}
    for split, n_clips in (("train", 6), ("test", 3)):
        with (folder / split / "metadata.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == n_clips
        sentences[split] = {row["transcription"] for row in rows}
        for row in rows:
            waveform, rate = soundfile.read(folder / split / row["file_name"])
            n_words = len(row["transcription"].split())
            assert len(waveform) / rate == pytest.approx(0.25 * n_words, abs=0.01)
            assert 0.2 < abs(waveform).max() < 0.99
    assert not sentences["train"] & sentences["test"]
    n_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert n_bytes < 100_000
