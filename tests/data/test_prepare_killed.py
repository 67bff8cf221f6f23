"""`ruach data prepare` killed at the worst moments ends like one that wasn't, to the byte."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass

import pytest

N = 150
# Runs each line's command in a copy of this process, which has imported all that it needs. The copy
# kills itself, as nothing else could, at the n-th call of a function.
PROGRAM = """
import importlib, json, os, signal, sys
import ruach_core.data.prepare
import ruach_core.cli.data_prepare
from ruach_core.cli import main
from ruach_core.plugins import Plugins
Plugins.load("qqq", use_pack=False).normalizer()

def kill_at(place, n):
    module, _, name = place.partition(":")
    owner = importlib.import_module(module)
    *path, name = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    real, calls = getattr(owner, name), []
    def die(*arguments, **named):
        calls.append(1)
        if len(calls) == n:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **named)
    setattr(owner, name, die)

while line := sys.stdin.readline():
    place, n, words, output, error = json.loads(line)
    process = os.fork()
    if not process:
        for path, stream in ((output, 1), (error, 2)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
        if place:
            kill_at(place, n)
        status = main(words)
        sys.stdout.flush()
        os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
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


@dataclass
class Done:
    """What a run of the command left."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def prepare(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip

    def run(source, output, *, place="", n=0):
        words = ["data", "prepare", str(source), "--lang", "qqq", "--no-pack", "--output",
                 str(output), "--splits", "new", "--jobs", "2"]  # fmt: skip
        streams = [folder / "output", folder / "error"]
        program.stdin.write(json.dumps([place, n, words, *map(str, streams)]) + "\n")
        program.stdin.flush()
        status = int(program.stdout.readline())
        return Done(status, *(stream.read_text(encoding="utf-8") for stream in streams))

    with program:
        yield run


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".prepare.sqlite")
    }


@pytest.fixture(scope="module")
def unbroken(prepare, source, tmp_path_factory):
    output = tmp_path_factory.mktemp("unbroken") / "out"
    done = prepare(source, output)
    assert done.returncode == 0, done.stderr
    assert f"{N} clips" in done.stdout
    return contents(output)


@pytest.mark.slow
@pytest.mark.parametrize(("place", "n"), MOMENTS)
def test_killed_once_and_run_again(prepare, source, unbroken, tmp_path, place, n):
    output = tmp_path / "out"
    killed = prepare(source, output, place=place, n=n)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = prepare(source, output)
    assert done.returncode == 0, done.stderr
    assert "nothing to do" not in done.stdout
    assert contents(output) == unbroken
    assert "nothing to do" in prepare(source, output).stdout
    assert not [path for path in output.rglob("*") if ".tmp" in path.name or "tables" in path.name]


def test_killed_between_clips_it_decodes_the_rest_alone(prepare, source, unbroken, tmp_path):
    output = tmp_path / "out"
    killed = prepare(source, output, place="ruach_core.data.prepare_clips:write_aside", n=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = prepare(source, output)
    assert done.returncode == 0, done.stderr
    n_decoded = int(done.stdout.partition("speakers; ")[2].split()[0])
    # What was under way, and what wasn't safe yet, is done once more.
    assert N - 120 <= n_decoded <= N - 120 + 64 + 16 + 1
    assert contents(output) == unbroken
