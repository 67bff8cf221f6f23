"""The command line, run here or in a process of its own, and a pack to run it on."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import dataclass

import pytest

from ruach_core.cli import main
from ruach_core.testing.plugins import site_environment, site_on_path, write_pack

OPTIONS = """
[options.case]
values = ["upper", "lower", "keep"]
target = "keep"
score = "lower"
help = "which case to write"

[sample]
path = "sample"
synthetic = true
description = "a robot reads ten sentences"
license = "CC0-1.0"

[[datasets]]
name = "Toy Voices"
license = "CC-BY-4.0"
url = "https://example.org/toy"
hours = 12.5
note = "read speech"
"""
HOOKS = """
from ruach_core import hookimpl

class Case:
    name = "case 1"
    def __init__(self, options):
        self.options = options
    def normalize(self, text, *, purpose):
        default = {"target": "keep", "score": "lower"}[purpose]
        case = self.options.get("case", default)
        return text if case == "keep" else getattr(text, case)()

@hookimpl
def ruach_normalizer(lang, options):
    return Case(options)
"""
SAMPLES = (
    "purpose\tinput\texpected\toptions\ntarget\tÀb\tÀb\nscore\tÀb\tàb\ntarget\tÀb\tÀB\tcase=upper\n"
)


@dataclass(frozen=True)
class Done:
    """What a run of `ruach` left."""

    status: int
    output: str
    error: str

    @property
    def error_line(self) -> str:
        (line,) = self.error.splitlines()
        assert line.startswith("ruach: error: ")
        return line.removeprefix("ruach: error: ")


@pytest.fixture
def ruach(tmp_path, capfdbinary, monkeypatch):
    """Run the command line here, in this process."""

    def run(*arguments, text: str | bytes = b"", **variables) -> Done:
        data = text.encode() if isinstance(text, str) else text
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
            for name, value in variables.items():
                patch.setenv(name, value)
            status = main(arguments)
        output, error = capfdbinary.readouterr()
        return Done(status, output.decode("utf-8"), error.decode("utf-8"))

    with site_on_path(tmp_path):
        yield run


@pytest.fixture
def ruach_process(tmp_path):
    """Run the command line in a process of its own."""

    def run(*arguments, text: str = "", **variables) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "ruach_core", *arguments],
            env=site_environment(tmp_path, **variables),
            input=text.encode(),
            capture_output=True,
            check=False,
            timeout=60,
        )
        return Done(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))

    return run


@pytest.fixture
def write_case_pack(tmp_path):
    """Write the pack `qta`, whose normaliser has an option; `replace` spoils its hooks."""

    def write(*, replace: tuple[str, str] = ("", ""), **arguments):
        assert replace[0] in HOOKS
        source = HOOKS.replace(*replace) if replace[0] else HOOKS
        given = {"hooks": source, "tail": OPTIONS, "samples": SAMPLES, **arguments}
        directory = write_pack(tmp_path, "qta", **given)
        (directory / "sample").mkdir()
        return directory

    return write


@pytest.fixture
def pack(write_case_pack):
    """The pack `qta`, as it should be."""
    return write_case_pack(keys={"autonym": '"ቋንቋ"'})
