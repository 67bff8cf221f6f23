"""What the fuzzer calls: for each kind of file one function that reads it as Ruach does.

A check returns a short note of what came of the file, by which the fuzzer tells inputs apart where
the work is done by a library that it can't look into. It may raise DataError and nothing else.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import seeds

from ruach_core.data.archive import ArchiveMember, read_archive
from ruach_core.data.audio import AudioError, load_audio
from ruach_core.data.audit.measures import header_duration_s, measure
from ruach_core.data.kaldi_tables import KaldiTable
from ruach_core.data.subtitle_files import BadCue, SubtitleCue, drop_carried_lines, read_subtitles
from ruach_core.data.table import read_columns, read_table
from ruach_core.errors import DataError
from ruach_core.transcription import reading
from ruach_core.types import Utterance


@dataclass(frozen=True)
class Target:
    """One kind of file.

    Attributes:
        check: reads the file at a path.
        seeds: valid files to start from.
        words: byte strings that mean something in such a file.
        suffix: of the file that is read.
    """

    check: Callable[[Path], str]
    seeds: Callable[[], dict[str, bytes]]
    words: Sequence[bytes] = field(default=())
    suffix: str = ""


def check_audio(path: Path) -> str:
    """The file as a run reads it: whole, a segment, for the audit, or to be transcribed."""
    way = zlib.crc32(path.read_bytes()) % 4
    utterance = Utterance("u", path, "", "train")
    if way == 0:
        wave = load_audio(path, max_duration_s=30)
    elif way == 1:
        wave = load_audio(path, start_s=0.01, end_s=0.04, max_duration_s=30)
    elif way == 2:
        header_duration_s(utterance)
        figures = measure(utterance)
        assert figures.duration_s > 0
        assert np.isfinite([figures.peak_db, figures.level_db, figures.offset]).all(), figures
        return f"{figures.rate} {figures.n_channels}"
    else:
        wave = np.concatenate([np.zeros(1, np.float32), *reading.iter_audio(path)])
    assert wave.dtype == np.float32
    assert wave.ndim == 1
    assert len(wave)
    assert np.isfinite(wave).all()
    return f"{len(wave).bit_length()}"


def check_subtitles(path: Path) -> str:
    """Cues, and what of them is speech; times and rows must make sense."""
    found = read_subtitles(path)
    for cue in [*found, *drop_carried_lines(found)]:
        assert cue.row >= 1
        if isinstance(cue, SubtitleCue):
            assert 0 <= cue.start_ms < cue.end_ms
            assert all(line == line.strip() != "" for line in cue.lines)
            assert cue.spoken == cue.spoken.strip()
            cue.text.encode()
    content = path.read_bytes()
    if content and zlib.crc32(content) % 8 == 0:
        # What takes more than its share of time for a long file shows in a long one alone.
        path.write_bytes(content * (200_000 // len(content) + 1))
        with contextlib.suppress(DataError):
            for cue in read_subtitles(path):
                assert isinstance(cue, BadCue) or cue.spoken is not None
    return f"{len(found).bit_length()}"


def check_table(path: Path) -> str:
    """A table of clips; its first byte says of which kind it is."""
    kind, content = path.read_bytes()[:1], path.read_bytes()[1:]
    suffixes = {b"t": ".tsv", b"j": ".jsonl", b"b": ".csv", b"k": ".scp"}
    table = path.with_suffix(suffixes.get(kind, ".csv"))
    table.write_bytes(content)
    fields = {"file": ("file_name", "path", "audio"), "text": ("transcription", "text")}
    if kind == b"k":
        keys = [row.key for row in KaldiTable(table).rows()]
        assert keys == sorted(keys)
        return f"{len(keys).bit_length()}"
    if kind == b"b":
        bare = read_columns(table, columns=("file", "text"), n_required=1, delimiter="|")
        numbers = [row.number for row in bare]
    else:
        rows = read_table(table, fields=fields, required=("file", "text"))
        numbers = [row.number for row in rows]
    assert numbers == sorted(set(numbers))
    return f"{len(numbers).bit_length()}"


def check_archive(path: Path) -> str:
    """The members of a tar archive and their first bytes; no name may lead out of it."""
    n_members = 0
    for member in read_archive(path):
        if isinstance(member, ArchiveMember):
            assert not member.name.startswith("/")
            assert ".." not in member.name.split("/")
            member.read(1 << 16)
            n_members += 1
    return f"{n_members}"


def check_textgrid(path: Path) -> str:
    """Tiers, and the choice among them."""
    from ruach_data_annotations.textgrid import read_textgrid

    tiers, encoding = read_textgrid(path, "a.TextGrid")
    return f"{encoding} {_choose(tiers)}"


def check_eaf(path: Path) -> str:
    """Tiers, the choice among them, and the licence."""
    from ruach_data_annotations.eaf import read_eaf, read_license

    eaf = read_eaf(path, "a.eaf")
    assert read_license(path, "a.eaf") in (eaf.license, "")
    return f"{len(eaf.media)} {_choose(eaf.tiers)}"


def _choose(tiers: Sequence[object]) -> str:
    from ruach_data_annotations import tiers as choosing

    choice = choosing.choose_tiers(tiers, ())  # type: ignore[arg-type]
    for tier in choice.tiers:
        assert all(np.isfinite([s.start_s, s.end_s]).all() for s in tier.segments)
        list(choosing.join_words(tier.segments))
    choosing.dependents(tiers, choice)  # type: ignore[arg-type]
    return f"{len(choice.tiers)} of {len(tiers)}"


_AUDIO_WORDS = (
    b"RIFF", b"RF64", b"WAVE", b"fmt ", b"data", b"fact", b"ds64", b"LIST", b"FORM", b"AIFF",
    b"AIFC", b"COMM", b"SSND", b".snd", b"caff", b"desc", b"kuki", b"pakt", b"fLaC", b"OggS",
    b"OpusHead", b"OpusTags", b"\x01vorbis", b"\x03vorbis", b"\x05vorbis", b"ID3", b"Xing", b"Info",
    b"LAME", b"\xff\xfb", b"\xff\xf1", b"ftyp", b"moov", b"mdat", b"trak", b"stsz", b"stts",
    b"stco", b"esds", b"\x1a\x45\xdf\xa3", b"NIST_1A", b"wvpk", b"TTA1", b"\x0b\x77", b"FLV\x01",
    b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x00",
    b"\xfe\xff", b"\x01\x00", b"\x03\x00", b"\x11\x00", b"\x31\x00", b"#!AMR\n", b"ADIF",
)  # fmt: skip
_SUBTITLE_WORDS = (
    b"WEBVTT", b"NOTE", b"STYLE", b"REGION", b" --> ", b"-->", b"00:00:01,000", b"00:01.5",
    b"<v Ann>", b"<i>", b"</i>", b"<br/>", b"<c.x>", b"&amp;", b"&#0;", b"&#xD800;", b"&NotEqual",
    b"{\\an8}", b"\\N", b"\r\n", b"\n\n", b"\xef\xbb\xbf", b"\xff\xfe", b"\xe2\x99\xaa", b">> ",
    b"[", b"]", b"(", b")", b"\xe2\x80\xa8",
)  # fmt: skip
_XML_WORDS = (
    b"<!DOCTYPE x>", b"<!ENTITY a 'b'>", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"&#0;", b"&amp;",
    b"TIME_SLOT", b"TIME_VALUE", b"TIER", b"PARENT_REF", b"REF_ANNOTATION", b"ANNOTATION_REF",
    b"PREVIOUS_ANNOTATION", b"ALIGNABLE_ANNOTATION", b"TIME_SLOT_REF1", b"encoding", b"utf-7",
    b"idna", b"utf-8", b"cp1252", b"-1", b"999999999999",
)  # fmt: skip
_TABLE_WORDS = (
    b'"', b'""', b"file_name", b"transcription", b"\t", b";", b"|", b"\r\n", b"\xef\xbb\xbf",
    b"\xff\xfe", b"\x00", b"null", b"true", b'{"path": ', b'"text": ', b"[", b"1e999", b"\\ud800",
    b"NaN", b".wav",
)  # fmt: skip
_TAR_WORDS = (
    b"ustar", b"ustar  \x00", b"../", b"././@LongLink", b"././@PaxHeader", b"path=", b"size=",
    b"GNU.sparse.map=", b"hdrcharset=BINARY", b"\x80", b"\xff", b"00000000000", b"\x1f\x8b\x08",
)  # fmt: skip
_TEXTGRID_WORDS = (
    b"ooTextFile", b"TextGrid", b"IntervalTier", b"TextTier", b"<exists>", b"<absent>", b'""',
    b"1e308", b"-1", b"ooBinaryFile", b"chronological", b"!", b"\xff\xfe",
)  # fmt: skip

TARGETS = {
    "audio": Target(check_audio, seeds.audio, _AUDIO_WORDS, ".wav"),
    "subtitles": Target(check_subtitles, seeds.subtitles, _SUBTITLE_WORDS, ".srt"),
    "tables": Target(check_table, seeds.tables, _TABLE_WORDS, ".bin"),
    "archives": Target(check_archive, seeds.archives, _TAR_WORDS, ".tar"),
    "textgrids": Target(check_textgrid, seeds.textgrids, _TEXTGRID_WORDS, ".TextGrid"),
    "eafs": Target(check_eaf, seeds.eafs, _XML_WORDS, ".eaf"),
}


def describe_refusal(error: DataError) -> str:
    """What a file was refused for, without the numbers in it."""
    text = error.detail if isinstance(error, AudioError) else str(error)
    return "".join(char for char in text if not char.isdigit())
