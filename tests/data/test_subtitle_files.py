from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ruach_core.data.subtitle_files import (
    MAX_FILE_BYTES,
    BadCue,
    SubtitleCue,
    parse_subtitles,
    read_subtitles,
)
from ruach_core.errors import DataError
from ruach_core.transcription.subtitles import build_cues, format_transcription
from ruach_core.transcription.transcribe import Segment, Transcription


def cues(text):
    found = parse_subtitles(text)
    assert all(isinstance(cue, SubtitleCue) for cue in found), found
    return found


def texts(text):
    return [cue.text for cue in cues(text)]


SRT = """1
00:00:01,000 --> 00:00:02,500
ሰላም ነው።
Second line

2
100:00:03,5 --> 100:00:04,25 X1:40 X2:600 Y1:20 Y2:50
<i>It</i> {\\an8}is <font color="#fff">Mr&nbsp;X &amp; co</font>\\Nhere
"""
VTT = """WEBVTT - a title
Kind: captions

STYLE
::cue { color: red }

REGION
id:fred

NOTE a comment
00:00:00.000 --> 00:00:01.000
of two lines

intro
00:01.000 --> 00:02.500 align:start position:0%
<v.loud Esther>Hi <00:01.200><c.yellow>there</c></v>

00:01:03.000 --> 01:01:04.000
<v Roger Bingham>one</v>
<v Abeba>two &lt;b&gt; &#65;&#x42;</v>
"""


def test_srt():
    first, second = cues(SRT)
    assert first == SubtitleCue(2, 1000, 2500, ("ሰላም ነው።", "Second line"))
    assert (first.text, first.start_s, first.end_s) == ("ሰላም ነው። Second line", 1.0, 2.5)
    assert (second.start_ms, second.end_ms) == (360_003_500, 360_004_250)
    assert second.lines == ("It is Mr\u00a0X & co", "here")
    assert second.text == "It is Mr X & co here"


def test_vtt():
    first, second = cues(VTT)
    assert first == SubtitleCue(15, 1000, 2500, ("Hi there",), "Esther")
    assert second.lines == ("one", "two <b> AB")
    assert second.speaker is None
    assert second.row == 18


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r", "\r\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("content", [SRT, VTT])
def test_line_ends_and_encodings(tmp_path, content, encoding, line_end):
    path = tmp_path / "a.srt"
    path.write_bytes(content.replace("\n", line_end).encode(encoding))
    assert read_subtitles(path) == parse_subtitles(content)


@pytest.mark.parametrize(
    "content",
    [
        "00:01,0 --> 00:02,0\na\n\n00:03,0 --> 00:04,0\nb",
        "1\n0:00:01.000 -> 0:00:02.000\na\n2\n0:00:03.000 --> 0:00:04.000\nb\n",
        "\n\n7\n\n00:00:01,000-->00:00:02,000\n\na\n\n\n\n"
        "3\n\n00:00:03,000 --> 00:00:04,000\n\nb\n\n",
        "1\n00:00:01 --> 00:00:02\na\n\n2\n00:00:03:000 --> 00:00:04:000\nb",
        "WEBVTT\n\n00:01.000 --> 00:02.000\na\n00:03.000 --> 00:04.000\nb\n",
        "WEBVTT\n00:01.000 --> 00:02.000\nheader\n\n00:01.000 --> 00:02.000\na\n\n\n\n"
        "00:03.000\t-->\t00:04.000\nb",
    ],
)
def test_other_ways_to_write_the_same(content):
    assert [(cue.start_ms, cue.end_ms, cue.text) for cue in cues(content)] == [
        (1000, 2000, "a"), (3000, 4000, "b"),
    ]  # fmt: skip


def test_numbers_and_blank_lines_inside_a_text():
    content = (
        "1\n00:00:01,000 --> 00:00:02,000\nIn the year\n\n  \n1974 it\n42\n\n"
        "2\n00:00:03,000 --> 00:00:04,000\n\n3\n00:00:05,000 --> 00:00:06,000\n99\n"
    )
    assert texts(content) == ["In the year 1974 it 42", "", "99"]


def test_cues_that_cannot_be_used_name_their_line():
    content = (
        "lost\n\n1\n00:00:09,000 --> 00:00:02,000\nbackwards\n\n2\n00:61:01,000 --> 00:62:00,000\n"
        "a\n\n3\n00:00:01,000 --> never\nb\n\n4\n00:00:01,000 --> 00:00:02,000\nfine\n\n5\n"
        "no times\n"
    )
    assert parse_subtitles(content) == [
        BadCue(1, "text without times (lost)"),
        BadCue(4, "ends before it starts (00:00:09,000 --> 00:00:02,000)"),
        BadCue(8, "not two times (00:61:01,000 --> 00:62:00,000)"),
        BadCue(12, "not two times (00:00:01,000 --> never)"),
        SubtitleCue(16, 1000, 2000, ("fine",)),
        BadCue(19, "text without times (5)"),
    ]


@pytest.mark.parametrize(
    ("lines", "spoken"),
    [
        (["[music]"], ""),
        (["♪ la la la ♪"], ""),
        (["♪ la la", "hello"], "hello"),
        (["(laughs)"], ""),
        (["(laughs", "loudly)"], ""),
        (["*sighs*"], ""),
        (["[door", "slams] Come in"], "Come in"),
        (["- Hi", "-Hello", ">> Yes", "– no"], "Hi Hello Yes no"),
        (["a - b", "-5 degrees", "well-known (he said)"], "a - b -5 degrees well-known (he said)"),
        (["...", "?!"], ""),
        (["ሰላም", "【拍手】"], "ሰላม".replace("ม", "ም")),
        (["今日は", "いい天気"], "今日はいい天気"),
        (["สวัสดี", "ครับ", "hello", "ครับ"], "สวัสดีครับ hello ครับ"),
    ],
)  # fmt: skip
def test_what_of_a_cue_is_speech(lines, spoken):
    assert SubtitleCue(1, 0, 1000, tuple(lines)).spoken == spoken


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1\n00:01,0 --> 00:02,0\ncaf\xe9", "row 3: not UTF-8 (byte 0xe9), perhaps Latin-1"),
        ("1\n00:01,0".encode("utf-16-le"), "UTF-16 without a mark"),
        (b"\xff\xfea", "not UTF-16"),
    ],
)  # fmt: skip
def test_files_that_are_no_text(tmp_path, content, message):
    path = tmp_path / "a.srt"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_subtitles(path)
    assert message in str(caught.value)
    assert "save it as UTF-8" in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="can't be read: No such file"):
        read_subtitles(tmp_path / "none.srt")
    path = tmp_path / "large.srt"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(DataError, match="over 16 MiB"):
        read_subtitles(path)


@pytest.mark.parametrize(
    "piece",
    ["\n", "\r", " ", "<", "<v ", "<v", "&", "{\\", "[", "(", "1\n", "-->", "00:01,0 --> 00:02,0\n",
     "00:01.0 --> 00:02.0", "0", "♪", "\n\n1", "<b ", "<br", "\n \n5\n"],
)  # fmt: skip
def test_long_runs_of_anything_are_read(piece):
    """A pattern that tries every place of such a run against every other would take hours."""
    for start in ("", "WEBVTT\n\n00:01.0 --> 00:02.0\nx", "1\n00:01,0 --> 00:02,0\nx"):
        for found in parse_subtitles(start + piece * (100_000 // len(piece)) + " x")[:3]:
            assert isinstance(found, BadCue) or isinstance(found.spoken, str)


MARKUP = st.sampled_from(
    ["1", "42", "\n", "\n\n", "\r\n", "00:01.0 --> 00:02.0", "00:00:01,5 --> 99:00:00,0 x", "-->",
     "WEBVTT", "NOTE", "STYLE", "<v Ann>", "<i>", "</i>", "&lt;", "&#0;", "&#xD800;", "&#9999999;",
     "{\\an8}", "a", "ሰ", "\u2028", "♪", "[", "]", "(", ")", "- ", ">>", "\ufeff", "\0", "\\N"]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.one_of(MARKUP, st.text(max_size=3)), max_size=30).map("".join))
@example("WEBVTT\n\n00:01.0 --> 00:02.0\n\n\n")
def test_any_text_is_cues_or_findings(text):
    for found in parse_subtitles(text):
        assert 1 <= found.row <= text.count("\n") + text.count("\r") + 1
        if isinstance(found, BadCue):
            assert found.detail
            assert "\n" not in found.detail
        else:
            assert 0 <= found.start_ms < found.end_ms
            assert all(line.strip() == line != "" for line in found.lines)
            assert found.spoken == "" or any(char.isalnum() for char in found.spoken)


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xfe", b"WEBVTT\n\n"]))
def test_any_bytes_are_read_or_one_clear_error(content, start):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.srt"
        path.write_bytes(start + content)
        try:
            read_subtitles(path)
        except DataError as error:
            assert "\n" not in str(error)  # noqa: PT017


LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
WORDS = st.one_of(
    st.text(LETTERS, min_size=1, max_size=6),
    st.sampled_from(
        [
            "<i>", "</i>", "<b", "<v", "Ann>", "&amp;", "&lt;", "&", "&#65;", "{\\an8}", "{\\a",
            "\\N", "7", "<br/>", "-->", "00:00:01,000", "NOTE", "♪", "<00:01>", "{<b>\\an8}",
            "<<b>i>", "&#<i>65;", "\ufeff",
        ]
    ),
)  # fmt: skip
SPOKEN = st.lists(
    st.tuples(st.floats(0, 5), st.floats(0, 40), st.lists(WORDS, max_size=12)), max_size=3
)


@settings(deadline=None)
@given(SPOKEN, st.sampled_from(["srt", "vtt"]), st.booleans())
def test_what_is_written_reads_back_the_same(steps, text_format, is_late):
    segments, end_s = [], 400_000.0 if is_late else 0.0
    for gap_s, length_s, words in steps:
        # SubRip has no way to write its own arrow within a text.
        text = " ".join(" ".join(words).replace("-->", "->").split())
        start_s, end_s = end_s + gap_s, end_s + gap_s + length_s
        segments += [Segment(start_s, end_s, text)] if text and "--" not in text else []
    transcription = Transcription(Path("talk.wav"), end_s, tuple(segments))
    read = parse_subtitles(format_transcription(transcription, text_format))
    written = build_cues(segments)
    assert [(cue.start_ms, cue.end_ms, cue.lines) for cue in read] == [
        (cue.start_ms, cue.end_ms, cue.lines) for cue in written
    ]
