"""From nothing to a finished training run, in the commands that docs/write-a-pack.md records.

The pack is installed by pip, into an environment of its own, and nothing in it is edited.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[2]
SENTENCES = ROOT / "docs" / "examples" / "guarani.txt"
N_TRAIN, N_TEST = 10, 3

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Place:
    """A folder to work in, and a Python that has what this one has, and more."""

    folder: Path
    python: Path

    def run(self, *command: str) -> str:
        """Run a command with that Python; its output, or the test fails."""
        environment = {
            **os.environ, "RUACH_PLUGINS": "", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1",
        }  # fmt: skip
        done = subprocess.run(
            [str(self.python), *command],
            cwd=self.folder, env=environment, capture_output=True, encoding="utf-8", check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def ruach(self, *arguments: str) -> str:
        """Run `ruach`."""
        return self.run("-m", "ruach_core", *arguments)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    for module in ("pip", "hatchling", "transformers"):
        if find_spec(module) is None:
            pytest.skip(f"needs {module}")
    folder = tmp_path / "environment"
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    scripts = "Scripts" if os.name == "nt" else "bin"
    (packages,) = [p for p in folder.rglob("site-packages") if p.is_dir() and not p.is_symlink()][
        :1
    ]
    ours = sorted({str(Path(p)) for p in sys.path if p.endswith("site-packages")})
    lines = [f"import site; site.addsitedir({path!r})" for path in ours]
    (packages / "ours.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    work = tmp_path / "work"
    work.mkdir()
    return Place(work, folder / scripts / "python")


def write_clips(folder: Path) -> None:
    """A dataset of tones, each with a sentence; what they teach is nothing."""
    sentences = SENTENCES.read_text(encoding="utf-8").splitlines()
    for split, first, n in (("train", 0, N_TRAIN), ("test", N_TRAIN, N_TEST)):
        (folder / split / "audio").mkdir(parents=True)
        rows = ["file_name\ttranscription"]
        for i in range(first, first + n):
            times = np.arange(9_600) / 16_000
            name = f"audio/{i:03}.wav"
            soundfile.write(folder / split / name, 0.3 * np.sin(2 * np.pi * 90 * i * times), 16_000)
            rows.append(f"{name}\t{sentences[i]}")
        (folder / split / "metadata.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def test_a_language_that_is_not_shipped_goes_from_nothing_to_an_export(place: Place) -> None:
    from ruach_core.testing.tiny import write_tiny_whisper

    tiny = write_tiny_whisper(place.folder / "tiny-whisper")
    write_clips(place.folder / "clips")
    told = place.ruach(
        "langs", "new", "gn", "--autonym", "avañeʼẽ", "--from-data", "clips",
        "--whisper-language", "es", "--model", str(tiny),
    )  # fmt: skip
    assert f"{N_TRAIN} texts" in told
    assert "ʼ U+02BC: a letter of its own" in told

    # What the pack depends on is there, and the network isn't.
    flags = ("--no-deps", "--no-build-isolation")
    place.run("-m", "pip", "install", "-q", *flags, "-e", "ruach-lang-gn")

    (row,) = [pack for pack in json.loads(place.ruach("langs", "list", "--json"))
              if pack["code"] == "gn"]  # fmt: skip
    assert (row["name"], row["status"]) == ("Guarani", "ok")
    assert "samples.tsv" in place.ruach("langs", "check", "gn")
    tests = place.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "ruach-lang-gn")
    assert " passed" in tests
    assert "failed" not in tests

    output = place.ruach(
        "train", "--lang", "gn", "--data", "clips", "--model", str(tiny), "--epochs", "1",
        "--training.batch_size", "4", "--training.max_steps", "2",
        "--training.precision", "float32", "--training.log_steps", "1",
    )  # fmt: skip
    assert "'loss':" in output
    run = json.loads((place.folder / "models/whisper-gn/run.json").read_text(encoding="utf-8"))
    assert run["lang"] == "gn"
    assert (place.folder / "models" / "whisper-gn-ct2" / "model.bin").is_file()
