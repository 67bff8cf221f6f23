"""Build a pack's wheel and check what is in it, as a user would install it."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

_CHECK = """
import sys
from pathlib import Path
from ruach_core.pack_check import check_pack
from ruach_core.packs import find_pack

code, site = sys.argv[1:]
record = find_pack(code, allow_invalid=True)
if record.directory is None or not record.directory.is_relative_to(Path(site)):
    print(record.problem or f"the wheel has no pack {code!r}: {record.directory}")
for result in check_pack(record):
    for problem in result.problems:
        print(problem)
"""
_TIMEOUT_S = 120


def build_wheel(source: Path, folder: Path) -> Path:
    """Build the wheel of a distribution with hatchling.

    Args:
        source: the folder of its pyproject.toml.
        folder: where the wheel goes.

    Raises:
        ImportError: hatchling isn't installed.
    """
    # By its name: the package is a test's need, and has no type information.
    builder = importlib.import_module("hatchling.builders.wheel").WheelBuilder(str(source))
    (path,) = builder.build(directory=str(folder), versions=["standard"])
    return Path(path)


def check_wheel(wheel: Path, code: str, folder: Path) -> list[str]:
    """What `ruach langs check` finds wrong in a wheel's pack, in a process that sees only that.

    Args:
        wheel: the wheel.
        code: the language code.
        folder: an empty folder, to unpack the wheel in.
    """
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    # First on the path: it hides the same distribution where that is installed already.
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-c", _CHECK, code, str(folder.resolve())],
        env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"},
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=_TIMEOUT_S,
    )
    if done.returncode:
        return [done.stderr.strip().splitlines()[-1]]
    return done.stdout.splitlines()
