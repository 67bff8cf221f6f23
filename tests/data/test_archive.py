from __future__ import annotations

import contextlib
import gc
import gzip
import io
import random
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ruach_core.data import archive
from ruach_core.data.archive import ArchiveFault, ArchiveMember, looks_like_archive, read_archive
from ruach_core.data.extraction import AudioCache
from ruach_core.errors import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RUACH_CACHE", str(tmp_path / "cache"))


def entry(name, kind=tarfile.REGTYPE, content=b"", **fields):
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def pack(path, *entries, mode="w", **options):
    with tarfile.open(path, mode, **options) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return path


def count_headers():
    return sum(isinstance(thing, tarfile.TarInfo) for thing in gc.get_objects())


def read(path):
    """Names with contents, and the faults."""
    good, faults = {}, []
    for member in read_archive(path):
        if isinstance(member, ArchiveFault):
            faults.append(member)
        else:
            good[member.name] = member.read()
    return good, faults


@pytest.mark.parametrize(("name", "mode"), [("a.tar", "w"), ("a.tar.gz", "w:gz")])
@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_plain_files_in_their_order(tmp_path, name, mode, kind):
    long = "d" * 90 + "/" + "é" * 20 + ".wav"
    path = pack(
        tmp_path / name, entry("./b/", tarfile.DIRTYPE), entry("./b/1.wav", content=b"x" * 3000),
        entry("a.txt", content=b""), entry(long, content=b"y" * 512), mode=mode, format=kind,
    )  # fmt: skip
    good, faults = read(path)
    assert list(good) == ["b/1.wav", "a.txt", long]
    assert (good["b/1.wav"], good["a.txt"], good[long]) == (b"x" * 3000, b"", b"y" * 512)
    assert faults == []


def test_members_need_not_be_read(tmp_path):
    entries = (entry(f"{i}.wav", content=bytes(i)) for i in range(3000))
    path = pack(tmp_path / "a.tar.gz", *entries, mode="w:gz")
    assert [m.name for m in read_archive(path)] == [f"{i}.wav" for i in range(3000)]


def test_headers_are_let_go(tmp_path):
    path = pack(tmp_path / "a.tar", *(entry(f"{i}.wav", content=b"x") for i in range(100)))
    members = read_archive(path)
    n_before = count_headers()
    for _ in range(100):
        next(members)
    assert count_headers() <= n_before + 3


def test_saved_in_the_cache(tmp_path):
    path = pack(tmp_path / "a.tar", entry("b/1.wav", content=b"x" * 3_000_000))
    (member,) = read_archive(path)
    cache = AudioCache(path)
    assert isinstance(member, ArchiveMember)
    (saved,) = [m.save(cache) for m in read_archive(path)]
    assert saved == cache.path("b/1.wav")
    assert saved.stat().st_size == 3_000_000


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (entry("../x.wav"), "outside-folder"),
        (entry("a/../../x.wav"), "outside-folder"),
        (entry("/etc/x.wav"), "outside-folder"),
        (entry("link.wav", tarfile.SYMTYPE, linkname="/etc/passwd"), "bad-row"),
        (entry("hard.wav", tarfile.LNKTYPE, linkname="ok.wav"), "bad-row"),
        (entry("pipe.wav", tarfile.FIFOTYPE), "bad-row"),
        (entry("disk.wav", tarfile.BLKTYPE), "bad-row"),
        (entry("tty.wav", tarfile.CHRTYPE), "bad-row"),
        (
            entry(
                "s.wav", content=b"x" * 10,
                pax_headers={"GNU.sparse.map": "0,10", "GNU.sparse.size": "1000000000000"},
            ),
            "bad-row",
        ),
    ],
)  # fmt: skip
def test_what_is_no_plain_file_is_passed_by(tmp_path, bad, reason):
    path = pack(tmp_path / "a.tar", entry("ok.wav", content=b"1"), bad, entry("b", content=b"2"))
    good, faults = read(path)
    assert good == {"ok.wav": b"1", "b": b"2"}
    assert [fault.reason for fault in faults] == [reason]
    assert faults[0].name


def test_too_large_a_member_is_passed_by(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_FILE_BYTES", 100)
    path = pack(tmp_path / "a.tar", entry("a", content=bytes(101)), entry("b", content=b"2"))
    good, faults = read(path)
    assert good == {"b": b"2"}
    assert "101 bytes" in faults[0].detail


@pytest.mark.parametrize(("name", "mode"), [("a.tar", "w"), ("a.tar.gz", "w:gz")])
@pytest.mark.parametrize("is_read", [True, False])
def test_cut_short_anywhere(tmp_path, name, mode, is_read):
    noise = random.Random(1).randbytes(1500)
    path = pack(tmp_path / name, *(entry(f"{i}", content=noise) for i in range(4)), mode=mode)
    whole = path.read_bytes()
    n_end = 4 * 2048 if mode == "w" else len(whole) - 8
    for n_bytes in range(700, n_end, 97):
        path.write_bytes(whole[:n_bytes])
        names, faults = [], []
        for member in read_archive(path):
            if isinstance(member, ArchiveFault):
                faults.append(member)
            elif not is_read or member.read() == noise:
                names.append(member.name)
        assert names == ["0", "1", "2", "3"][: len(names)]
        assert [(f.name, f.reason) for f in faults] == [("", "unreadable")], n_bytes
        assert "fetch it again" in faults[0].detail


def test_cut_short_while_it_is_saved(tmp_path):
    path = pack(tmp_path / "a.tar", entry("a", content=b"x" * 5000))
    path.write_bytes(path.read_bytes()[:3000])
    cache = AudioCache(path)
    member, fault = (
        m if isinstance(m, ArchiveFault) else m.save(cache) for m in read_archive(path)
    )
    assert member is None
    assert isinstance(fault, ArchiveFault)
    assert not [p for p in cache.folder.rglob("*") if p.is_file()]


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"PK\3\4" + bytes(600), b"\x1f\x8b" + b"x" * 600, gzip.compress(b"x" * 2000)],
)
def test_no_archive_at_all(tmp_path, content):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.tar\.gz: not a \.tar or \.tar\.gz archive"):
        read(path)


def test_missing_or_a_folder(tmp_path):
    with pytest.raises(DataError, match="can't be read: No such file"):
        read(tmp_path / "none.tar")
    with pytest.raises(DataError, match="can't be read: Is a directory"):
        read(tmp_path)


def test_an_empty_archive_holds_nothing(tmp_path):
    assert read(pack(tmp_path / "a.tar")) == ({}, [])


def forge(path, name, size, kind=tarfile.REGTYPE, tail=b""):
    """An archive of one good member and a header that says `size`."""
    info = tarfile.TarInfo(name)
    info.type = kind
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)
    header[148:156] = b"%06o\0 " % (256 + sum(header[:148]) + sum(header[156:512]))
    pack(path, entry("ok", content=b"1"))
    path.write_bytes(path.read_bytes()[:1024] + bytes(header) + tail)
    return path


@pytest.mark.parametrize("size", [-512, -1024, -2048, -(1 << 40)])
def test_a_negative_size_ends_it(tmp_path, size):
    good, faults = read(forge(tmp_path / "a.tar", "x", size, tail=bytes(10240)))
    assert good == {"ok": b"1"}
    assert faults[-1].name == ""


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_without_end_is_not_read(tmp_path, kind):
    good, faults = read(forge(tmp_path / "a.tar", "x", 1 << 36, kind, tail=bytes(10240)))
    assert good == {"ok": b"1"}
    assert f"a header of {1 << 36} bytes" in faults[0].detail


def test_headers_upon_headers(tmp_path):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 5
    block = info.tobuf(tarfile.GNU_FORMAT) + b"name".ljust(512, b"\0")
    path = pack(tmp_path / "a.tar", entry("ok", content=b"1"))
    path.write_bytes(path.read_bytes()[:1024] + block * 5000)
    good, faults = read(path)
    assert good == {"ok": b"1"}
    assert "headers without end" in faults[0].detail


def test_a_bomb_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_RATIO_FROM_BYTES", 1 << 20)
    path = pack(
        tmp_path / "a.tar.gz", entry("a", content=b"1"), entry("b", content=bytes(40 << 20)),
        entry("c", content=b"3"), mode="w:gz",
    )  # fmt: skip
    names = [member.name for member in read_archive(path)]
    assert names == ["a", "b", ""]


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.integers(0, 4095), st.integers(0, 255)), max_size=8), st.booleans())
def test_damaged_bytes_never_crash(tmp_path, changes, is_gzip):
    path = tmp_path / "a.tar"
    pack(path, entry("a" * 120, content=b"x" * 600), entry("b", content=b"y" * 600))
    content = bytearray(path.read_bytes()[:4096])
    for position, byte in changes:
        content[position] = byte
    path.write_bytes(gzip.compress(bytes(content)) if is_gzip else bytes(content))
    with contextlib.suppress(DataError):
        for member in read_archive(path):
            assert isinstance(member, ArchiveFault) or len(member.read() or b"") <= len(content)


def test_names_of_archives(tmp_path):
    names = ["a.tar", "A.TAR.GZ", "a.tgz", "a.tar.xz", "a.gz", ".a.tar", "tar"]
    assert [looks_like_archive(tmp_path / n) for n in names] == [True] * 3 + [False] * 4
