from __future__ import annotations

from pathlib import Path

import pytest

from ruach_core.alignment.known import join_words, matching_key, read_known_text
from ruach_core.errors import DataError
from ruach_core.plugins import Plugins


@pytest.fixture(scope="module")
def normalizer():
    return Plugins.load("en", use_pack=False).normalizer()


def read(path: Path, content: str | bytes, normalizer, *, has_times: bool = False):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_known_text(path, normalizer, has_times=has_times)


def test_words_keep_their_spelling_and_are_matched_without(tmp_path, normalizer) -> None:
    text = "\ufeffHe said: \u201cGo!\u201d \u2014\r\n\r\nÁnd e\u0301ven so\u2026 12"
    known = read(tmp_path / "a.txt", text, normalizer)
    assert [word.key for word in known.words] == ["he", "said", "go", "ánd", "éven", "so", "12"]
    assert join_words(known.words) == "He said: “Go!” — Ánd e\u0301ven so… 12"
    assert not known.has_times


@pytest.mark.parametrize(
    ("text", "words", "joined"),
    [
        ("ሰላም፡ለዓለም።", ["ሰላም፡", "ለዓለም።"], "ሰላም፡ለዓለም።"),
        ("שלום, עולם!", ["שלום,", "עולם!"], "שלום, עולם!"),
        ("我们去 家。", ["我", "们", "去", "家。"], "我们去 家。"),
        ("one—two", ["one—", "two"], "one—two"),
        ("- one -- two -", ["- one --", "two -"], "- one -- two -"),
    ],
)
def test_scripts_have_their_own_words(tmp_path, normalizer, text, words, joined) -> None:
    known = read(tmp_path / "a.txt", text, normalizer)
    assert [word.text for word in known.words] == words
    assert join_words(known.words) == joined


def test_utf_16_is_read_and_other_encodings_are_named(tmp_path, normalizer) -> None:
    assert len(read(tmp_path / "a.txt", "one two".encode("utf-16"), normalizer).words) == 2
    with pytest.raises(DataError, match=r"b\.txt row 2: not UTF-8"):
        read(tmp_path / "b.txt", "one\nb\xe9".encode("latin-1"), normalizer)


@pytest.mark.parametrize("content", ["", " \n\r\n", "\ufeff", "... — !"])
def test_a_text_without_words_is_refused(tmp_path, normalizer, content) -> None:
    with pytest.raises(DataError, match=r"a\.txt: has no word"):
        read(tmp_path / "a.txt", content, normalizer)


SUBTITLES = """\ufeff2
00:00:05,000 --> 00:00:07,000
<i>three</i> [music]
four

1
00:00:01,000 --> 00:00:03,000
one two

3
00:00:09,000 --> 00:00:08,000
never

4
00:00:10,000 --> 00:00:11,000
♪ la la ♪
"""


def test_subtitles_give_words_times_in_order(tmp_path, normalizer) -> None:
    known = read(tmp_path / "a.srt", SUBTITLES.replace("\n", "\r\n"), normalizer, has_times=True)
    assert [word.key for word in known.words] == ["one", "two", "three", "four"]
    assert [word.time_s for word in known.words] == pytest.approx([1.5, 2.5, 5.56, 6.56], abs=0.02)
    assert join_words(known.words) == "one two three four"
    assert known.has_times
    assert len(known.notes) == 1
    assert "1 cues can't be read" in known.notes[0]


def test_subtitles_without_speech_are_refused(tmp_path, normalizer) -> None:
    with pytest.raises(DataError, match="no cue with speech"):
        read(tmp_path / "a.srt", "1\n00:00:01,000 --> 00:00:02,000\n[music]\n", normalizer,
             has_times=True)  # fmt: skip


def test_keys_have_no_spaces(normalizer) -> None:
    assert matching_key("A b,\tC", normalizer) == "abc"
