"""Properties of the TextGrid parser: what is written is read again, and nothing else breaks it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruach_data_annotations.textgrid import decode, parse_textgrid

from ruach_core.errors import DataError

TEXT = st.text(st.characters(codec="utf-16", exclude_characters="\0"), max_size=20)
TIME = st.floats(0, 1e6).map(lambda value: float(f"{value:.9f}"))
INTERVALS = st.lists(st.tuples(TIME, TIME, TEXT), max_size=5)
TIERS = st.lists(st.tuples(TEXT, INTERVALS), max_size=4, unique_by=lambda tier: tier[0])


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


def write_long(tiers):
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", "xmax = 9",
             "tiers? <exists>", f"size = {len(tiers)}", "item []:"]  # fmt: skip
    for i, (name, intervals) in enumerate(tiers, start=1):
        lines += [f"item [{i}]:", 'class = "IntervalTier"', f"name = {quoted(name)}", "xmin = 0",
                  "xmax = 9", f"intervals: size = {len(intervals)}"]  # fmt: skip
        for j, (start, end, text) in enumerate(intervals, start=1):
            lines += [f"intervals [{j}]:", f"xmin = {start:.9f}", f"xmax = {end:.9f}",
                      f"text = {quoted(text)}"]  # fmt: skip
    return "\n".join(lines)


def write_short(tiers):
    parts = ['"ooTextFile"', '"TextGrid"', "0", "9", "<exists>", str(len(tiers))]
    for name, intervals in tiers:
        parts += ['"IntervalTier"', quoted(name), "0", "9", str(len(intervals))]
        for start, end, text in intervals:
            parts += [f"{start:.9f}", f"{end:.9f}", quoted(text)]
    return "\n".join(parts)


@pytest.mark.parametrize("write", [write_long, write_short])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@settings(deadline=None, max_examples=25)
@given(tiers=TIERS)
def test_what_is_written_is_read(write, encoding, tiers):
    text, found = decode(write(tiers).encode(encoding), "x")
    assert found == encoding.removesuffix("-sig")
    read = [
        (tier.name, [(s.start_s, s.end_s, s.text) for s in tier.segments])
        for tier in parse_textgrid(text, "x")
    ]
    assert read == tiers


PIECES = st.sampled_from(
    [b'"ooTextFile"', b'"TextGrid"', b"0", b"1", b"2", b"<exists>", b"<absent>", b'"IntervalTier"',
     b'"TextTier"', b'"', b'""', b"!", b"\n", b"1e400", b"-1", b"[1]:", b"\xe9", b"\x8e", b"\0",
     b"\xff\xfe"]
)  # fmt: skip
HEAD = b'File type = "ooTextFile"\nObject class = "TextGrid"\n0 1 <exists> '


@settings(deadline=None, max_examples=200)
@given(
    content=st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=300).map(lambda tail: HEAD + tail),
        st.lists(PIECES, max_size=30).map(b" ".join),
        st.lists(PIECES, max_size=30).map(lambda pieces: HEAD + b" ".join(pieces)),
        st.binary(max_size=300).map(lambda tail: b"\xff\xfe" + tail),
    )
)
def test_any_bytes_give_tiers_or_a_data_error(content):
    try:
        text, _ = decode(content, "x")
        tiers = list(parse_textgrid(text, "x"))
    except DataError as error:
        message = str(error)
    else:
        message = "x"
        assert all(isinstance(segment.text, str) for tier in tiers for segment in tier.segments)
    assert message.startswith("x")
    assert "\n" not in message
