"""`ruach data prepare` killed at the worst moments ends like one that wasn't, to the byte."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

N = 150
# Kills its own process, as nothing else could, at the n-th call of a function.
PROGRAM = """
import importlib, os, signal, sys
place, n, *words = sys.argv[1:]
if place:
    module, _, name = place.partition(":")
    owner = importlib.import_module(module)
    *path, name = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    real, calls = getattr(owner, name), []
    def die(*arguments, **named):
        calls.append(1)
        if len(calls) == int(n):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)
    setattr(owner, name, die)
from ruach_core.cli import main
sys.exit(main(words))
"""
MOMENTS = (
    ("ruach_core.data.prepare_clips:write_aside", 1),
    ("ruach_core.data.prepare_clips:write_aside", 100),
    ("ruach_core.data.prepare_state:PrepareState.put", 65),
    ("ruach_core.data.prepare_state:PrepareState.commit", 2),
    ("ruach_core.data.arrange:_link", 75),
    ("ruach_core.data.arrange:_publish", 1),
    ("ruach_core.data.arrange:_publish", 2),
    ("ruach_core.data.arrange:_remove_audio", 80),
    ("ruach_core.data.prepare:write_set_aside", 1),
    ("ruach_core.data.prepare:write_record", 1),
    ("ruach_core.data.prepare_state:PrepareState.finish", 1),
)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    import numpy as np
    import soundfile

    folder = tmp_path_factory.mktemp("corpus")
    (folder / "audio").mkdir()
    rows = ["file_name,transcription,speaker"]
    rng = np.random.default_rng(0)
    for i in range(N):
        soundfile.write(folder / f"audio/{i}.flac", 0.1 * rng.standard_normal(6_000), 22_050)
        rows.append(f"audio/{i}.flac,sentence {i},p{i % 4}")
    rows.append("audio/gone.flac,lost,p1")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def prepare(source, output, *, place="", n=0, more=()):
    words = ["data", "prepare", str(source), "--lang", "qqq", "--no-pack", "--output", str(output),
             "--splits", "new", "--jobs", "2", *more]  # fmt: skip
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, place, str(n), *words],
        env=os.environ, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".prepare.sqlite")
    }


@pytest.fixture(scope="module")
def unbroken(source, tmp_path_factory):
    output = tmp_path_factory.mktemp("unbroken") / "out"
    done = prepare(source, output)
    assert done.returncode == 0, done.stderr
    assert f"{N} clips" in done.stdout
    return contents(output)


@pytest.mark.slow
@pytest.mark.parametrize(("place", "n"), MOMENTS)
def test_killed_once_and_run_again(source, unbroken, tmp_path, place, n):
    output = tmp_path / "out"
    killed = prepare(source, output, place=place, n=n)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = prepare(source, output)
    assert done.returncode == 0, done.stderr
    assert "nothing to do" not in done.stdout
    assert contents(output) == unbroken
    assert "nothing to do" in prepare(source, output).stdout
    assert not [path for path in output.rglob("*") if ".tmp" in path.name or "tables" in path.name]


def test_killed_between_clips_it_decodes_the_rest_alone(source, unbroken, tmp_path):
    output = tmp_path / "out"
    killed = prepare(source, output, place="ruach_core.data.prepare_clips:write_aside", n=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = prepare(source, output)
    assert done.returncode == 0, done.stderr
    n_decoded = int(done.stdout.partition("speakers; ")[2].split()[0])
    # What was under way, and what wasn't safe yet, is done once more.
    assert N - 120 <= n_decoded <= N - 120 + 64 + 16 + 1
    assert contents(output) == unbroken
