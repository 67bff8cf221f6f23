"""What is wrong with a text, looked at as its source wrote it and as the normaliser left it."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ruach_core.data.audit.casebook import N_EXAMPLES, CaseBook, Rule, cite
from ruach_core.data.audit.report import AuditFinding, Example
from ruach_core.manifest import PackManifest
from ruach_core.models.special_tokens import MAX_NEW_TOKENS
from ruach_core.text import unicode
from ruach_core.text.alphabet import Alphabet
from ruach_core.text.excerpt import excerpt
from ruach_core.text.token_budget import STOCK_NEW_TOKENS
from ruach_core.types import Severity, Utterance

_MAX_CHARS = 4_000
"""Of a longer text only so much is searched: it can't be a clip's anyway."""
_N_CHARACTERS = 40
_REPEATS = 4
_FORGET_EVERY = 20_000
"""Texts after which the words that were looked at are forgotten, so that memory stays bounded."""
_CP1252_ONLY = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"

EMPTY = Rule(
    "empty-transcript", "error", "clips without a text", "write what is said, or drop the rows"
)
NOTHING_LEFT = Rule(
    "nothing-left", "error", "texts of which the normaliser leaves nothing",
    "write what is said: these hold punctuation or invisible characters alone",
)  # fmt: skip
_LONG_LABEL = Rule(
    "label-too-long", "error", f"texts of more than the {MAX_NEW_TOKENS} tokens that Whisper takes",
    "cut the clips in two",
)  # fmt: skip
_OVER_STOCK = Rule(
    "label-over-224", "info",
    f"texts of more than {STOCK_NEW_TOKENS} tokens, where stock software stops by default",
    "decode with ruach transcribe, or cut the clips",
)  # fmt: skip
_REPEATED = Rule(
    "repeated-words", "warning", f"texts that repeat a word {_REPEATS} times and more in a row",
    "listen: machine transcripts get stuck like this",
)  # fmt: skip
_CAPITALS = Rule(
    "all-capitals", "info", "texts in capitals throughout",
    "write all texts in the same way; a model learns both",
)  # fmt: skip
_MOJIBAKE = Rule(
    "wrong-encoding", "warning", "texts read in the wrong encoding (UTF-8 taken for Windows-1252)",
    "read the source again as UTF-8",
)  # fmt: skip
_FILE_NAME = Rule(
    "file-name-as-text", "warning", "texts that are a file's name",
    "a column was mistaken for another: put the transcripts in",
)  # fmt: skip
_MIXED_SCRIPT = Rule(
    "mixed-script-words", "warning", "words that mix letters of two scripts",
    "look-alike letters from another keyboard: type the words again",
)  # fmt: skip

_PATTERNS = (
    (
        Rule(
            "lost-characters", "warning", "texts with U+FFFD, where a character was lost",
            "read the source again in its own encoding, or drop these rows",
        ),
        re.compile("\N{REPLACEMENT CHARACTER}"),
    ),
    (
        Rule(
            "control-characters", "warning", "texts with control characters or half characters",
            "remove them from the source: a program left them there",
        ),
        re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]"),
    ),
    (
        Rule(
            "invisible-characters", "info", "texts with invisible characters",
            "none where the normaliser removes them; else remove them from the source",
        ),
        re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"),
    ),
    (
        Rule(
            "line-breaks", "info", "texts with line breaks or tabs",
            "none for Ruach; a quote mark may be missing in the table",
        ),
        re.compile("[\t\n\x0b\x0c\r\x85\u2028\u2029]"),
    ),
    (
        Rule("odd-spaces", "info", "texts with spaces at an end, doubled or of odd kinds",
             "none: the normaliser evens them out"),
        re.compile("^ | $|  |[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]"),
    ),
    (
        Rule(
            "markup", "warning", "texts with mark-up of web pages or subtitles",
            "remove tags and entities from the source; nobody speaks them",
        ),
        re.compile(r"</?[A-Za-z][^<>]{0,200}>|&(?:[A-Za-z]{2,8}|#\d{1,6}|#x[0-9a-fA-F]{1,6});"),
    ),
    (
        Rule(
            "annotations", "warning", "texts with remarks in brackets",
            "remove what isn't spoken ([noise], (laughs)); keep what is, without brackets",
        ),
        re.compile(r"\[[^\[\]]{1,200}\]|\([^()]{1,200}\)|\{[^{}]{1,200}\}|<[A-Z_| ]{2,40}>"),
    ),
    (
        Rule(
            "web-addresses", "warning", "texts with web or mail addresses",
            "write them as they are spoken, or drop the rows",
        ),
        re.compile(r"https?://|www\.\w|\w@\w{1,80}\.\w"),
    ),
)  # fmt: skip
_FILE_SUFFIX = re.compile(r"\.(?:wav|mp3|flac|ogg|opus|m4a|webm)\b", re.IGNORECASE)
_MOJIBAKE_CHARS = re.compile(f"[\u00c2-\u00f4][\u0080-\u00bf{_CP1252_ONLY}]")

_STRAYS: dict[str, tuple[str, Severity, str, str]] = {
    "letter": (
        "outside-alphabet", "warning", "letters and marks outside the alphabet of {lang}",
        "correct the transcripts; if the language does use them, tell the pack's maintainers",
    ),
    "foreign": (
        "foreign-letters", "warning", "letters of scripts that {lang} isn't written in",
        "write such words as the language writes them; look-alikes are mistakes of a keyboard",
    ),
    "latin": (
        "latin-words", "warning", "Latin letters, which {lang} isn't written in",
        "write such words as the language writes them, or drop the rows",
    ),
    "digit": (
        "digits", "info", "digits that the normaliser leaves, and the model must learn to read",
        "write numbers as they are spoken, or set the pack's option for numbers if it has one",
    ),
    "symbol": (
        "symbols", "info", "symbols that are neither letters nor ordinary punctuation",
        "write them as they are spoken, or remove them",
    ),
}  # fmt: skip


@dataclass
class _Forms:
    """Texts in one Unicode form that aren't in another."""

    n: int = 0
    examples: list[Example] = field(default_factory=list)

    def add(self, example: Example) -> None:
        self.n += 1
        if len(self.examples) < N_EXAMPLES:
            self.examples.append(example)


class TextRules:
    """Holds each text against the rules."""

    def __init__(self, book: CaseBook, lang: str, manifest: PackManifest | None) -> None:
        self._book = book
        self._lang = lang
        self._letters = tuple(manifest.letters) if manifest else None
        self._alphabet = Alphabet(self._letters) if self._letters else None
        self._n_texts = 0
        self._strays: dict[str, Counter[str]] = {kind: Counter() for kind in _STRAYS}
        self._first: dict[str, Example] = {}
        self._forms = {"NFC": _Forms(), "NFD": _Forms(), "neither": _Forms()}

    def add(self, utterance: Utterance, reference: str, sentence: str, n_tokens: int) -> None:
        """Judge one text.

        Args:
            utterance: with the text as its source wrote it.
            reference: the text's `target` form.
            sentence: its `score` form.
            n_tokens: its tokens; 0 where they aren't known.
        """
        self._n_texts += 1
        if self._alphabet and self._n_texts % _FORGET_EVERY == 0:
            self._alphabet = Alphabet(self._letters or ())
        text = utterance.transcript[:_MAX_CHARS]
        if not text.strip():
            self._book.add(EMPTY, cite(utterance, "nothing, or spaces alone"))
            return
        self._add_patterns(utterance, text)
        self._add_form(utterance, text)
        if not reference.strip() or not sentence.strip():
            self._book.add(NOTHING_LEFT, cite(utterance, excerpt(text)))
            return
        if n_tokens > MAX_NEW_TOKENS:
            self._book.add(_LONG_LABEL, cite(utterance, f"{n_tokens} tokens"), badness=n_tokens)
        elif n_tokens > STOCK_NEW_TOKENS:
            self._book.add(_OVER_STOCK, cite(utterance, f"{n_tokens} tokens"), badness=n_tokens)
        words = reference[:_MAX_CHARS].split()
        self._add_words(utterance, text, words)
        if self._alphabet is not None:
            self._add_strays(self._alphabet, utterance, words)

    def findings(self) -> Iterator[AuditFinding]:
        """What the texts say together: characters one by one, and Unicode forms."""
        for kind, counts in self._strays.items():
            if counts:
                yield self._describe_strays(kind, counts)
        rarer = min(self._forms["NFC"].n, self._forms["NFD"].n)
        if not rarer and not self._forms["neither"].n:
            return
        n_texts = {form: forms.n for form, forms in self._forms.items()}
        minority = sorted(self._forms.values(), key=lambda forms: forms.n)
        yield AuditFinding(
            "mixed-unicode-forms", "info",
            f"accents are written in two ways: composed (NFC) in {n_texts['NFC']} texts, "
            f"decomposed (NFD) in {n_texts['NFD']}, both in one text in {n_texts['neither']}",
            "none for Ruach, whose normaliser settles it; other software may take the two for "
            "different letters",
            rarer + n_texts["neither"],
            tuple([example for forms in minority for example in forms.examples][:N_EXAMPLES]),
        )  # fmt: skip

    def _add_patterns(self, utterance: Utterance, text: str) -> None:
        for rule, pattern in _PATTERNS:
            if match := pattern.search(text):
                shown = excerpt(text, around=match[0])
                if len(match[0]) == 1 and not match[0].isspace():
                    shown = f"{unicode.character_name(match[0])}: {shown}"
                self._book.add(rule, cite(utterance, shown))
        if _MOJIBAKE_CHARS.search(text) and (meant := _decode_again(text)):
            self._book.add(_MOJIBAKE, cite(utterance, f"{excerpt(text)}, meant {excerpt(meant)}"))
        if _FILE_SUFFIX.search(text) or text.strip() == utterance.audio.stem:
            self._book.add(_FILE_NAME, cite(utterance, excerpt(text)))

    def _add_form(self, utterance: Utterance, text: str) -> None:
        if text.isascii():
            return
        is_nfc = unicode.normalize_form(text, "NFC") == text
        is_nfd = unicode.normalize_form(text, "NFD") == text
        if is_nfc and is_nfd:
            return
        form = "NFC" if is_nfc else "NFD" if is_nfd else "neither"
        what = {"NFC": "composed", "NFD": "decomposed", "neither": "both"}[form]
        self._forms[form].add(cite(utterance, f"{what}: {excerpt(text)}"))

    def _add_words(self, utterance: Utterance, text: str, words: list[str]) -> None:
        run = 1
        for before, word in itertools.pairwise(words):
            run = run + 1 if word == before else 1
            if run == _REPEATS:
                self._book.add(_REPEATED, cite(utterance, excerpt(text, around=word)))
                break
        if text.isupper() and len(words) > 1 and text.lower() != text:
            self._book.add(_CAPITALS, cite(utterance, excerpt(text)))

    def _add_strays(self, alphabet: Alphabet, utterance: Utterance, words: list[str]) -> None:
        is_mixed = False
        for word in words:
            strays = alphabet.find_strays(word)
            for char in strays:
                kind: str = alphabet.kind(char)
                if kind == "foreign":
                    is_mixed = is_mixed or _has_other_letters(word, strays)
                    if " LATIN " in unicode.character_name(char):
                        kind = "latin"
                self._strays[kind][char] += 1
                if char not in self._first:
                    name = unicode.character_name(char)
                    shown = excerpt(utterance.transcript, around=word)
                    self._first[char] = cite(utterance, f"{name}: {shown}")
            if is_mixed:
                self._book.add(_MIXED_SCRIPT, cite(utterance, excerpt(word)))
                is_mixed = False

    def _describe_strays(self, kind: str, counts: Counter[str]) -> AuditFinding:
        check, severity, title, remedy = _STRAYS[kind]
        common = counts.most_common(_N_CHARACTERS)
        listed = ", ".join(f"{unicode.character_name(char)} ({n})" for char, n in common[:6])
        more = f" and {len(counts) - 6} more" if len(counts) > 6 else ""
        return AuditFinding(
            check, severity, f"{title.format(lang=self._lang)}: {listed}{more}", remedy,
            counts.total(), tuple(self._first[char] for char, _ in common),
        )  # fmt: skip


def _has_other_letters(word: str, strays: tuple[str, ...]) -> bool:
    composed = unicode.normalize_form(word, "NFC")
    return any(unicode.is_letter(char) and char not in strays for char in composed)


def _decode_again(text: str) -> str:
    """What a text says if it was UTF-8 read as Windows-1252; "" if it wasn't."""
    for encoding in ("cp1252", "latin-1"):
        try:
            return text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
    return ""
