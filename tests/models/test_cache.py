"""The cache of built model folders: whole or absent, whatever happens to the builder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ruach_core.errors import UserError
from ruach_core.models.cache import cache_dir, cached_folder, is_complete

# Builds a folder slowly: says "building" after the first file, then waits for a line.
SLOW_BUILD = """
import sys
from pathlib import Path
from ruach_core.models.cache import cached_folder

def build(target):
    target.mkdir()
    (target / "a.bin").write_bytes(b"a" * 1000)
    print("building", flush=True)
    sys.stdin.readline()
    (target / "owner").write_text(sys.argv[1])

print(cached_folder("key", build), flush=True)
"""


def build_small(target: Path) -> None:
    target.mkdir()
    (target / "a.bin").write_bytes(b"a" * 1000)
    (target / "owner").write_text("here")


def refuse_to_build(target: Path) -> None:
    raise AssertionError("built again")


def start_slow_build(owner: str, cache: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_BUILD, owner],
        env={**os.environ, "RUACH_CACHE": str(cache)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "building\n"
    return process


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate("\n", timeout=30)
    assert process.returncode == 0
    return output.strip()


def test_place_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RUACH_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "own"
    monkeypatch.delenv("RUACH_CACHE")
    assert cache_dir() == tmp_path / "xdg" / "ruach"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "ruach"


def test_built_once_then_reused(ruach_cache: Path) -> None:
    first = cached_folder("key", build_small)
    assert first == ruach_cache / "models" / "key"
    assert cached_folder("key", refuse_to_build) == first
    assert cached_folder("other", build_small) != first


def test_failed_build_leaves_nothing(ruach_cache: Path) -> None:
    def build(target: Path) -> None:
        build_small(target)
        raise UserError("the weights are damaged")

    with pytest.raises(UserError, match="the weights are damaged"):
        cached_folder("key", build)
    assert list((ruach_cache / "models").iterdir()) == []


@pytest.mark.parametrize("damage", ["cut", "gone", "marker", "marker-empty"])
def test_damaged_folder_is_built_anew(ruach_cache: Path, damage: str) -> None:
    folder = cached_folder("key", build_small)
    if damage == "cut":
        os.truncate(folder / "a.bin", 999)
    elif damage == "gone":
        (folder / "owner").unlink()
    else:
        (folder / "COMPLETE").write_text("" if damage == "marker" else "{}")
    assert not is_complete(folder)
    assert cached_folder("key", build_small) == folder
    assert is_complete(folder)
    assert (folder / "a.bin").stat().st_size == 1000
    assert [path.name for path in folder.parent.iterdir()] == ["key"]


def test_killed_build_leaves_no_folder_and_the_next_succeeds(ruach_cache: Path) -> None:
    process = start_slow_build("killed", ruach_cache)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    assert not (ruach_cache / "models" / "key").exists()
    folder = cached_folder("key", build_small)
    assert (folder / "owner").read_text() == "here"


def test_what_a_killed_build_left_goes_after_a_day(ruach_cache: Path) -> None:
    process = start_slow_build("killed", ruach_cache)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    (left,) = (ruach_cache / "models").iterdir()
    cached_folder("young", build_small)
    assert left.exists(), "it may be another's build, still going on"
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(left, (two_days_ago, two_days_ago))
    cached_folder("other", build_small)
    assert not left.exists()


def test_two_builders_at_once_share_the_winners_folder(ruach_cache: Path) -> None:
    first = start_slow_build("first", ruach_cache)
    second = start_slow_build("second", ruach_cache)
    folder = Path(finish(second))
    assert is_complete(folder)
    assert finish(first) == str(folder)
    assert (folder / "owner").read_text() == "second"
    assert [path.name for path in folder.parent.iterdir()] == ["key"]


def test_two_builders_at_once_replace_a_damaged_folder(ruach_cache: Path) -> None:
    os.truncate(cached_folder("key", build_small) / "a.bin", 1)
    first = start_slow_build("first", ruach_cache)
    second = start_slow_build("second", ruach_cache)
    folder = Path(finish(first))
    assert finish(second) == str(folder)
    assert is_complete(folder)
    assert (folder / "owner").read_text() == "first"


def test_unwritable_cache_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RUACH_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="set RUACH_CACHE") as caught:
        cached_folder("key", build_small)
    assert "\n" not in str(caught.value)
