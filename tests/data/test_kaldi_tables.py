from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ruach_core.data.kaldi_pipes import parse_recording
from ruach_core.data.kaldi_tables import KaldiLookup, KaldiTable, join

KEYS = st.text("ab-_é\u00a0\u2028𐀀", min_size=1, max_size=4)
VALUES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\0\ufeff"), max_size=8
).map(lambda text: text.strip(" \t"))
ROWS = st.lists(st.tuples(KEYS, VALUES), max_size=12)


def _table(folder: Path, name: str, rows: list[tuple[str, str]], separator: str) -> KaldiTable:
    path = folder / name
    content = "".join(f"{key}{separator}{value}\n" for key, value in rows)
    path.write_text(content, encoding="utf-8")
    return KaldiTable(path)


@settings(deadline=None)
@given(ROWS, ROWS, ROWS, st.booleans(), st.sampled_from([" ", "\t", " \t "]))
def test_tables_are_joined_like_dictionaries(left, right, beside, is_sorted, separator):
    if is_sorted:
        left, right, beside = (
            sorted(rows, key=lambda row: row[0]) for rows in (left, right, beside)
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        a, b, c = (
            _table(folder, name, rows, separator)
            for name, rows in (("a", left), ("b", right), ("c", beside))
        )
        expected: dict[str, str] = {}
        for key, value in beside:
            expected.setdefault(key, value)
        assert {key: row.value for key, row in c.load().items()} == expected
        lookup = KaldiLookup(c)
        seen_left, seen_right, keys = [], [], []
        for x, y in join(a.rows(), b.rows()):
            key = (x or y).key
            keys.append(key)
            seen_left += [(x.key, x.value)] if x else []
            seen_right += [(y.key, y.value)] if y else []
            if x and y:
                assert x.key == y.key
            row = lookup.get(key)
            assert (row.value if row else None) == expected.get(key)
        assert keys == sorted(keys)
        assert seen_left == sorted(left, key=lambda row: row[0])
        assert seen_right == sorted(right, key=lambda row: row[0])
        paired = {x.key for x, y in join(a.rows(), b.rows()) if x and y}
        assert paired == {key for key, _ in left} & {key for key, _ in right}


@settings(deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"", b"\xff\xfe", b"\xef\xbb\xbf", b"a b\n"]))
def test_any_bytes_are_rows_or_one_clear_error(content, start):
    from ruach_core.errors import DataError

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "text"
        path.write_bytes(start + content)
        try:
            rows = list(KaldiTable(path).rows())
        except DataError as error:
            assert "\n" not in str(error)  # noqa: PT017
        else:
            assert all(row.key for row in rows)


@pytest.mark.parametrize(
    ("entry", "file", "channel"),
    [
        ("/a b/c.wav", "/a b/c.wav", None),
        ("it's $5 (new).wav", "it's $5 (new).wav", None),
        ("cat a.wav |", "a.wav", None),
        ("flac -c -d -s /x/a.flac |", "/x/a.flac", None),
        ("/usr/bin/flac --decode --stdout --silent a.flac|", "a.flac", None),
        ("flac -dcs a.flac |", "a.flac", None),
        ("sph2pipe -f wav a.sph |", "a.sph", None),
        ("/k/tools/sph2pipe_v2.5/sph2pipe -f wav -p -c 2 a.sph |", "a.sph", 2),
        ("sox a.wav -t wav - |", "a.wav", None),
        ("sox -t mp3 a.mp3 -r 16000 -b 16 -c 1 -e signed-integer -t wav - |", "a.mp3", None),
        ("sox -G a.wav -t wav - rate -v 16k |", "a.wav", None),
        ("ffmpeg -v 8 -i a.mp3 -f wav -ar 16000 -acodec pcm_s16le - |", "a.mp3", None),
        ("ffmpeg -i a.mp4 -f wav -ar 16000 -ab 16 - | sox - -t wav - |", "a.mp4", None),
        ('cat "a b.wav" |', "a b.wav", None),
        (r"cat a\ b.wav |", "a b.wav", None),
        ("cat 'a;b$(c).wav' |", "a;b$(c).wav", None),
    ],
)
def test_entries_that_read_one_file(entry, file, channel):
    found = parse_recording(entry)
    assert (found.file, found.channel, found.problem) == (file, channel, "")


@pytest.mark.parametrize(
    "entry",
    [
        "", "-", "|", "| cat", "|cat a.wav|", "cat |", "cat a.wav b.wav |", "cat -n a.wav |",
        "cat a.wav | cat b.wav |", "cat a.wav || cat |", "cat a.wav; rm b |", "cat $a.wav |",
        "cat a.wav > b |", "cat *.wav |", 'cat "$(rm b)" |', 'cat "`rm b`" |', "cat 'a.wav |",
        "cat ~/a.wav |", "rm a.wav |", "flac a.flac |", "flac -c -d --skip=10 a.flac |",
        "sph2pipe -t 1:2 a.sph |", "sox a.wav -t wav - trim 0 1 |", "sox a.wav -t wav - speed 1.1|",
        "sox -m a.wav b.wav -t wav - |", "sox -t raw -r 8000 a.raw -t wav - |", "sox a.wav b.wav |",
        "ffmpeg -ss 3 -i a.mp3 -f wav - |", "ffmpeg -i a.mp3 -f mp3 - |", "ffmpeg -i a.mp3 b.wav |",
        "ffmpeg -i https://a/b.mp3 -f wav - |", "a.ark:12", "a.ark:12[0:3]", "x" * 9000,
    ],
)  # fmt: skip
def test_entries_that_need_more_than_a_file(entry):
    found = parse_recording(entry)
    assert not found.file
    assert found.problem


WORDS = st.sampled_from(
    [
        "cat", "flac", "-c", "-d", "sox", "-t", "wav", "-", "|", "'", '"', "\\", "$x", ";", "a b",
        "é.wav", "&", "\n", "(", "`", "#", "ffmpeg", "-i", "-f", "sph2pipe", "'q r'", "{a,b}",
    ]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(WORDS, max_size=9).map(" ".join), st.booleans())
@example("cat 'a\\' |", False)
def test_any_entry_is_a_file_or_a_problem(entry, is_pipe):
    found = parse_recording(entry + (" |" if is_pipe else ""))
    assert bool(found.file) != bool(found.problem)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text("ab '\"\\é#!=%^", min_size=1, max_size=5), min_size=1, max_size=2))
def test_files_are_quoted_as_the_shell_quotes(parts):
    """Whatever is taken from `cat FILE |` is the one word that a shell would see."""
    line = "cat " + "".join(parts)
    found = parse_recording(f"{line} |")
    if not found.file or found.file == "-":
        return
    script = f"set -- {line.removeprefix('cat ')} \nprintf '%s\\0' \"$@\""
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=False)
    assert done.stdout == found.file.encode() + b"\0"
