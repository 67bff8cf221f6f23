"""The texts on which the contract tries a pack: fuzzed, hand-picked, and long hostile ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from hypothesis import strategies as st

from ruach_core.manifest import PackManifest
from ruach_core.testing.contract_pack import PackUnderTest, sample_words
from ruach_core.text.unicode import category, is_letter, is_mark

# Characters that have broken normalisers: white space and invisible characters, quotes and
# apostrophes, digits with their separators, marks that reorder or compose, case pairs that change
# length, lone surrogates.
TRICKY = (
    " \t\n\r\x0b\x85\xa0\u2028\u3000\u200b\u200c\u200d\u200e\u2060\ufeff\xad\x00\x97"
    "'\"’‘ʼ“”«»‹›<>`´.,:;?!…-–—/\\()[]{}_%&+=÷*#@|~^$€"
    "0123456789٣३፩፻½²aAzZéÉßẞİıŉǰσςﬁKÅ"
    "\u0301\u0300\u0323\u0327\u0345\u0338\u034f\u135f\u05b8\u094d\u20dd\ufe0f"
    "፡።፣፤፥፦፧፠፨\ud800\udbff\udc00\udfff\ufffd\U0001f44d\U0001f3fd\U00011000"
)

# What a line of one thing over and over is made of, to find a rule that runs away.
_REPEATED = (
    " ", "\t", "\u200b", "'", "’", '"', "«", ".", ",", ":", "/", "-", "(", "[", "<", "?", "%",
    "1", "፩", "\u0301", "\u0323", "\u135f", "\u05b8", "፡", "።", "\ud800", "&", "$", "ß",
)  # fmt: skip

_BULK_STEP = 101
"""Of the tens of thousands of ideographs, syllables and the like, one in so many is tried."""
_CHUNK = 64
_N_SOME = 20
"""Of letters and samples, about so many are repeated to long lines."""

_Item = TypeVar("_Item")


def options_strategy(manifest: PackManifest) -> st.SearchStrategy[dict[str, str]]:
    """Any set of the pack's options, each with one of its values."""
    choices = {name: st.sampled_from(option.values) for name, option in manifest.options.items()}
    return st.fixed_dictionaries({}, optional=choices)


def any_text(pack: PackUnderTest) -> st.SearchStrategy[str]:
    """Any Unicode text, rich in the pack's letters, its samples and troublesome characters."""
    inputs = [example.input for example in pack.examples]
    characters = st.one_of(
        st.sampled_from(pack.manifest.letters),
        st.sampled_from(_sample_characters(pack)),
        st.sampled_from(sorted(TRICKY)),
        st.characters(),
    )
    joined = st.lists(characters, min_size=4, max_size=40).map("".join)
    # Real rows cut and pasted reach rules that single characters seldom spell out.
    pieces = st.lists(st.one_of(st.sampled_from(inputs), joined), min_size=2, max_size=4)
    return st.one_of(joined, pieces.map("".join), st.text(max_size=40))


def fixed_texts(pack: PackUnderTest) -> Iterator[str]:
    """Each letter, sample and troublesome character, between and beside words and digits."""
    first, last = pack.manifest.letters[0], pack.manifest.letters[-1]
    for char in dict.fromkeys((*pack.manifest.letters, *_sample_characters(pack), *TRICKY)):
        yield f"{char}{first} {last}{char}{first} {char} {char}{char} 1{char}2 {first}{char}"
        yield f"{first}{char * 5}{last}"
    yield from (example.input for example in pack.examples)


def marked_word(pack: PackUnderTest) -> st.SearchStrategy[str]:
    """A word of the alphabet's letters, with any combining marks after any of them."""
    letters = st.sampled_from(word_letters(pack.manifest))
    parts = st.one_of(letters, st.characters(categories=["Mn", "Mc", "Me"]))
    return st.builds(lambda head, rest: head + "".join(rest), letters, st.lists(parts, max_size=12))


def letters_with_signs(manifest: PackManifest) -> Iterator[str]:
    """Words of three letters, the middle one spelt with a sign that is no letter (ng', ')."""
    head, *_ = letters = word_letters(manifest)
    for letter in manifest.letters:
        if letter not in letters:
            yield f"{head}{letter}{head}"


def letter_text(pack: PackUnderTest) -> st.SearchStrategy[str]:
    """Words of letters and marks, nothing that stands for a word: digits, signs, abbreviations."""
    letters = word_letters(pack.manifest)
    capitals = [letter.upper() for letter in letters]
    seen = [char for char in _sample_characters(pack) if is_letter(char) or is_mark(char)]
    part = st.one_of(
        st.sampled_from(letters),
        st.sampled_from(capitals),
        st.sampled_from(seen or letters),
        st.characters(categories=["L", "M"]),
    )
    word = st.lists(part, min_size=1, max_size=8).map("".join)
    words = sorted(set(sample_words(pack)))
    known = st.sampled_from(words) if words else word
    return st.lists(st.one_of(word, known), min_size=1, max_size=6).map(" ".join)


def all_letters() -> Iterator[str]:
    """Texts that have every letter of Unicode, each as a word, and in a row."""
    letters = [chr(c) for c in _code_points() if category(chr(c)) in ("Lu", "Ll", "Lt", "Lo")]
    for start in range(0, len(letters), _CHUNK):
        chunk = letters[start : start + _CHUNK]
        yield f"{' '.join(chunk)} {''.join(chunk)}"


def hostile_units(pack: PackUnderTest) -> Iterator[str]:
    """What long lines are made of by repetition."""
    letter, last = pack.manifest.letters[0], pack.manifest.letters[-1]
    marks = {c for c in _sample_characters(pack) if not is_letter(c) and not c.isdigit()}
    for unit in dict.fromkeys((*_REPEATED, *sorted(marks))):
        yield from (unit, f"{letter}{unit}", f"1{unit}")
    yield from (f"{letter}{last}", f"{letter} ", f" {letter}.", "1,234", " '", '" ', "a", "?!")
    yield from _some(pack.manifest.letters)
    yield from (f"{example.input} " for example in _some(pack.examples))


def _some(items: Sequence[_Item]) -> Sequence[_Item]:
    return items[:: max(1, len(items) // _N_SOME)]


def word_letters(manifest: PackManifest) -> Sequence[str]:
    """The letters of the alphabet that are spelt with letters and marks alone.

    Raises:
        AssertionError: there are none.
    """
    letters = [
        letter
        for letter in manifest.letters
        if is_letter(letter[0]) and all(is_letter(char) or is_mark(char) for char in letter)
    ]
    assert letters, "pack.toml: alphabet: has no letter"
    return letters


def _sample_characters(pack: PackUnderTest) -> list[str]:
    return sorted({" "}.union(*(example.input for example in pack.examples)))


def _code_points() -> Iterator[int]:
    for first, last, step in (
        (0x0041, 0x33FF, 1),
        (0x3400, 0xA4CF, _BULK_STEP),
        (0xA4D0, 0xABFF, 1),
        (0xAC00, 0xD7A3, _BULK_STEP),
        (0xF900, 0xFFDC, 1),
        (0x10000, 0x1DFFF, _BULK_STEP),
        (0x1E000, 0x1FFFF, 1),
        (0x20000, 0x3FFFF, 10 * _BULK_STEP),
    ):
        yield from range(first, last + 1, step)
