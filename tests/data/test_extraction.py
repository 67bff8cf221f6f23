"""Audio out of archives: where it lands, and what is refused."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from ruach_core.data import extraction
from ruach_core.data.extraction import AudioCache
from ruach_core.errors import DataError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AudioCache:
    monkeypatch.setenv("RUACH_CACHE", str(tmp_path / "cache"))
    archive = tmp_path / "corpus.tar"
    archive.write_bytes(b"archive")
    return AudioCache(archive)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a\\..\\b.wav", "", "é.wav"])
def test_no_name_leads_out_of_the_folder(cache: AudioCache, name: str) -> None:
    path = cache.put(name, b"sound")
    assert path.resolve().is_relative_to(cache.folder.resolve())
    assert path.read_bytes() == b"sound"


def test_names_that_differ_in_case_do_not_meet(cache: AudioCache) -> None:
    assert cache.put("A.wav", b"one") != cache.put("a.wav", b"two")
    assert cache.path("A.wav").read_bytes() == b"one"
    assert cache.path("A.wav").suffix == ".wav"


def test_what_is_there_is_not_written_again(cache: AudioCache) -> None:
    path = cache.put("a.wav", b"sound")
    before = path.stat().st_ino
    assert cache.put("a.wav", io.BytesIO(b"other"), 5).stat().st_ino == before
    assert cache.put("a.wav", b"longer sound").read_bytes() == b"longer sound"


def test_a_changed_archive_has_a_folder_of_its_own(cache: AudioCache, tmp_path: Path) -> None:
    archive = tmp_path / "corpus.tar"
    assert AudioCache(archive).folder == cache.folder
    os.utime(archive, ns=(1, 1))
    assert AudioCache(archive).folder != cache.folder


def test_a_short_stream_leaves_nothing(cache: AudioCache) -> None:
    with pytest.raises(DataError, match="3 of 5 bytes"):
        cache.put("a.wav", io.BytesIO(b"abc"), 5)
    assert [path for path in cache.folder.rglob("*") if path.is_file()] == []


def test_a_file_too_large_is_refused_before_and_while_it_is_read(
    cache: AudioCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "MAX_FILE_BYTES", 10)
    stream = io.BytesIO(b"x" * 100)
    with pytest.raises(DataError, match="isn't a clip"):
        cache.put("a.wav", stream, 100)
    assert stream.tell() == 0
    with pytest.raises(DataError, match="isn't a clip"):
        cache.put("a.wav", stream)
    assert [path for path in cache.folder.rglob("*") if path.is_file()] == []


def test_a_full_disk_and_a_missing_archive_are_one_line(
    cache: AudioCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "_SPARED_BYTES", 1 << 60)
    with pytest.raises(DataError, match="set RUACH_CACHE") as caught:
        cache.put("a.wav", b"sound")
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="can't be read"):
        AudioCache(tmp_path / "absent.tar")
