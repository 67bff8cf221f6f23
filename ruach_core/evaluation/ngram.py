"""An n-gram language model of words that falls back on characters; numpy alone, no torch.

A text is a sequence of words. Each is predicted from the words before it, and what the word model
leaves to words that it hasn't seen there is spread by a character model, which can spell any word
after any text. So no text is impossible, and a few hundred sentences are enough to tell likely
spellings from unlikely ones.

Both levels are interpolated modified Kneser-Ney models (S. Chen and J. Goodman, "An Empirical
Study of Smoothing Techniques for Language Modeling", Harvard TR-10-98, 1998, section 3 and
equations 24 to 26). With counts `c` (below the highest order: how many different symbols came
before), discounts `D` and the context `h`, which is `h'` without its first symbol,

    P(w | h) = max(c(hw) - D(c(hw)), 0) / sum_v c(hv)  +  left(h) * P(w | h')

where `left(h)` is the discounted mass. The character model ends in a uniform distribution over its
alphabet, where one symbol stands for all characters that it never saw; the word model ends in the
character model. A word is spelled with the space behind it, and the end of the text is a symbol of
both levels, so the probabilities of all texts over the alphabet sum to one.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
RealArray = npt.NDArray[np.float64]

DEFAULT_CHARACTER_ORDER = 6
DEFAULT_WORD_ORDER = 2
_FORMAT = "ruach-ngram 1"
_START, _END, _OTHER = 0, 1, 2
"""Symbols of both levels; the third stands for any character that the model never saw."""
_N_RESERVED = 3
_FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
"""Where counts are too few to estimate them; what KenLM's `--discount_fallback` takes."""


class NgramModel:
    """Log-probabilities of texts; total, and linear in their length."""

    def __init__(
        self, characters: str, words: Sequence[str], tables: Mapping[str, _Tables]
    ) -> None:
        """Put a model together from what `fit` counted or a file holds.

        Args:
            characters: the alphabet, in the order of its symbols.
            words: the vocabulary, in the order of its symbols.
            tables: the counts of the levels "characters" and "words".
        """
        self._characters = characters
        self._words = list(words)
        self._character_ids = {c: i for i, c in enumerate(characters, _N_RESERVED)}
        self._word_ids = {w: i for i, w in enumerate(words, _N_RESERVED)}
        self._spelling = _Grams(_N_RESERVED + len(characters), tables["characters"])
        self._sequence = _Grams(_N_RESERVED + len(words), tables["words"])

    @classmethod
    def fit(
        cls,
        texts: Iterable[str],
        *,
        character_order: int = DEFAULT_CHARACTER_ORDER,
        word_order: int = DEFAULT_WORD_ORDER,
    ) -> NgramModel:
        """Count the n-grams of texts; white space of any kind separates words.

        Args:
            texts: sentences, in the form that the recognizer is taught to write.
            character_order: longest n-gram of characters, at least 1.
            word_order: longest n-gram of words; 0 leaves the words to the character model.
        """
        split = [text.split() for text in texts]
        characters = "".join(sorted(set(chain(" ", *chain.from_iterable(split)))))
        words = sorted(set(chain.from_iterable(split))) if word_order else []
        model = cls(characters, words, {"characters": [], "words": []})
        spelled, _ = model._spell(split)
        model._spelling = _Grams.fit(spelled, order=character_order, n_symbols=model._n_characters)
        if word_order:
            sequence = model._number(split)
            model._sequence = _Grams.fit(
                sequence, order=word_order, n_symbols=_N_RESERVED + len(words)
            )
        return model

    def log_probs(self, texts: Sequence[str]) -> RealArray:
        """Natural log-probability of each text, its end included; shape (n_texts,)."""
        split = [text.split() for text in texts]
        if not split:
            return np.zeros(0)
        spelled, units = self._spell(split)
        seen, left = self._spelling.interpolate(spelled)
        # The symbol that never comes is the start; the others share what is left.
        uniform = 1.0 / (self._n_characters - 1)
        per_character = np.log(seen + left * uniform)
        per_character[spelled == _START] = 0.0
        per_unit = np.add.reduceat(per_character, units)
        sequence = self._number(split)
        if self._sequence.levels:
            seen, left = self._sequence.interpolate(sequence)
            with np.errstate(divide="ignore"):
                per_unit = np.logaddexp(np.log(seen), np.log(left) + per_unit)
            per_unit[sequence == _START] = 0.0
        return np.add.reduceat(per_unit, np.flatnonzero(sequence == _START))

    def to_bytes(self, about: Mapping[str, Any] | None = None) -> bytes:
        """The model as a compressed `.npz`, the same bytes for the same counts.

        Args:
            about: plain data that `from_bytes` gives back.
        """
        header = {"format": _FORMAT, "about": dict(about or {})}
        arrays = {
            "header": _to_array(json.dumps(header, ensure_ascii=False)),
            "characters": _to_array(self._characters),
            "words": _to_array("\n".join(self._words)),
        }
        for name, grams in (("c", self._spelling), ("w", self._sequence)):
            for order, level in enumerate(grams.levels, 1):
                arrays[f"{name}{order}"] = _smallest(level.counts)
                if order > 1:  # ascending, so the steps are small numbers; the first are all there
                    arrays[f"{name}{order}-keys"] = _smallest(np.diff(level.keys, prepend=0))
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> tuple[NgramModel, dict[str, Any]]:
        """What `to_bytes` wrote: the model, and `about`; nothing is unpickled.

        Raises:
            ValueError: the content isn't such a file.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                header = json.loads(_to_text(arrays["header"]))
                if header["format"] != _FORMAT:
                    raise ValueError(f"its format is {header['format']!r}, not {_FORMAT!r}")
                tables = {
                    name: list(_read_tables(arrays, name[0])) for name in ("characters", "words")
                }
                words = _to_text(arrays["words"])
                model = cls(
                    _to_text(arrays["characters"]), words.split("\n") if words else [], tables
                )
                return model, dict(header["about"])
        except (KeyError, TypeError, OSError, EOFError, IndexError, zipfile.BadZipFile) as error:
            raise ValueError(f"not a language model ({error!r})") from error

    @property
    def _n_characters(self) -> int:
        return _N_RESERVED + len(self._characters)

    def _spell(self, texts: Sequence[Sequence[str]]) -> tuple[IntArray, IntArray]:
        """The characters of all texts, and where each unit begins: start, words, end."""
        ids = self._character_ids
        symbols: list[int] = []
        units: list[int] = []
        for words in texts:
            units.append(len(symbols))
            symbols.append(_START)
            for word in words:
                units.append(len(symbols))
                symbols.extend([ids.get(c, _OTHER) for c in word])
                symbols.append(ids[" "])
            units.append(len(symbols))
            symbols.append(_END)
        return np.array(symbols, dtype=np.int64), np.array(units, dtype=np.int64)

    def _number(self, texts: Sequence[Sequence[str]]) -> IntArray:
        """The words of all texts, one symbol for each unit of `_spell`."""
        ids = self._word_ids
        symbols: list[int] = []
        for words in texts:
            symbols += [_START, *(ids.get(word, _OTHER) for word in words), _END]
        return np.array(symbols, dtype=np.int64)


_Tables = Sequence[tuple[IntArray, IntArray]]
"""For each length of n-gram, from 1 on: keys and counts, as `_Level` has them."""


@dataclass(frozen=True, slots=True)
class _Level:
    """All n-grams of one length, each a child of its first symbols, an n-gram one shorter.

    Attributes:
        keys: ascending, `parent * n_symbols + symbol`; a parent is its index in the level below.
            The level of single symbols has every symbol, so there an index is the symbol itself.
        counts: of each n-gram.
        share: of each n-gram, what the discount leaves of its count, over the sum of its siblings.
        left: of each parent, the discounted mass; 1 where nothing ever followed.
    """

    keys: IntArray
    counts: IntArray
    share: RealArray
    left: RealArray


class _Grams:
    """Kneser-Ney counts over symbols, without the distribution that the shortest falls back on."""

    def __init__(self, n_symbols: int, tables: _Tables) -> None:
        self._n_symbols = n_symbols
        self.levels: list[_Level] = []
        n_parents = 1
        for keys, counts in tables:
            self.levels.append(_discounted(keys, counts, keys // n_symbols, n_parents))
            n_parents = len(keys)

    @classmethod
    def fit(cls, symbols: IntArray, *, order: int, n_symbols: int) -> _Grams:
        """Count.

        Args:
            symbols: sequences one behind the other, each from `_START` to `_END`.
            order: the longest n-gram.
            n_symbols: all symbols are below it.
        """
        starts = np.flatnonzero(symbols == _START)
        places = np.arange(len(symbols)) - np.repeat(starts, np.diff([*starts, len(symbols)]))
        single = np.bincount(symbols[places > 0], minlength=n_symbols)
        tables = [(np.arange(n_symbols), single)]
        nodes = symbols  # of each place, the n-gram that ends there
        for length in range(2, order + 1):
            ends = np.flatnonzero(places >= length - 1)
            if not len(ends):
                break  # every text is shorter
            keys, first, index, counts = np.unique(
                nodes[ends - 1] * n_symbols + symbols[ends],
                return_index=True, return_inverse=True, return_counts=True,
            )  # fmt: skip
            # Of the n-grams one shorter, it counts how many different symbols came before; where
            # that is none, because it begins the text, how often it was there.
            shorter, plain = tables[-1]
            before = np.bincount(nodes[ends[first]], minlength=len(shorter))
            tables[-1] = (shorter, np.where(before > 0, before, plain))
            tables.append((keys, counts))
            nodes = np.full(len(symbols), -1)
            nodes[ends] = index
        return cls(n_symbols, tables)

    def interpolate(self, symbols: IntArray) -> tuple[RealArray, RealArray]:
        """For each symbol, `seen` and `left`: its probability is seen + left * base.

        Args:
            symbols: sequences one behind the other, each beginning with `_START`.
        """
        seen, left = np.zeros(len(symbols)), np.ones(len(symbols))
        contexts = np.zeros(len(symbols), dtype=np.int64)
        for level in self.levels:
            known = contexts >= 0
            keys = contexts * self._n_symbols + symbols
            index = np.minimum(np.searchsorted(level.keys, keys), len(level.keys) - 1)
            found = known & (level.keys[index] == keys)
            kept = np.where(known, level.left[contexts], 1.0)
            seen = kept * seen + np.where(found, level.share[index], 0.0)
            left = kept * left
            # The context of the next level is the n-gram that ends one place before.
            contexts = np.concatenate([[-1], np.where(found, index, -1)[:-1]])
        return seen, left


def _discounted(keys: IntArray, counts: IntArray, parents: IntArray, n_parents: int) -> _Level:
    discounts = np.array([0.0, *_discounts(counts)])[np.minimum(counts, 3)]
    sums = np.bincount(parents, weights=counts, minlength=n_parents)
    removed = np.bincount(parents, weights=discounts, minlength=n_parents)
    is_empty = sums == 0
    sums[is_empty] = removed[is_empty] = 1.0
    return _Level(keys, counts, (counts - discounts) / sums[parents], removed / sums)


def _discounts(counts: IntArray) -> tuple[float, ...]:
    """Discounts for counts of 1, 2 and more (Chen and Goodman, equation 26)."""
    n1, n2, n3, n4 = (int(np.count_nonzero(counts == n)) for n in (1, 2, 3, 4))
    if not (n1 and n2 and n3):
        return _FALLBACK_DISCOUNTS
    y = n1 / (n1 + 2 * n2)
    found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    # Few counts can give less than nothing; then something must still be left for new symbols.
    return found if all(discount > 0 for discount in found) else _FALLBACK_DISCOUNTS


def _read_tables(arrays: Any, name: str) -> Iterable[tuple[IntArray, IntArray]]:
    order = 1
    while f"{name}{order}" in arrays:
        counts = arrays[f"{name}{order}"].astype(np.int64)
        if order == 1:
            keys = np.arange(len(counts))
        else:
            keys = np.cumsum(arrays[f"{name}{order}-keys"].astype(np.int64))
        yield keys, counts
        order += 1


def _smallest(values: IntArray) -> npt.NDArray[Any]:
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))


def _to_array(text: str) -> npt.NDArray[np.uint8]:
    # A lone surrogate is a character like any other here.
    return np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8)


def _to_text(array: npt.NDArray[np.uint8]) -> str:
    return array.tobytes().decode("utf-8", "surrogatepass")
