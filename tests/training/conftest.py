from __future__ import annotations

import ast
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ruach_core.config import build_config
from ruach_core.models.special_tokens import SpecialTokens, WhisperTokenizer
from ruach_core.testing.plugins import site_environment
from ruach_core.training.adapters import choose_trained
from ruach_core.training.collate import Collator
from ruach_core.training.console import Console
from ruach_core.training.ctc import add_head
from ruach_core.training.loop import Loop, Plan
from ruach_core.training.preparation import load_model
from ruach_core.types import Utterance


@pytest.fixture(scope="session")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Whisper in transformers' layout."""
    pytest.importorskip("transformers")
    from ruach_core.testing.tiny import write_tiny_whisper

    return write_tiny_whisper(tmp_path_factory.mktemp("tiny-whisper"))


@pytest.fixture(scope="session")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Utterance]:
    """Makes an utterance with real audio: `tone(index, duration_s)`."""
    folder = tmp_path_factory.mktemp("tones")

    def make(index: int, duration_s: float = 0.6) -> Utterance:
        path = folder / f"{index}-{duration_s}.wav"
        times = np.arange(round(duration_s * 16_000)) / 16_000
        wave = 0.3 * np.sin(2 * np.pi * (200 + 90 * index) * times)
        soundfile.write(path, wave, 16_000, subtype="FLOAT")
        text = "ba be bi bo bu"[: 2 + 3 * (index % 5)]
        return Utterance(id=path.name, audio=path, transcript=text, split="train",
                         duration_s=len(wave) / 16_000, reference=text)  # fmt: skip

    return make


@dataclass
class Listener(Console):
    """A silent console that keeps each line and calls `on_line` with it."""

    on_line: Callable[[str], object] = lambda _: None
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(is_quiet=True)

    def line(self, text: str = "") -> None:
        self.lines.append(text)
        self.on_line(text)


@dataclass
class Setting:
    """Makes loops over the same clips, in the same checkpoint folder, each with a fresh model."""

    model_dir: Path
    utterances: list[Utterance]
    checkpoints: Path

    def loop(
        self,
        *,
        evaluate: Callable[[Loop], dict[str, float]] | None = None,
        on_line: Callable[[str], object] = lambda _: None,
        learning_rate: float = 1e-3,
        **flags: Any,
    ) -> Loop:
        config = build_config({}, {"lang": "qaa", **DEFAULTS, **flags})
        tokenizer = WhisperTokenizer.read(self.model_dir)
        tokens = SpecialTokens.of(tokenizer, "en")
        text_ids = [tokenizer.encode(u.reference or "") for u in self.utterances]
        plan = Plan(
            config=config,
            train=self.utterances,
            collator=Collator(self.utterances, text_ids, tokens, n_mels=80,
                              augment=config.augment, seed=config.seed),
            learning_rate=learning_rate,
            batch_size=config.training.batch_size or 4,
            micro_batch_s=config.training.micro_batch_s or 60.0,
            precision=config.training.precision,
            checkpoint_dir=self.checkpoints,
            identity={"settings": config.digest(), "data": "tones"},
            evaluate=evaluate or _improving(),
        )  # fmt: skip
        model = load_model(self.model_dir, tokens, text_ids)
        choose_trained(model, config.training, seed=config.seed)
        add_head(model, self.utterances, config.training, seed=config.seed)
        return Loop(model, plan, Listener(on_line))


DEFAULTS = {
    "training.precision": "float32",
    "training.epochs": 1,
    "training.batch_size": 4,
    "training.log_steps": 1,
    "training.label_smoothing": 0.0,
    "training.ctc_weight": 0.5,
    "augment.speed": 0.0,
    "augment.silence_share": 0.0,
    "window.policy": "trim",
}


def _improving() -> Callable[[Loop], dict[str, float]]:
    """Figures that get better with every epoch."""
    return lambda loop: {
        "eval_wer": 1 / (1 + loop.progress.update), "eval_cer": 0.5, "eval_loss": 1.0,
    }  # fmt: skip


@pytest.fixture
def setting(tiny_whisper, tone, tmp_path) -> Setting:
    return Setting(tiny_whisper, [tone(i) for i in range(4)], tmp_path / "checkpoints")


@pytest.fixture
def longer(tiny_whisper, tone, tmp_path) -> Setting:
    """Six clips: three updates an epoch at two clips an update."""
    return Setting(tiny_whisper, [tone(i) for i in range(6)], tmp_path / "checkpoints")


# --- Whole runs, in processes of their own -------------------------------------------------------

_NO_NETWORK = '''"""Refuses and notes every attempt to reach the network."""
import os
import socket


def _refuse(*arguments, **_):
    with open(os.environ["RUACH_TEST_NETWORK_LOG"], "a") as log:
        log.write(repr(arguments) + "\\n")
    raise OSError("the network is off in this test")


def _guard(connect):
    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _refuse(address)
        return connect(self, address)
    return guarded


socket.socket.connect = _guard(socket.socket.connect)
socket.socket.connect_ex = _guard(socket.socket.connect_ex)
socket.getaddrinfo = _refuse
'''

PATIENCE_S = 3600
"""Longest wait for a run: ten seconds on a free machine, but it may be anything but free."""


@dataclass
class Finished:
    """A run that has ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def figures(self) -> list[dict[str, float]]:
        """The lines that are Python dictionaries."""
        return [ast.literal_eval(li) for li in self.out.splitlines() if li.startswith("{'")]

    @property
    def error(self) -> str:
        """The one line of an expected error."""
        assert self.status != 0, self.out
        assert "Traceback" not in self.err, self.err
        lines = [line for line in self.err.splitlines() if line.startswith("ruach: error: ")]
        assert len(lines) == 1, self.err
        return lines[0].removeprefix("ruach: error: ")


class Run:
    """`ruach train` under way."""

    def __init__(self, process: Any, stderr: Path) -> None:
        """`process` is a `subprocess.Popen`, or can be used like one."""
        self.process = process
        self._err = stderr
        self._out: list[str] = []

    def wait_for(self, beginning: str, n: int = 1) -> None:
        """Read until the n-th further line that begins so."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._out.append(line)
            n -= line.startswith(beginning)
            if n == 0:
                return
        pytest.fail(f"no line {beginning!r} in:\n{''.join(self._out)}\n{self.finish().err}")

    def stop_when(self, condition: Callable[[], bool]) -> None:
        """Freeze the process at a moment when the condition holds."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and self.process.poll() is None:
            if condition():
                self.process.send_signal(signal.SIGSTOP)
                time.sleep(0.05)  # the signal has arrived
                if condition():
                    return
                self.process.send_signal(signal.SIGCONT)
            time.sleep(0.001)
        pytest.fail(f"the moment never came:\n{self.finish().out}")

    def kill(self) -> Finished:
        """What `kill -9` does: no handler runs, nothing is flushed."""
        self.process.kill()
        return self.finish()

    def finish(self) -> Finished:
        """Wait for the end."""
        assert self.process.stdout is not None
        try:
            self._out.append(self.process.stdout.read())
            status = self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
            self.process.stdout.close()
        return Finished(status, "".join(self._out), self._err.read_text(encoding="utf-8"))


class Ruach:
    """Runs `ruach train --lang qaa` with the tiny Whisper in a folder, without any network."""

    def __init__(self, folder: Path, model: Path, site: Path, forked: Callable[..., Any]) -> None:
        self.folder = folder
        self._forked = forked
        self.models = folder / "models"
        self.site = site
        self._model = model
        self._network_log = folder / "network.txt"

    def start(
        self,
        *flags: str,
        lang: str = "qaa",
        prefix: Sequence[str] = (),
        launcher: Sequence[str] = (sys.executable,),
        program: Sequence[str] = ("-m", "ruach_core"),
        environment: Mapping[str, str] | None = None,
    ) -> Run:
        """Start a run; in an interpreter of its own where something must start that."""
        variables = site_environment(
            self.site, HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1", PYTHONUNBUFFERED="1",
            RUACH_TEST_NETWORK_LOG=str(self._network_log), **(environment or {}),
        )  # fmt: skip
        model = [] if "--model" in flags else ["--model", str(self._model)]
        arguments = [*program, "train", "--lang", lang, *model, *flags]
        stderr = self.folder / f"stderr-{variables.get('RANK', '')}.txt"
        if not prefix and launcher == (sys.executable,):
            return Run(self._forked(arguments, self.folder, variables, stderr), stderr)
        with stderr.open("w", encoding="utf-8") as err:
            process = subprocess.Popen(
                [*prefix, *launcher, *arguments], cwd=self.folder, env=variables,
                text=True, encoding="utf-8", stdout=subprocess.PIPE, stderr=err,
            )  # fmt: skip
        return Run(process, stderr)

    def run(self, *flags: str, lang: str = "qaa", is_isolated: bool = False) -> Finished:
        """A whole run; `is_isolated` also takes every network device away where that's allowed."""
        prefix = ["unshare", "--map-root-user", "--net"] if is_isolated and _can_unshare() else []
        finished = self.start(*flags, lang=lang, prefix=prefix).finish()
        self.check_network()
        return finished

    def run_ranks(self, n: int, *flags: str) -> list[Finished]:
        """One run in several processes, as a launcher would have started them."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        shared = {"WORLD_SIZE": str(n), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        runs = [
            self.start(*flags, environment={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)})
            for rank in range(n)
        ]
        return [run.finish() for run in runs]

    def run_on_small_disk(self, n_megabytes: int, *flags: str) -> Finished:
        """A run whose `models` is a file system of so many megabytes; its leftovers are printed."""
        self.models.mkdir()
        script = (
            f"mount -t tmpfs -o size={n_megabytes}m tmpfs models || exit 99\n"
            '"$@"; status=$?\n'
            "find models -name '*.tmp*' | sed 's/^/LEFT OVER /'; exit $status"
        )
        shell = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
        return self.start(*flags, prefix=shell).finish()

    def check_network(self) -> None:
        """Nothing asked for the network."""
        assert not self._network_log.exists(), self._network_log.read_text(encoding="utf-8")

    def written(self) -> set[str]:
        """Names under `models`."""
        return {p.name for p in self.models.iterdir()} if self.models.exists() else set()


@cache
def _can_unshare() -> bool:
    command = ["unshare", "--map-root-user", "--net", "true"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture(scope="session")
def new_ruach(
    tiny_whisper: Path, forked: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Ruach]:
    """Makes a place to run in."""

    def make() -> Ruach:
        site = tmp_path_factory.mktemp("site")
        (site / "sitecustomize.py").write_text(_NO_NETWORK, encoding="utf-8")
        return Ruach(tmp_path_factory.mktemp("run"), tiny_whisper, site, forked)

    return make


@pytest.fixture
def ruach(new_ruach: Callable[[], Ruach]) -> Ruach:
    return new_ruach()


SETTINGS = (
    "--epochs", "3", "--training.batch_size", "1", "--training.learning_rate", "3e-4",
    "--training.precision", "float32",
)  # fmt: skip
"""Five updates an epoch on the toy pack's sample."""


@dataclass
class WholeRun:
    """An unbroken run on the toy pack's sample."""

    ruach: Ruach
    finished: Finished
    settings: tuple[str, ...]

    @property
    def model(self) -> Path:
        return self.ruach.models / "whisper-qaa-sample"

    @property
    def export(self) -> Path:
        return self.ruach.models / "whisper-qaa-sample-ct2"

    @property
    def record(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.model / "run.json").read_text(encoding="utf-8"))
        return content


@pytest.fixture(scope="session")
def whole_run(new_ruach: Callable[[], Ruach]) -> WholeRun:
    ruach = new_ruach()
    finished = ruach.run(*SETTINGS, is_isolated=True)
    assert finished.status == 0, finished.err
    return WholeRun(ruach, finished, SETTINGS)
