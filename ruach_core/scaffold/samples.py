"""The rows of a new pack's `samples.tsv`: sentences of the text, and what often goes wrong.

What must come out is what the pack's own rules make of it, so that every row holds; whether it is
right, a speaker has to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ruach_core.scaffold.choose import Choices
from ruach_core.scaffold.observe import TextFacts, is_apostrophe, split_sentences
from ruach_core.text import unicode
from ruach_core.text.normalization import ChainNormalizer
from ruach_core.types import Purpose

_SENTENCES = 8
_LONGEST = 120
"""Characters of a sentence; longer ones are cut after a word."""

_LEAST = 24
_ESCAPES = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"}


@dataclass(frozen=True, slots=True)
class _Row:
    purpose: Purpose
    input: str


def write_samples(normalizer: ChainNormalizer, facts: TextFacts, choices: Choices) -> str:
    """The contents of `samples.tsv`; at least twenty rows, which all hold."""
    words = _words(facts, choices)
    sentences = [row for text in pick_sentences(facts) for row in _both(text)]
    made = list(_made_rows(words, choices))
    n = 0
    while len({*sentences, *made}) < _LEAST:
        n += 1
        made += _both(" ".join(words[i % len(words)] * (1 + i // len(words)) for i in range(n)))
    lines = ["purpose\tinput\texpected"]
    if sentences:
        lines.append("# Sentences of the text")
        lines += _format(normalizer, sentences)
    lines.append("# What often goes wrong in transcripts, tried on words of the language")
    lines += _format(normalizer, [row for row in made if row not in sentences])
    return "\n".join(lines) + "\n"


def pick_sentences(facts: TextFacts) -> list[str]:
    """A few sentences that show what the text has: its apostrophes, digits, marks, capitals."""
    wanted: list[Callable[[str], bool]] = [
        lambda s: any(is_apostrophe(c) for c in s),
        lambda s: any(unicode.category(c)[0] == "N" for c in s),
        lambda s: re.search(r"\w[-‐‑]\w", s) is not None,
        lambda s: unicode.normalize_form(s, "NFC") != s,
        lambda s: unicode.strip_invisible(s) != s,
        lambda s: re.search(r" [,;:?!.](?: |$)", s) is not None,
        lambda s: re.search(r"[\"«“(]", s) is not None,
    ]
    candidates = dict.fromkeys(_shorten(s) for text in facts.texts for s in split_sentences(text))
    sentences = [s for s in candidates if len(s.split()) > 1] or list(candidates)
    picked: dict[str, None] = {}
    for has in wanted:
        found = next((s for s in sentences if s not in picked and has(s)), None)
        if found is not None:
            picked[found] = None
    step = max(1, len(sentences) // _SENTENCES)
    for sentence in [*sentences[::step], *sentences]:
        if len(picked) >= _SENTENCES:
            break
        picked[sentence] = None
    return list(picked)


def escape(text: str) -> str:
    """A text as a cell of `samples.tsv`: what an editor would hide or spoil is written out."""
    last = len(text) - 1
    return "".join(
        _escape(char, is_edge=i in (0, last), is_first=i == 0) for i, char in enumerate(text)
    )


def _escape(char: str, *, is_edge: bool, is_first: bool) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    is_hidden = not char.isprintable() or unicode.strip_invisible(char) == ""
    if is_hidden or (char == " " and is_edge) or (is_first and unicode.is_mark(char)):
        return f"\\u{ord(char):04X}" if ord(char) < 0x10000 else f"\\U{ord(char):08X}"
    return char


def _shorten(sentence: str) -> str:
    sentence = sentence.strip()
    if len(sentence) <= _LONGEST:
        return sentence
    cut = sentence[:_LONGEST]
    return cut.rpartition(" ")[0] or cut


def _words(facts: TextFacts, choices: Choices) -> list[str]:
    """Three words of letters alone, from the text or made up of the alphabet."""
    letters = frozenset("".join(choices.alphabet))
    common = [w for w, _ in facts.words.most_common(200) if len(w) > 2 and set(w) <= letters]
    alphabet = choices.alphabet
    made = ["".join(alphabet[i : i + 4]) for i in range(0, min(len(alphabet), 12), 4)]
    found = list(dict.fromkeys([*common[:3], *made]))
    return [*found, *(found[0] * (i + 2) for i in range(3 - len(found)))][:3]


def _both(text: str) -> list[_Row]:
    return [_Row("target", text), _Row("score", text)]


def _made_rows(words: Sequence[str], choices: Choices) -> Iterator[_Row]:
    first, second, third = words
    yield _Row("target", f"  {first}  {second}\t{third}\n")
    yield _Row("target", f"{first}\u00a0{second}\u2003{third}")
    yield _Row("target", f"\ufeff{first} {second[:1]}\u200b{second[1:]}")
    yield _Row("target", f"{first[:1]}\u00ad{first[1:]} {third}")
    loose = unicode.normalize_form(" ".join(choices.alphabet[:60]), "NFD")
    yield _Row("target", loose)
    yield _Row("score", f"{first}, {second}! ({third})?")
    yield _Row("score", f'"{first}" – {second}… {third}.')
    yield _Row("score", f"«{first}» {second}: {third};")
    yield from _both(f"{first}’{second}")
    yield _Row("score", f"{first}-{second} ‘{third}’")
    if choices.has_case:
        yield from _both(_capitals(f"{first} {second}", has_dotless_i=choices.has_dotless_i))


def _capitals(text: str, *, has_dotless_i: bool) -> str:
    return (text.replace("i", "İ") if has_dotless_i else text).upper()


def _format(normalizer: ChainNormalizer, rows: Sequence[_Row]) -> list[str]:
    return [
        "\t".join(
            (row.purpose, escape(row.input),
             escape(normalizer.normalize(row.input, purpose=row.purpose)))
        )
        for row in dict.fromkeys(rows)
    ]  # fmt: skip
