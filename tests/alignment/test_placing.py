from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruach_core.alignment.known import KnownWord
from ruach_core.alignment.placing import place_words
from ruach_core.alignment.segments import build_segments
from ruach_core.alignment.settling import Piece
from ruach_core.plugins import Plugins

VOCABULARY = [
    "".join(random.Random(n).choices("aeioutnslrkmbdg", k=2 + n % 7)) for n in range(600)
]  # fmt: skip


def say(n_words: int, seed: int) -> list[str]:
    return random.Random(seed).choices(VOCABULARY, k=n_words)


def known(words: list[str], times_s: list[float] | None = None) -> list[KnownWord]:
    times: list[float | None] = list(times_s) if times_s else [None] * len(words)
    return [KnownWord(word, word, time_s=t) for word, t in zip(words, times, strict=True)]


def hear(sentences: list[list[str]], rate: float = 0.0, seed: int = 0) -> list[Piece]:
    """A piece for each sentence, ten letters a second, half a second between; misheard."""
    rng = random.Random(seed)
    pieces, start_s = [], 0.5
    for words in sentences:
        letters = "".join(words)
        heard = "".join(
            rng.choice("aeioutnslrkm") if rng.random() < rate else letter for letter in letters
        )
        pieces.append(Piece(start_s, start_s + len(letters) / 10, heard, heard))
        start_s += len(letters) / 10 + 0.5
    return pieces


NORMALIZER = Plugins.load("en", use_pack=False).normalizer()


def test_each_piece_gets_its_words() -> None:
    sentences = [say(3 + n % 9, n) for n in range(40)]
    placing = place_words(hear(sentences, 0.3), known(list(itertools.chain(*sentences))))
    truth = np.repeat(np.arange(40), [len(words) for words in sentences])
    assert (placing.piece_of == truth).mean() > 0.97
    assert placing.matched_share == pytest.approx(0.7, abs=0.06)


@given(st.integers(0, 5_000), st.floats(0.0, 0.6), st.integers(1, 25), st.booleans())
@settings(max_examples=20)
def test_no_word_is_lost_or_doubled_and_order_is_kept(
    seed: int, rate: float, n_sentences: int, has_times: bool
) -> None:
    rng = random.Random(seed)
    sentences = [say(rng.randint(1, 12), seed + n) for n in range(n_sentences)]
    said = [s for s in sentences if rng.random() < 0.8] or sentences
    read = [s for s in sentences if rng.random() < 0.8] or sentences
    words = list(itertools.chain(*read))
    times = [0.4 * n for n in range(len(words))] if has_times else None
    pieces = hear(said, rate, seed)
    placing = place_words(pieces, known(words, times))
    placed = placing.piece_of[placing.piece_of >= 0]
    assert (np.diff(placed) >= 0).all()
    assert len(placing.piece_of) == len(words)
    assert placing.is_unsure.shape == (len(pieces), 2)
    segments = build_segments(
        pieces, known(words, times), placing, NORMALIZER, max_segment_s=15, max_score=0.5
    )
    spoken = " ".join(s.transcription for s in segments if s.transcription).split()
    assert spoken == [words[i] for i in np.flatnonzero(placing.piece_of >= 0)]
    assert sum(s.n_words for s in segments) == len(placed)
    assert [s.start_s for s in segments] == sorted(s.start_s for s in segments)
    assert sum(len(s.hypothesis.split()) for s in segments) == len(pieces)


def test_a_sentence_that_nobody_says_is_in_no_segment() -> None:
    sentences = [say(8, n) for n in range(12)]
    words = known(list(itertools.chain(*sentences)))
    pieces = hear([*sentences[:5], *sentences[6:]], 0.2)
    placing = place_words(pieces, words)
    assert set(placing.piece_of[40:48]) <= {-1, -2}
    segments = build_segments(pieces, words, placing, NORMALIZER, max_segment_s=15, max_score=0.5)
    kept = [s for s in segments if not s.reason]
    assert len(kept) >= 9
    truth = {" ".join(words) for words in sentences}
    assert all(segment.transcription in truth for segment in kept)


def test_a_sentence_that_is_not_in_the_text_is_for_review() -> None:
    sentences = [say(8, n) for n in range(12)]
    words = known(list(itertools.chain(*sentences[:6], *sentences[7:])))
    pieces = hear(sentences, 0.2)
    placing = place_words(pieces, words)
    segments = build_segments(pieces, words, placing, NORMALIZER, max_segment_s=15, max_score=0.5)
    assert segments[6].reason == "not in the text"
    assert segments[6].transcription == ""
    assert segments[6].score == float("inf")
    assert sum(not segment.reason for segment in segments) >= 10


def test_a_sentence_that_was_not_understood_gets_what_lies_between() -> None:
    sentences = [say(8, n) for n in range(9)]
    words = known(list(itertools.chain(*sentences)))
    pieces = hear(sentences, 0.1)
    length_s = pieces[4].end_s - pieces[4].start_s
    pieces[4] = Piece(pieces[4].start_s, pieces[4].start_s + length_s, "zzzz", "zzzz")
    placing = place_words(pieces, words)
    segments = build_segments(pieces, words, placing, NORMALIZER, max_segment_s=1, max_score=0.5)
    assert segments[4].transcription == " ".join(sentences[4])
    assert segments[4].reason.startswith("score above")


def test_a_number_in_digits_leaves_room_for_its_word() -> None:
    sentences = [say(8, n) for n in range(6)]
    sentences[2][-1] = "eight"
    words = known(list(itertools.chain(*sentences)))
    pieces = hear(sentences)
    heard = "".join(sentences[2][:-1]) + "8"
    pieces[2] = Piece(pieces[2].start_s, pieces[2].end_s, heard, heard)
    placing = place_words(pieces, words)
    assert placing.is_unsure[2, 1]
    segments = build_segments(pieces, words, placing, NORMALIZER, max_segment_s=5)
    assert segments[2].transcription.endswith(" eight")
    assert segments[2].reason == "first or last words unsure"


def test_a_word_cut_in_two_joins_its_pieces() -> None:
    sentences = [say(8, n) for n in range(6)]
    words = list(itertools.chain(*sentences))
    letters = "".join(words)
    middle = len("".join(words[:20])) + len(words[20]) // 2
    halves = [letters[:middle], letters[middle:]]
    pieces = [
        Piece(0.0, 5.0, halves[0], halves[0]), Piece(5.1, 10.0, halves[1], halves[1])
    ]  # fmt: skip
    placing = place_words(pieces, known(words))
    for max_segment_s, n_segments in ((15, 1), (8, 2)):
        segments = build_segments(
            pieces, known(words), placing, NORMALIZER, max_segment_s=max_segment_s, max_score=0.5
        )
        assert len(segments) == n_segments
        assert all(bool(s.reason) == (n_segments == 2) for s in segments)


@pytest.mark.parametrize("shift_s", [0.0, 2.5, -7.0])
def test_the_shift_of_subtitles_is_found(shift_s: float) -> None:
    sentences = [say(8, n) for n in range(20)]
    pieces = hear(sentences, 0.2)
    times = []
    for words, piece in zip(sentences, pieces, strict=True):
        lengths = np.cumsum([0, *map(len, words)])
        middles = (lengths[:-1] + lengths[1:]) / 2
        times += [piece.start_s + middle / 10 - shift_s for middle in middles]
    placing = place_words(pieces, known(list(itertools.chain(*sentences)), times))
    assert placing.shift_s == pytest.approx(shift_s, abs=0.2)


def test_times_decide_where_nothing_was_understood() -> None:
    sentences = [say(8, n) for n in range(10)]
    pieces = hear(sentences, 0.1)
    times = []
    for words, piece in zip(sentences, pieces, strict=True):
        times += list(np.linspace(piece.start_s + 0.1, piece.end_s - 0.1, len(words)))
    for n in (4, 5):
        pieces[n] = Piece(pieces[n].start_s, pieces[n].end_s, "zz", "zz")
    placing = place_words(pieces, known(list(itertools.chain(*sentences)), times))
    assert placing.piece_of.tolist() == np.repeat(np.arange(10), 8).tolist()
    assert placing.is_unsure[4:6].all()
