"""The language model against numbers by hand, by brute force, and against any text."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruach_core.evaluation.ngram import NgramModel

TEXTS = ["ba be ba", "ba bo", "be ba ba be", "bo", "ba be", "", "be be ba bo ba"]
START, END = "<start>", "<end>"


def brute_force(sequences: list[list[str]], order: int, sequence: list[str], base) -> float:
    """Chen and Goodman's equations, read off the page: probability by probability, by dicts."""
    raw: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(order + 1)]
    for symbols in sequences:
        for n in range(1, order + 1):
            raw[n].update(
                tuple(symbols[i : i + n])
                for i in range(len(symbols) - n + 1)
                if n > 1 or i > 0  # the start is never predicted
            )
    counts = dict(enumerate(raw))
    for n in range(1, order):
        before = defaultdict(set)
        for gram in raw[n + 1]:
            before[gram[1:]].add(gram[0])
        counts[n] = Counter({gram: len(before[gram]) or times for gram, times in raw[n].items()})

    def discount(n: int, count: int) -> float:
        n1, n2, n3, n4 = (sum(c == k for c in counts[n].values()) for k in (1, 2, 3, 4))
        found = (0.5, 1.0, 1.5)
        if n1 and n2 and n3:
            y = n1 / (n1 + 2 * n2)
            better = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
            found = better if min(better) > 0 else found
        return found[min(count, 3) - 1]

    def probability(symbol: str, context: tuple[str, ...], i: int) -> float:
        lower = base(i) if not context else probability(symbol, context[1:], i)
        n = len(context) + 1
        following = {g: c for g, c in counts[n].items() if g[:-1] == context}
        total = sum(following.values())
        if not total:
            return lower
        left = sum(discount(n, c) for c in following.values()) / total
        count = following.get((*context, symbol), 0)
        return (count - discount(n, count) if count else 0.0) / total + left * lower

    return sum(
        math.log(probability(sequence[i], tuple(sequence[max(0, i - order + 1) : i]), i))
        for i in range(1, len(sequence))
    )


def spelled(text: str) -> list[str]:
    return [START, *"".join(f"{word} " for word in text.split()), END]


@pytest.mark.parametrize("order", [1, 2, 3, 6])
@pytest.mark.parametrize("text", ["ba be", "bo ba ba be", "", "eb", "aaab b o"])
def test_characters_are_what_the_equations_say(order: int, text: str) -> None:
    model = NgramModel.fit(TEXTS, character_order=order, word_order=0)
    uniform = 1 / 7  # five characters, the end, and whatever wasn't seen
    expected = brute_force([*map(spelled, TEXTS)], order, spelled(text), lambda _: uniform)
    assert model.log_probs([text])[0] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("text", ["ba be", "bo ba ba be", "", "eb ba", "ba bobo"])
def test_words_fall_back_on_their_spelling(text: str) -> None:
    model = NgramModel.fit(TEXTS, character_order=3, word_order=2)
    letters = NgramModel.fit(TEXTS, character_order=3, word_order=0)
    words = text.split()
    # The spelling of unit i is what it adds to the text before it; no text ends before its end.
    whole = [
        brute_force([*map(spelled, TEXTS)], 3, spelled(" ".join(words[:n]))[:-1], lambda _: 1 / 7)
        for n in range(len(words) + 1)
    ]
    whole.append(letters.log_probs([text])[0])
    steps = [math.exp(after - before) for before, after in pairwise(whole)]
    sequences = [[START, *text.split(), END] for text in TEXTS]
    expected = brute_force(sequences, 2, [START, *words, END], lambda i: steps[i - 1])
    assert model.log_probs([text])[0] == pytest.approx(expected, abs=1e-9)


def test_all_texts_together_have_probability_one() -> None:
    """Of one-letter words up to some number of them; what is longer has the rest."""
    model = NgramModel.fit(["a", "a a", "a", ""], character_order=3, word_order=2)
    total = 0.0
    for n_words in range(60):
        total += math.exp(model.log_probs([" ".join("a" * n_words)])[0])
    assert 0.3 < total < 1
    # With words of up to three letters and one unseen character, more of it, and never over one.
    words = ["".join(letters) for n in (1, 2, 3) for letters in product("a?", repeat=n)]
    texts = [" ".join(chosen) for n in range(4) for chosen in product(words, repeat=n)]
    more = float(np.exp(model.log_probs(texts)).sum())
    assert total < more < 1


@pytest.mark.parametrize("prefix", ["", "ba ", "ba be", "x", "bo bo bo b"])
def test_every_next_symbol_sums_to_one(prefix: str) -> None:
    model = NgramModel.fit(TEXTS, character_order=4, word_order=0)
    ids = [0, *(model._character_ids.get(c, 2) for c in prefix)]
    total = 0.0
    for symbol in range(1, model._n_characters):  # the end, anything else, the alphabet
        seen, left = model._spelling.interpolate(np.array([*ids, symbol]))
        total += seen[-1] + left[-1] / (model._n_characters - 1)
    assert total == pytest.approx(1.0, abs=1e-12)


def test_likely_spellings_are_likelier() -> None:
    words = ["moro", "adi", "ngala", "kwesi", "yula", "bere", "tongo"]
    drawn = np.random.default_rng(0).choice(words, size=(80, 4))
    model = NgramModel.fit([" ".join(row) for row in drawn])
    good, bad, worse = model.log_probs(["moro ngala bere", "moron gala bere", "xyzx qqqqq ccc"])
    assert good > bad > worse


def test_length_of_text_is_all_that_time_depends_on() -> None:
    long = "ba be " * 20_000
    assert math.isfinite(NgramModel.fit(TEXTS).log_probs([long])[0])


anything = st.text(st.characters(codec=None), max_size=30)


@settings(deadline=None)
@given(st.lists(anything, max_size=6), st.lists(anything, max_size=4), st.integers(0, 3))
def test_any_text_has_a_probability(texts: list[str], others: list[str], word_order: int) -> None:
    model = NgramModel.fit(texts, character_order=4, word_order=word_order)
    found = model.log_probs(texts + others)
    assert found.shape == (len(texts) + len(others),)
    assert np.isfinite(found).all()
    assert (found < 1e-9).all()
    again, about = NgramModel.from_bytes(model.to_bytes({"a": 1}))
    assert about == {"a": 1}
    assert (again.log_probs(texts + others) == found).all()


def test_the_same_counts_are_the_same_bytes() -> None:
    assert NgramModel.fit(TEXTS).to_bytes() == NgramModel.fit(TEXTS[::-1]).to_bytes()


@pytest.mark.parametrize("keep", [0, 10, 100, 600])
def test_a_cut_file_is_refused(keep: int) -> None:
    with pytest.raises(ValueError, match=r"language model|format"):
        NgramModel.from_bytes(NgramModel.fit(TEXTS).to_bytes()[:keep])


def test_another_files_arrays_are_refused(tmp_path) -> None:
    np.savez(tmp_path / "other.npz", a=np.arange(3))
    with pytest.raises(ValueError, match="language model"):
        NgramModel.from_bytes((tmp_path / "other.npz").read_bytes())


def test_nothing_is_unpickled(tmp_path) -> None:
    np.savez(tmp_path / "other.npz", header=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"pickle|language model"):
        NgramModel.from_bytes((tmp_path / "other.npz").read_bytes())
