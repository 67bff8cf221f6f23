"""What follows from a language's texts for its pack, each choice with its reason.

The shares that decide: `MIN_SHARE` for a letter, `MOST` for a habit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ruach_core.scaffold.observe import TextFacts, apostrophes, is_apostrophe
from ruach_core.scaffold.scripts import Script, find_script, script_of
from ruach_core.text import unicode

MIN_SHARE = 1 / 10_000
"""A letter that is a smaller share of all letters is left out of the alphabet, as foreign."""

MOST = 0.8
"""A habit that this share of cases keeps to is the rule, and the others are slips."""

SMALL_TEXT = 2_000
"""In fewer letters than these, whole letters of an alphabet are easily missing."""

_SHOWN = 12
"""How many of a kind are listed by name."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the explanation: what it is about, what was chosen and why."""

    topic: str
    text: str

    def __str__(self) -> str:
        return f"{self.topic:<15}{self.text}"


@dataclass(frozen=True, slots=True)
class Choices:
    """What the pack's files are written from.

    Attributes:
        script: the language's script.
        alphabet: its letters.
        alphabet_source: where they are from.
        keep_joiners: whether `target` keeps zero width (non-)joiners.
        repairs: letters typed for the apostrophe, which `target` writes `'`; each with its reason.
        accents: spacing accents typed for it inside words, or "".
        spacing: marks that lose the space before them, or "".
        has_case: whether letters have capitals.
        has_dotless_i: whether I is the capital of ı, as in Turkish.
        lines: the explanation.
    """

    script: Script
    alphabet: tuple[str, ...]
    alphabet_source: str
    keep_joiners: bool
    repairs: tuple[tuple[str, str], ...]
    accents: str
    spacing: str
    has_case: bool
    has_dotless_i: bool
    lines: tuple[Line, ...]


def choose(
    facts: TextFacts, *, alphabet: Sequence[str] = (), script: str = "", source: str = ""
) -> Choices:
    """Choose from counts and from what the user said; what the user said wins.

    Args:
        facts: of the texts; may be empty where an alphabet is given.
        alphabet: the letters, if the user gave them.
        script: ISO 15924, if the user gave it.
        source: what the texts are, for messages and for the manifest.
    """
    chosen_script, script_line = _choose_script(facts, alphabet, script)
    letters, letter_lines = (
        (tuple(alphabet), [Line("alphabet", f"{count(len(alphabet), 'letter')}, as given")])
        if alphabet
        else _choose_letters(facts)
    )
    keeps_letter, repairs, accents, apostrophe_lines = _choose_apostrophe(facts, letters)
    letters = (*letters, *(c for c in keeps_letter if c not in letters))
    spacing, mark_lines = _choose_spacing(facts, is_ethiopic=chosen_script.code == "Ethi")
    has_case, case_line = _choose_case(facts, letters)
    keep_joiners = chosen_script.has_joiners or facts.joiners > 0
    return Choices(
        script=chosen_script,
        alphabet=_sorted(letters),
        alphabet_source="given to ruach langs new" if alphabet else source,
        keep_joiners=keep_joiners,
        repairs=repairs,
        accents=accents,
        spacing=spacing,
        has_case=has_case,
        has_dotless_i="ı" in letters,
        lines=(
            *_describe_texts(facts, source),
            script_line,
            *letter_lines,
            case_line,
            *apostrophe_lines,
            *_describe_hyphens(facts),
            *mark_lines,
            *_describe_digits(facts),
            *_describe_code_points(facts, keep_joiners=keep_joiners),
            *_hints(chosen_script, has_dotless_i="ı" in letters),
        ),
    )


def show(char: str) -> str:
    """A character so that its code point can't be mistaken: `’ U+2019`."""
    name = unicode.character_name(char)
    return f"{char} {name.partition(' ')[0]}" if char.isprintable() else name


def count(n: int, noun: str) -> str:
    """`1 text`, `1,200 texts`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def percent(part: float, whole: float) -> str:
    """A share in whole percent; `under 1 %` rather than 0 %."""
    share = part / whole if whole else 0.0
    return "under 1 %" if 0 < share < 0.01 else f"{share:.0%}".replace("%", " %")


def _describe_texts(facts: TextFacts, source: str) -> list[Line]:
    if not facts.texts:
        return []
    counts = {"text": len(facts.texts), "word": facts.words.total(), "letter": facts.n_letters}
    n = ", ".join(count(number, noun) for noun, number in counts.items())
    lines = [Line("read", f"{n} from {source}")]
    if facts.n_letters < SMALL_TEXT:
        lines.append(
            Line("", f"few: under {SMALL_TEXT:,} letters, an alphabet is easily incomplete")
        )
    if facts.broken:
        lines.append(
            Line(
                "",
                f"{count(facts.broken, 'text')} with U+FFFD or surrogates: letters are lost there",
            )
        )
    return lines


def _choose_script(facts: TextFacts, alphabet: Sequence[str], given: str) -> tuple[Script, Line]:
    seen = facts.scripts or Counter(script_of(letter[0]) for letter in alphabet)
    known = Counter({code: n for code, n in seen.items() if code})
    code = given or max(known, key=lambda code: known[code], default="")
    shares = ", ".join(
        f"{name} {percent(n, known.total())}" for name, n in known.most_common(_SHOWN)
    )
    script = find_script(code)
    direction = {"ltr": "", "rtl": ", written from the right", "ttb": ", written from the top"}
    said = "as given; letters: " if given else "letters: "
    return script, Line("script", f"{code}{direction[script.direction]}; {said}{shares}")


def _choose_letters(facts: TextFacts) -> tuple[tuple[str, ...], list[Line]]:
    main, total = facts.script, facts.n_letters
    kept: dict[str, int] = {}
    rare: dict[str, int] = {}
    foreign: dict[str, int] = {}
    mixed: dict[str, int] = {}
    for letter, n in facts.letters.most_common():
        if is_apostrophe(letter):
            continue
        is_foreign = script_of(letter[0]) not in (main, "")
        is_rare = n < MIN_SHARE * total
        if is_foreign and (is_rare or facts.mixed[letter] < n / 2):
            foreign[letter] = n
        elif is_rare:
            rare[letter] = n
        else:
            kept[letter] = n
            if is_foreign:
                mixed[letter] = n
    unsure = [x for x, n in kept.items() if n <= 2 or n < 10 * MIN_SHARE * total]
    lines = [Line("alphabet", f"{count(len(kept), 'letter')}, by frequency: {' '.join(kept)}")]
    if unsure:
        lines.append(
            Line("", f"rare, and kept: {_list(unsure, kept)}; take out of pack.toml what's foreign")
        )
    if mixed:
        lines.append(
            Line("", f"of another script, inside words: {_list(mixed, mixed)}; kept as letters")
        )
    if rare:
        lines.append(Line("left out", f"{_list(rare, rare)}: each under 1 in 10,000 letters"))
    if foreign:
        lines.append(Line("left out", f"{_list(foreign, foreign)}: another script's letters"))
    return tuple(kept), lines


def _choose_apostrophe(
    facts: TextFacts, letters: Sequence[str]
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...], str, list[Line]]:
    """Letters kept as apostrophes, repairs, accents, and why."""
    kinds = apostrophes()
    inner: Counter[str] = Counter()
    for char, n in facts.inner.items():
        inner[char.lower()] += n
    total = inner.total()
    typed = Counter({c: n for c, n in inner.items() if kinds[c] == "letter" or c in letters})
    kept = tuple(c for c in typed if c in letters or typed[c] >= MOST * total)
    repairs = tuple(
        (form, f"typed for the apostrophe in {n} of {total} places inside words")
        for c, n in typed.most_common()
        if c not in kept
        for form in dict.fromkeys((c, c.upper()))
    )
    accents = "".join(sorted(c for c in inner if kinds[c] == "accent"))
    if not total:
        lines = [Line("apostrophe", "none inside words; where one is typed, ’ and ‘ are written '")]
        return kept, repairs, accents, [*lines, *_describe_edges(facts)] if facts.texts else []
    forms = ", ".join(f"{show(c)} {n}" for c, n in inner.most_common())
    lines = [Line("apostrophe", f"{total} inside words, typed as {forms}")]
    if kept:
        names = " and ".join(show(c) for c in kept)
        lines.append(Line("", f"{names}: a letter of its own, kept as it is in target"))
    if set(inner) - set(kept):
        lines.append(Line("", "every other form is written ' in target and in score"))
    lines.append(Line("", _letter_or_elision(facts)))
    return kept, repairs, accents, [*lines, *_describe_edges(facts)]


def _describe_edges(facts: TextFacts) -> list[Line]:
    """Apostrophes at one end of a word: elision, or quotation marks."""
    before, behind = facts.leading.total(), facts.trailing.total()
    if not before + behind:
        return []
    lines = [Line("", f"{behind} behind and {before} before a word: kept in target, not in score")]
    if before < (1 - MOST) * behind:
        lines.append(
            Line("", "if that's elision, as it seems, see what ruach-lang-mdw does to keep it")
        )
    return lines


def _letter_or_elision(facts: TextFacts) -> str:
    """Whether what stands behind apostrophes is a word by itself elsewhere, as in elision."""
    alone = {word.strip('.,;:!?"()').lower() for word in facts.words}
    n_alone = sum(n for part, n in facts.after.items() if part in alone)
    share = n_alone / max(1, facts.after.total())
    common = ", ".join(f"{part}'" for part, _ in facts.before.most_common(5))
    guess = (
        "elision, it seems" if share > 0.5
        else "a letter, it seems" if share < 0.2
        else "a letter or elision, the counts don't tell"
    )  # fmt: skip
    return (
        f"{guess}: what follows it is a word elsewhere in {share:.0%}".replace("%", " %")
        + f" of cases (most often after {common}); inside words it stays in score as well"
    )


def _describe_hyphens(facts: TextFacts) -> list[Line]:
    if not facts.hyphened:
        return []
    examples = ", ".join(word for word, _ in facts.hyphened.most_common(3))
    return [
        Line("hyphen", f"in {count(facts.hyphened.total(), 'word')} ({examples}): kept in target, "
             "a space in score")
    ]  # fmt: skip


def _choose_spacing(facts: TextFacts, *, is_ethiopic: bool) -> tuple[str, list[Line]]:
    """Marks that lose the space before them, and the habits of punctuation."""
    if not facts.texts:
        return "", []
    if not facts.marks:
        return "", [Line("punctuation", "none: the model will learn to write none")]
    common = " ".join(f"{c} {n}" for c, n in facts.marks.most_common(_SHOWN))
    closed = percent(facts.n_closed, len(facts.texts))
    lines = [Line("punctuation", f"{common}; {closed} of texts end with a mark")]
    total, spaced = facts.closing.total(), facts.spaced.total()
    if is_ethiopic:
        lines.append(
            Line("", "Ethiopic marks are written and spaced by core's rules for the script")
        )
        return "", lines
    if spaced and total - spaced >= MOST * total:
        marks = "".join(sorted(c for c in facts.spaced if facts.spaced[c]))
        lines.append(
            Line("", f"{spaced} of {total} marks behind a word have a space before: target takes "
                 f"it away before {' '.join(marks)}")
        )  # fmt: skip
        return marks, lines
    if spaced:
        text = f"{percent(spaced, total)} of marks behind a word have a space before: left as it is"
        lines.append(Line("", text))
    return "", lines


def _choose_case(facts: TextFacts, letters: Iterable[str]) -> tuple[bool, Line]:
    has_case = any(letter.title() != letter for letter in letters)
    if not has_case:
        return False, Line("case", "the script has none; score folds that of foreign words")
    if not facts.texts:
        return True, Line("case", "kept in target, folded in score")
    if not facts.n_capitals:
        text = "no capital in the text: the model will write none; score folds case"
        return True, Line("case", text)
    starts = percent(facts.n_capital_starts, facts.n_sentences)
    share = percent(facts.n_capitals, facts.n_cased)
    text = f"{share} of letters are capitals, {starts} of sentences begin with one"
    return True, Line("case", f"{text}: kept in target, folded in score")


def _describe_digits(facts: TextFacts) -> list[Line]:
    if not facts.digits:
        return []
    kinds = ", ".join(f"{name} {n}" for name, n in facts.digit_names.most_common())
    advice = "left as they are; write numbers as they are spoken, or add a rule that does"
    return [Line("digits", f"in {count(facts.digits, 'text')} ({kinds}): {advice}")]


def _describe_code_points(facts: TextFacts, *, keep_joiners: bool) -> list[Line]:
    lines: list[Line] = []
    if facts.texts:
        found = ", ".join(f"{form} {n}" for form, n in facts.forms.most_common())
        detail = found or "none tells the forms apart"
        lines.append(
            Line("Unicode form", f"NFC, where Whisper needs fewer tokens; texts: {detail}")
        )
    if facts.invisible:
        names = ", ".join(
            f"{unicode.character_name(c)} {n}" for c, n in facts.invisible.most_common(_SHOWN)
        )
        lines.append(Line("invisible", f"deleted: {names}"))
    if keep_joiners:
        text = f"{facts.joiners} seen where they can matter: kept in target, deleted in score"
        lines.append(Line("joiners", text))
    return lines


def _hints(script: Script, *, has_dotless_i: bool) -> list[Line]:
    lines = [Line("to decide", script.hint)] if script.hint else []
    if has_dotless_i:
        lines.append(Line("dotless i", "ı is a letter, so score folds I to ı and İ to i"))
    return lines


def _list(letters: Iterable[str], counts: dict[str, int]) -> str:
    names = [f"{letter} ({counts[letter]})" for letter in letters]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _sorted(letters: Iterable[str]) -> tuple[str, ...]:
    # Taken apart, so that á follows a.
    return tuple(sorted(dict.fromkeys(letters), key=lambda x: unicode.normalize_form(x, "NFD")))
