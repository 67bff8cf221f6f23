"""Archives as they are, and as they are made to do harm."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ruach_core.data import tar_members
from ruach_core.data.tar_members import iter_members
from ruach_core.errors import DataError


def build(files, *, mode="w:gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in files:
            member = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                archive.addfile(member)
    return buffer.getvalue()


def special(name, kind, target=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return name, member


def read_all(path):
    return [(name, size, content.read()) for name, size, content in iter_members(path)]


@pytest.fixture
def archive(tmp_path):
    def write(content):
        path = tmp_path / "a.tar.gz"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_files_one_after_another(archive, mode):
    files = [("dev/a.wav", b"one"), ("../b.wav", b"x" * 5_000), ("é" * 80, b""), ("d", b"last")]
    path = archive(build(files, mode=mode))
    assert read_all(path) == [(name, len(content), content) for name, content in files]
    assert [name for name, _, _ in iter_members(path)] == [name for name, _ in files]
    halves = [content.read(2) for _, _, content in iter_members(path)]
    assert halves == [content[:2] for _, content in files]


def test_only_regular_files(archive):
    files = [
        special("link", tarfile.SYMTYPE, "/etc/passwd"), special("hard", tarfile.LNKTYPE, "a.wav"),
        special("fifo", tarfile.FIFOTYPE), special("device", tarfile.CHRTYPE),
        special("folder", tarfile.DIRTYPE), ("a.wav", b"sound"),
    ]  # fmt: skip
    assert [name for name, _, _ in iter_members(archive(build(files)))] == ["a.wav"]


@pytest.mark.parametrize("keep", [0, 1, 5, 200, 700, 1_500])
def test_what_is_cut_off_is_one_clear_error(archive, keep):
    noise = random.Random(0).randbytes(3_000)
    whole = build([("a.wav", noise), ("b.wav", noise)])
    with pytest.raises(DataError, match="not a whole tar archive") as caught:
        read_all(archive(whole[:keep]))
    assert "\n" not in str(caught.value)


def test_a_missing_or_foreign_file(archive, tmp_path):
    for path in (tmp_path / "none", tmp_path, archive(b"no archive at all" * 100)):
        with pytest.raises(DataError, match="not a whole tar archive"):
            list(iter_members(path))


@pytest.mark.parametrize("is_one", [True, False])
def test_an_archive_that_unpacks_to_far_more_than_its_size(archive, monkeypatch, is_one):
    monkeypatch.setattr(tar_members, "ALWAYS_ALLOWED_BYTES", 1_000_000)
    bombs = [("bomb.wav", bytes(20_000_000))] if is_one else [("b.wav", bytes(900_000))] * 30
    path = archive(build([("a.wav", b"small"), *bombs]))
    members = iter_members(path)
    assert next(members)[2].read() == b"small"
    with pytest.raises(DataError, match="unpacks to over"):
        list(members)


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_a_header_as_large_as_memory(archive, kind):
    header = bytearray(tarfile.TarInfo("bomb").tobuf())
    header[156:157] = kind
    header[124:136] = b"%011o\0" % 2_000_000_000
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
    path = archive(gzip.compress(bytes(header) + bytes(30_000_000)))
    tracemalloc.start()
    with pytest.raises(DataError, match="a header of"):
        list(iter_members(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize(
    ("size", "message"),
    [(b"\xff" * 12, "a file of -1 bytes"), (b"\x80" + b"\x7f" * 11, "unpacks to over 1.0 GiB")],
)
def test_a_file_of_a_size_that_none_has(archive, size, message):
    header = bytearray(tarfile.TarInfo("a.wav").tobuf())
    header[124:136] = size
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
    with pytest.raises(DataError, match=message):
        list(iter_members(archive(bytes(header) + bytes(1_024))))


def test_headers_of_headers_by_the_thousand(archive):
    header = bytearray(tarfile.TarInfo("x").tobuf())
    header[156:157] = b"L"
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
    with pytest.raises(DataError):
        list(iter_members(archive(bytes(header) * 20_000)))


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 255)), max_size=12),
    keep=st.integers(0, 10_240),
)
def test_damaged_archives_give_members_or_a_data_error(archive, changes, keep):
    whole = bytearray(build([("a.wav", b"one" * 300), ("é" * 90, b"two")], mode="w"))
    for place, value in changes:
        whole[place] = value
    try:
        found = read_all(archive(bytes(whole[:keep])))
    except DataError:
        return
    assert all(size == len(content) for _, size, content in found)
