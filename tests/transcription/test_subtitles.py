from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruach_core.transcription.subtitles import (
    MAX_LINE_LENGTH,
    TEXT_FORMATS,
    build_cues,
    format_transcription,
)
from ruach_core.transcription.transcribe import Segment, Transcription
from ruach_core.transcription.words import Word


def _format(segments: list[Segment], text_format: str) -> str:
    transcription = Transcription(Path("talk.wav"), 4000.0, tuple(segments))
    return format_transcription(transcription, text_format, lang="am")  # type: ignore[arg-type]


TWO = [Segment(0.0, 1.5, "ሰላም ነው።"), Segment(3661.2346, 3662.0, "a & b <i> --> c")]


def test_srt() -> None:
    assert _format(TWO, "srt") == (
        "1\n00:00:00,000 --> 00:00:01,500\nሰላም ነው።\n"
        "\n"
        "2\n01:01:01,235 --> 01:01:02,000\na & b &lt;i> -> c\n"
    )


def test_vtt() -> None:
    assert _format(TWO, "vtt") == (
        "WEBVTT\n"
        "\n"
        "00:00:00.000 --> 00:00:01.500\nሰላም ነው።\n"
        "\n"
        "01:01:01.235 --> 01:01:02.000\na &amp; b &lt;i&gt; --&gt; c\n"
    )


def test_text() -> None:
    assert _format(TWO, "text") == "ሰላም ነው።\na & b <i> --> c\n"


def test_json() -> None:
    content = json.loads(_format(TWO, "json"))
    assert content["language"] == "am"
    assert content["segments"][0] == {"start": 0.0, "end": 1.5, "text": "ሰላም ነው።"}
    assert "ሰላም" in _format(TWO, "json")


def test_json_holds_word_times() -> None:
    segment = Segment(1.0, 2.0, "a b", (Word(1.0, 1.4, "a"), Word(1.5, 2.0, "b")))
    content = json.loads(_format([segment], "json"))
    assert content["segments"][0]["words"][1] == {"start": 1.5, "end": 2.0, "word": "b"}


@pytest.mark.parametrize("text_format", TEXT_FORMATS)
def test_nothing_said_is_valid_in_every_format(text_format: str) -> None:
    expected = {"text": "", "srt": "", "vtt": "WEBVTT\n"}
    if text_format == "json":
        assert json.loads(_format([], "json"))["segments"] == []
    else:
        assert _format([], text_format) == expected[text_format]


def test_long_segments_are_split_at_words_by_their_share_of_time() -> None:
    words = [f"word{i:02}" for i in range(40)]
    cues = build_cues([Segment(10.0, 30.0, " ".join(words))])
    assert " ".join(" ".join(cue.lines) for cue in cues).split() == words
    assert cues[0].start_ms == 10_000
    assert cues[-1].end_ms == 30_000
    assert all(cue.end_ms - cue.start_ms <= 7_500 for cue in cues)
    assert all(len(cue.lines) <= 2 for cue in cues)
    for cue in cues:
        share = len(" ".join(cue.lines).replace(" ", "")) / (40 * 6)
        assert (cue.end_ms - cue.start_ms) / 20_000 == pytest.approx(share, abs=0.01)


def test_a_split_moves_to_the_end_of_a_sentence() -> None:
    text = "He bought a bicycle last week. There are seven chairs in the house of the old man now"
    first, second = build_cues([Segment(0.0, 8.0, text)])
    assert " ".join(first.lines).endswith("last week.")
    assert " ".join(second.lines).startswith("There are")


def test_splits_take_the_times_of_the_words() -> None:
    words = tuple(Word(i, i + 0.5, f"word{i:02}") for i in range(20))
    cues = build_cues([Segment(0.0, 20.0, " ".join(w.text for w in words), words)])
    shown = [" ".join(cue.lines).split() for cue in cues]
    assert [w for group in shown for w in group] == [w.text for w in words]
    for cue, group in zip(cues, shown, strict=True):
        assert cue.start_ms == 1000 * int(group[0][4:])
        assert cue.end_ms == 1000 * int(group[-1][4:]) + 500


def test_lines_are_balanced() -> None:
    (cue,) = build_cues([Segment(0.0, 4.0, "She walked along the river until the sun went down.")])
    lengths = [len(line) for line in cue.lines]
    assert len(lengths) == 2
    assert max(lengths) - min(lengths) < 10


def test_text_without_spaces_is_cut_into_lines_but_never_before_a_mark() -> None:
    syllable = "กำ\u0e34\u0e48"  # a letter with vowel signs and a tone mark
    cues = build_cues([Segment(0.0, 6.0, syllable * 40)])
    lines = [line for cue in cues for line in cue.lines]
    assert "".join(lines) == syllable * 40
    assert len(lines) > 3
    for line in lines:
        assert line[0].isalnum()
        assert len(line) < MAX_LINE_LENGTH + 6


def test_cues_never_overlap_even_where_segments_do() -> None:
    cues = build_cues([Segment(1.0, 3.0, "a"), Segment(2.0, 2.5, "b"), Segment(2.5, 2.5, "c")])
    times = [(cue.start_ms, cue.end_ms) for cue in cues]
    assert times == [(1000, 3000), (3000, 3001), (3001, 3002)]


segments = st.lists(
    st.tuples(
        st.floats(0, 5),
        st.floats(0, 40),
        st.text(alphabet="ab ሰላም።.\u0301<>&-", min_size=0, max_size=300),
    ),
    max_size=6,
)


def _build(steps: list[tuple[float, float, str]]) -> list[Segment]:
    result, end = [], 0.0
    for gap_s, length_s, text in steps:
        result.append(Segment(end + gap_s, end + gap_s + length_s, " ".join(text.split())))
        end += gap_s + length_s
    return [segment for segment in result if segment.text]


@given(segments)
def test_cues_are_ordered_and_hold_the_whole_text(steps: list[tuple[float, float, str]]) -> None:
    spoken = _build(steps)
    cues = build_cues(spoken)
    assert all(cue.start_ms < cue.end_ms for cue in cues)
    assert all(a.end_ms <= b.start_ms for a, b in itertools.pairwise(cues))
    assert all(line and line == line.strip() for cue in cues for line in cue.lines)
    shown = "".join(line for cue in cues for line in cue.lines).replace(" ", "")
    assert shown == "".join(segment.text for segment in spoken).replace(" ", "")


@given(segments)
def test_subtitle_files_keep_their_grammar(steps: list[tuple[float, float, str]]) -> None:
    spoken = _build(steps)
    srt = _format(spoken, "srt")
    blocks = srt.split("\n\n") if srt else []
    for number, block in enumerate(blocks, start=1):
        index, times, *lines = block.rstrip("\n").split("\n")
        assert index == str(number)
        assert re.fullmatch(r"\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}", times)
        assert lines
        assert all(line and "-->" not in line for line in lines)
    vtt = _format(spoken, "vtt")
    assert vtt.startswith("WEBVTT\n")
    for block in vtt.split("\n\n")[1:]:
        times, *lines = block.rstrip("\n").split("\n")
        assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} --> \d\d:\d\d:\d\d\.\d{3}", times)
        assert not any("<" in line or ">" in line for line in lines)
