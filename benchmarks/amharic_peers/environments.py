"""A virtual environment for each package, and a process in it that normalises."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amharic_peers.packages import Peer

_ADAPTER = Path(__file__).with_name("adapter.py")
_INSTALL_S = 900


class NotInstalledError(Exception):
    """pip couldn't install a package; the message is its last line."""


def ensure_environment(peer: Peer, folder: Path) -> Path:
    """The Python of the package's environment, made at the first call.

    Raises:
        NotInstalledError: pip failed.
    """
    home = folder / f"{peer.name}-{peer.version}"
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    complete = home / "complete"
    if not complete.is_file():
        venv.create(home, with_pip=True, clear=True)
        requirements = peer.requirements
        if peer.with_dependencies:
            _install(python, requirements)
        else:
            _install(python, requirements[:1], "--no-deps")
            _install(python, requirements[1:])
        complete.write_text("\n".join(requirements) + "\n", encoding="utf-8")
    return python


def _install(python: Path, requirements: Sequence[str], *options: str) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, *options, *requirements], capture_output=True, text=True, timeout=_INSTALL_S
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise NotInstalledError(lines[-1] if lines else f"pip ended with {done.returncode}")


class Process:
    """A running adapter.

    Attributes:
        problem: why the package can't be used, or None.
        version: the version that the environment has.
    """

    def __init__(self, python: Path, name: str) -> None:
        self._child = subprocess.Popen(
            [str(python), "-W", "ignore", str(_ADAPTER), name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, encoding="utf-8",
        )  # fmt: skip
        ready = self._read()
        self.problem: str | None = None if ready["ok"] else ready["reason"]
        self.version: str = ready.get("version", "")

    def normalize(self, texts: Sequence[str]) -> list[str | None]:
        """The package's normalisation of each text; None where it raised."""
        result: list[str | None] = self._ask({"do": "normalize", "texts": list(texts)})["texts"]
        return result

    def load(self, texts: Sequence[str]) -> None:
        """Give the texts that `time` runs over."""
        self._ask({"do": "load", "texts": list(texts)})

    def time(self, n: int) -> float:
        """Seconds of processor time that one pass over the first of the loaded texts takes."""
        seconds: float = self._ask({"do": "time", "n": n})["seconds"]
        return seconds

    def close(self) -> None:
        """End the process."""
        if self._child.stdin is not None:
            self._child.stdin.close()
        self._child.wait(timeout=60)

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(request) + "\n")
        self._child.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            return {"ok": False, "reason": f"the process ended ({self._child.wait()})"}
        reply: dict[str, Any] = json.loads(line)
        return reply
