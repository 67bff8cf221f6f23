"""What a command loads: the set of modules, not the clock, which depends on the machine."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ruach_core.testing.plugins import site_environment, write_distribution, write_pack

HEAVY = {
    "torch", "transformers", "datasets", "accelerate", "ctranslate2", "faster_whisper",
    "tokenizers", "numpy", "soundfile", "soxr", "av", "jiwer", "pydantic", "pydantic_core",
    "pluggy",
}  # fmt: skip
TORCH = {"torch", "transformers", "datasets", "accelerate"}
PROGRAM = """
import json, sys
from ruach_core.cli import main
status = main(sys.argv[1:])
sys.stdout.flush()
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
sys.exit(status)
"""


def loaded_modules(site, *arguments, text="") -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=site_environment(site),
        input=text,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(done.stderr.splitlines()[-1])}


@pytest.fixture
def site(tmp_path):
    write_pack(tmp_path, "qta", hooks="raise AssertionError('imported')")
    write_pack(tmp_path, "qtb", keys={"colour": "1"})
    write_pack(tmp_path, "qtc")
    write_distribution(
        tmp_path,
        "ruach-broken",
        entry_points={
            "ruach.commands": {"broken": "ruach_broken:run"},
            "ruach.plugins": {"broken": "ruach_broken"},
        },
        files={"ruach_broken.py": "raise AssertionError('imported')"},
    )
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("langs", "list"),
        ("langs", "list", "--json"),
        ("--help",),
        ("--version",),
        ("langs", "-h"),
        ("data", "-h"),
    ],
)
def test_light_commands_load_nothing_heavy_and_no_pack(site, arguments):
    loaded = loaded_modules(site, *arguments)
    assert not loaded & HEAVY
    assert not {name for name in loaded if name.startswith(("ruach_lang_", "ruach_broken"))}


def test_help_imports_no_command(site):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ruach_core", "--help"],
        env=site_environment(site),
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "ruach_core.errors" in imported
    of_cli = {name for name in imported if name.startswith("ruach_core.cli.")}
    assert of_cli <= {"ruach_core.cli.lazy_group", "ruach_core.cli.messages"}
    assert "ruach_broken" not in imported
    assert "From ruach-broken 1.0." in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("langs", "normalize", "qtc", "--purpose", "target"),
        ("langs", "info", "qtc"),
        ("langs", "check", "qtc"),
        ("plugins", "list", "--all"),
    ],
)
def test_other_listing_commands_load_no_torch(site, arguments):
    assert not loaded_modules(site, *arguments, text="a\n") & TORCH


def test_importing_the_package_loads_nothing():
    code = (
        "import sys; before = set(sys.modules); import ruach_core; print(set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(eval(done.stdout)) & HEAVY
