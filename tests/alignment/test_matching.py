from __future__ import annotations

import itertools
import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruach_core.alignment import matching
from ruach_core.alignment.chaining import find_chain
from ruach_core.alignment.matching import MISSING, SKIPPED, match_texts

LETTERS = "aeioutnslrkmbdg"


def make_text(n_words: int, seed: int) -> str:
    """Words of a made-up language, the frequent ones frequent, without spaces."""
    rng = random.Random(0)
    words = ["".join(rng.choices(LETTERS, k=rng.randint(2, 8))) for _ in range(4000)]
    weights = [1 / (rank + 20) for rank in range(len(words))]
    return "".join(random.Random(seed).choices(words, weights, k=n_words))


def mishear(text: str, rate: float, seed: int = 1) -> str:
    """The text with so many characters replaced, left out or added."""
    rng = random.Random(seed)
    heard = []
    for char in text:
        kind = rng.random() / rate
        if kind >= 1:
            heard.append(char)
        elif kind < 0.6:
            heard.append(rng.choice(LETTERS))
        elif kind < 0.8:
            heard.append(char + rng.choice(LETTERS))
    return "".join(heard)


def check(found: matching.Matching, hypothesis: str, text: str) -> None:
    """Partners are each other's, and rise."""
    assert len(found.of_text) == len(text)
    assert len(found.of_hypothesis) == len(hypothesis)
    of_text, of_hypothesis = found.of_text, found.of_hypothesis
    for j in np.flatnonzero(of_text >= 0):
        assert of_hypothesis[of_text[j]] == j
    assert (of_text >= 0).sum() == (of_hypothesis >= 0).sum()
    partners = of_text[of_text >= 0]
    assert (np.diff(partners) > 0).all()
    lowest = np.minimum(of_text.min(initial=0), of_hypothesis.min(initial=0))
    assert lowest in (0, MISSING, SKIPPED)
    equal = sum(hypothesis[i] == text[j] for j, i in enumerate(of_text) if i >= 0)
    assert found.n_equal == equal


@given(st.text("abc", max_size=30), st.text("abc", max_size=30))
@settings(max_examples=50)
def test_any_two_texts_are_matched_in_order(hypothesis: str, text: str) -> None:
    check(match_texts(hypothesis, text), hypothesis, text)


@given(st.integers(0, 10_000), st.floats(0.01, 0.8), st.integers(5, 120))
@settings(max_examples=20)
def test_dividing_first_keeps_all_in_order(seed: int, rate: float, n_words: int) -> None:
    text = make_text(n_words, seed)
    hypothesis = mishear(text, rate, seed)
    with pytest.MonkeyPatch.context() as patch:
        # Small tables, so that a short text is divided as an hour's is.
        patch.setattr(matching, "_MAX_CELLS", 2_500)
        patch.setattr(matching, "_CORNER", 40)
        check(match_texts(hypothesis, text), hypothesis, text)


def best_score(hypothesis: str, text: str) -> int:
    """The best score by the definition, cell by cell."""
    n, m = len(hypothesis), len(text)
    table = [[-(10**6)] * (m + 1) for _ in range(n + 1)]
    for i, j in itertools.product(range(n + 1), range(m + 1)):
        options = [0] if i == j == 0 else []
        if i and j:
            pair = matching.MATCH if hypothesis[i - 1] == text[j - 1] else matching.MISMATCH
            options.append(table[i - 1][j - 1] + pair)
        options += [table[i - 1][j] + matching.INDEL] if i else []
        options += [table[i][j - 1] + matching.INDEL] if j else []
        options += [table[k][j] - matching.JUMP for k in range(i)]
        options += [table[i][k] - matching.JUMP for k in range(j)]
        table[i][j] = max(options)
    return table[n][m]


@given(st.text("abcd", max_size=14), st.text("abcd", max_size=14))
@settings(max_examples=40)
def test_a_table_holds_the_best_score(hypothesis: str, text: str) -> None:
    codes = [np.array([ord(c) for c in s], dtype=np.int32) for s in (hypothesis, text)]
    assert matching._fill(*codes)[-1, -1] == best_score(hypothesis, text)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_what_is_misheard_finds_its_place(rate: float) -> None:
    text = make_text(500, 5)
    found = match_texts(mishear(text, rate), text)
    assert found.n_equal / len(text) > 1 - 1.1 * rate
    assert (found.of_text == SKIPPED).mean() < 0.02


def test_preface_skipped_page_and_announcement_cost_only_themselves() -> None:
    before, behind = make_text(400, 1), make_text(400, 2)
    preface, page, announcement = make_text(900, 3), make_text(200, 4), make_text(60, 5)
    hypothesis = mishear(before, 0.3) + announcement + mishear(behind, 0.3)
    found = match_texts(hypothesis, preface + before + page + behind)
    parts = np.cumsum([0, len(preface), len(before), len(page), len(behind)])
    paired = [(found.of_text[a:b] >= 0).mean() for a, b in itertools.pairwise(parts)]
    assert paired[0] < 0.01
    assert paired[2] < 0.05
    assert min(paired[1], paired[3]) > 0.9
    start = len(mishear(before, 0.3))
    assert (found.of_hypothesis[start : start + len(announcement)] >= 0).mean() < 0.1


def test_a_chapter_is_found_in_its_book() -> None:
    book = make_text(20_000, 6)
    found = match_texts(mishear(book[40_000:46_000], 0.4), book)
    places = np.flatnonzero(found.of_text >= 0)
    inside = (places >= 40_000) & (places < 46_000)
    assert inside.mean() > 0.99
    assert inside.sum() > 5_000


def test_unrelated_texts_share_next_to_nothing() -> None:
    hypothesis, text = make_text(800, 7), make_text(800, 8)
    assert match_texts(hypothesis, text).n_equal < 0.03 * len(hypothesis)


def test_time_grows_with_the_length_and_not_its_square() -> None:
    def measure(n_words: int) -> float:
        text = make_text(n_words, 9)
        hypothesis = mishear(text, 0.25)
        began = time.process_time()
        match_texts(hypothesis, text)
        return time.process_time() - began

    measure(200)
    assert measure(3_000) < 8 * max(0.05, measure(750))


def test_hostile_texts_stay_in_bounds() -> None:
    for hypothesis, text in (("ab" * 5_000, "ab" * 8_000), ("a" * 9_000, "b" * 9_000)):
        check(match_texts(hypothesis, text), hypothesis, text)


def test_chains_rise_and_hold_equal_strings() -> None:
    text = make_text(800, 10)
    heard = mishear(text, 0.2)
    codes = [np.array([ord(c) for c in s], dtype=np.int32) for s in (heard, text)]
    chain = find_chain(*codes, 8)
    assert len(chain) > 20
    for run in chain:
        known = text[run.known : run.known + run.length]
        assert heard[run.heard : run.heard + run.length] == known
    for a, b in itertools.pairwise(chain):
        assert a.heard + a.length <= b.heard
        assert a.known + a.length <= b.known
