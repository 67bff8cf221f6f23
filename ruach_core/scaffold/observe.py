"""What a set of texts shows of how a language is written: counts, no judgment.

Each distinct word is looked at once, with its number, so that a hundred thousand transcripts take
seconds. Letters are counted in NFC and in small letters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache

from ruach_core.scaffold.scripts import find_script, script_of
from ruach_core.text import unicode
from ruach_core.text.tables import parse_code_points, read_table

_SENTENCE_END = re.compile(r"(?<=[.!?…؟۔।॥።፧])\s+")
_JOINERS = "\u200c\u200d"
_HYPHENS = "-\u2010\u2011"
_STOPS = ".,;:?!…،؛؟۔।॥։።፣፤፥፦፧"
"""Marks that close a sentence or a part of one: quotes and brackets have habits of their own."""


@dataclass(slots=True)
class TextFacts:
    """Counts over texts.

    Attributes:
        texts: the texts, as they came, empty ones left out.
        words: every string between spaces, in NFC, without invisible characters.
        letters: letters, a mark that makes another letter with it; and signs that stand alone.
        scripts: letters of each script (ISO 15924).
        mixed: letters that are not of the main script, in words that have some of it.
        n_capitals: letters that were capitals.
        n_cased: letters that could have been.
        n_sentences: sentences whose first letter has case.
        n_capital_starts: those that begin with a capital.
        n_closed: texts that end with a punctuation mark.
        marks: punctuation marks and symbols.
        closing: commas, stops and the like behind a word.
        spaced: of those, with a space before.
        inner: apostrophes between two letters, by the character typed.
        leading: those before a word, by the character.
        trailing: those behind a word.
        after: what stands behind inner apostrophes, as a part of a word.
        before: what stands before them.
        hyphened: words with a hyphen between letters.
        digits: texts with digits.
        digit_names: digits by the kind that their names tell.
        forms: texts by Unicode form: NFC, NFD, mixed; those that are in both are left out.
        invisible: invisible characters that a normaliser deletes.
        joiners: zero width (non-)joiners where they can matter.
        broken: texts with U+FFFD or a surrogate.
    """

    texts: list[str] = field(default_factory=list)
    words: Counter[str] = field(default_factory=Counter)
    letters: Counter[str] = field(default_factory=Counter)
    scripts: Counter[str] = field(default_factory=Counter)
    mixed: Counter[str] = field(default_factory=Counter)
    n_capitals: int = 0
    n_cased: int = 0
    n_sentences: int = 0
    n_capital_starts: int = 0
    n_closed: int = 0
    marks: Counter[str] = field(default_factory=Counter)
    closing: Counter[str] = field(default_factory=Counter)
    spaced: Counter[str] = field(default_factory=Counter)
    inner: Counter[str] = field(default_factory=Counter)
    leading: Counter[str] = field(default_factory=Counter)
    trailing: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    before: Counter[str] = field(default_factory=Counter)
    hyphened: Counter[str] = field(default_factory=Counter)
    digits: int = 0
    digit_names: Counter[str] = field(default_factory=Counter)
    forms: Counter[str] = field(default_factory=Counter)
    invisible: Counter[str] = field(default_factory=Counter)
    joiners: int = 0
    broken: int = 0

    @property
    def n_letters(self) -> int:
        """All letters and signs."""
        return self.letters.total()

    @property
    def script(self) -> str:
        """The script of most letters; "" where there are none."""
        known = [code for code in self.scripts if code]
        return max(known, key=lambda code: self.scripts[code], default="")


def observe(texts: Iterable[str]) -> TextFacts:
    """Count what there is in texts."""
    facts = TextFacts()
    for text in texts:
        if text.strip():
            facts.texts.append(text)
            _observe_text(facts, text)
    for word, n in facts.words.items():
        _observe_word(facts, word, n)
    main = facts.script
    for word, n in facts.words.items():
        scripts = {script_of(char) for char in word} - {""}
        if main in scripts and len(scripts) > 1:
            for letter in split_letters(lower(word)):
                if script_of(letter[0]) != main:
                    facts.mixed[letter] += n
    return facts


def is_apostrophe(char: str) -> bool:
    """Whether people type the character for an apostrophe."""
    return char in apostrophes()


@cache
def apostrophes() -> dict[str, str]:
    """What is typed for an apostrophe, each with its kind: mark, accent or letter."""
    rows = read_table(
        "ruach_core.scaffold", "apostrophes.tsv", columns=("code_points", "name", "kind", "source")
    )
    return {chr(c): row["kind"] for row in rows for c in parse_code_points(row["code_points"])}


def split_letters(word: str) -> Iterator[str]:
    """The letters of a word in NFC, each with the marks that make another letter of it.

    Signs (an Indic vowel sign, a Hebrew point) come by themselves. Everything else is left out.
    """
    letter = ""
    for char in word:
        if unicode.is_mark(char):
            if letter and _joins(char, letter):
                letter += char
                continue
            if letter:
                yield letter
            letter = ""
            if script_of(char):
                yield char
        else:
            if letter:
                yield letter
            letter = char if unicode.is_letter(char) else ""
    if letter:
        yield letter


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, by the marks that end one in most scripts."""
    return [sentence for sentence in _SENTENCE_END.split(text) if sentence.strip()]


def lower(word: str) -> str:
    """Small letters in NFC; İ becomes i, without the dot that Unicode keeps beside it."""
    return unicode.normalize_form(word.replace("İ", "i").lower(), "NFC")


def _joins(mark: str, letter: str) -> bool:
    script = find_script(script_of(letter[0]))
    return script.joins_marks or "NUKTA" in unicode.character_name(mark)


def _observe_text(facts: TextFacts, text: str) -> None:
    is_nfc = unicode.normalize_form(text, "NFC") == text
    is_nfd = unicode.normalize_form(text, "NFD") == text
    if is_nfc != is_nfd:
        facts.forms["NFC" if is_nfc else "NFD"] += 1
    elif not is_nfc:
        facts.forms["mixed"] += 1
    sound = unicode.repair_surrogates(text)
    facts.broken += unicode.REPLACEMENT in sound
    clean = unicode.strip_invisible(sound, keep_joiners=True)
    if len(clean) != len(sound):
        for char in set(sound) - {" "}:
            if unicode.strip_invisible(char) == "":
                facts.invisible[char] += sound.count(char) - clean.count(char)
    facts.joiners += sum(clean.count(joiner) for joiner in _JOINERS)
    clean = unicode.normalize_form(clean, "NFC")
    numbers = [char for char in clean if not char.isalpha() and unicode.category(char)[0] == "N"]
    facts.digits += bool(numbers)
    facts.digit_names.update(_kind_of_digit(char) for char in numbers)
    for sentence in split_sentences(clean):
        first = next((char for char in sentence if unicode.is_letter(char)), "")
        if _has_case(first):
            facts.n_sentences += 1
            facts.n_capital_starts += first != first.lower()
    facts.n_closed += unicode.category(clean.rstrip()[-1:] or " ")[0] == "P"
    facts.words.update(clean.split())


def _observe_word(facts: TextFacts, word: str, n: int) -> None:
    for letter in split_letters(lower(word)):
        facts.letters[letter] += n
        if unicode.is_letter(letter[0]):
            facts.scripts[script_of(letter[0])] += n
    cased = [char for char in word if _has_case(char)]
    facts.n_cased += n * len(cased)
    facts.n_capitals += n * sum(char != char.lower() for char in cased)
    _observe_marks(facts, word, n)
    _observe_apostrophes(facts, word, n)
    if re.search(f"(?<=\\w)[{_HYPHENS}](?=\\w)", word) and not any(c.isdigit() for c in word):
        facts.hyphened[_core(word)] += n


def _observe_marks(facts: TextFacts, word: str, n: int) -> None:
    is_alone = not any(unicode.is_word_character(char) for char in word)
    for index, char in enumerate(word):
        kind = unicode.category(char)
        if kind[0] not in "PS" or is_apostrophe(char):
            continue
        facts.marks[char] += n
        is_last = not any(unicode.is_word_character(c) for c in word[index:])
        if char in _STOPS and is_last:
            facts.closing[char] += n
            facts.spaced[char] += n * is_alone


def _observe_apostrophes(facts: TextFacts, word: str, n: int) -> None:
    for index, char in enumerate(word):
        if not is_apostrophe(char):
            continue
        before, after = word[:index], word[index + 1 :]
        is_after = bool(before) and _is_letter_or_mark(before[-1])
        is_before = bool(after) and _is_letter_or_mark(after[0])
        if is_after and is_before:
            facts.inner[char] += n
            facts.before[lower(_core(before))] += n
            facts.after[lower(_core(after))] += n
        elif is_after:
            facts.trailing[char] += n
        elif is_before:
            facts.leading[char] += n


def _core(part: str) -> str:
    """A part of a word without the punctuation around it."""
    return part.strip("".join({c for c in part if not _is_letter_or_mark(c)}))


def _is_letter_or_mark(char: str) -> bool:
    return unicode.category(char)[0] in "LM" and not is_apostrophe(char)


def _has_case(char: str) -> bool:
    # By title case: Georgian letters have capitals that no sentence begins with.
    return char != "" and (char.lower() != char or char.title() != char)


def _kind_of_digit(char: str) -> str:
    name = unicode.character_name(char).partition(" ")[2]
    return name.partition(" ")[0] if not char.isascii() else "ASCII"
