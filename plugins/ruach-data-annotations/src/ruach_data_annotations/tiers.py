"""Tiers of annotations, and which of them is the transcription.

The names are those of the usual templates: Toolbox's markers (`tx`, `ft`, `ge`, `mb`), FLEx's
exports (`A_phrase-txt-qaa`, `A_phrase-gls-en`), ELAN's own examples, and forced aligners' (`words`,
`phones`, `NAME - words`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import islice, pairwise
from statistics import median

from ruach_core.errors import DataError
from ruach_core.text.unicode import normalize_form

TIERS_FILE = "tiers.txt"
MAX_SEGMENT_S = 30.0
"""What Whisper's encoder takes in at once."""
MAX_NAME = 200
"""Characters of a name that are kept: it is a part of every utterance's id."""
PAUSE_S = 0.5
"""Words further apart than this belong to different utterances."""
_SAMPLE = 1_000
"""Segments that a tier is judged by."""
_SHOWN = 8
_MIN_SAMPLE = 20
_PHONE_S = 0.15
_WORD_S = 1.0
"""Half of the segments of a tier of phones, or of words, are shorter."""

_TRANSCRIPTION = (
    "tx", "transcription", "transcriptions", "transcript", "transcripts", "orth", "ortho",
    "orthography", "orthographic", "utterance", "utterances", "utt", "utts", "sentence",
    "sentences", "phrase", "phrases", "text", "txt", "speech", "spch", "ipu", "ipus", "trs",
    "vernacular", "hablado", "ortografía", "ortografia",
    "transkription", "transkript", "transcripción", "transcripcion", "transcrição", "transcricao",
)  # fmt: skip
_WORDS = frozenset({"word", "words", "wd", "wrd", "token", "tokens", "mot", "mots"})
_LATE = frozenset(
    {
        "ipa", "phonetic", "phonemic", "broad", "narrow", "english", "eng", "french", "français",
        "francais", "spanish", "español", "espanol", "portuguese", "português", "portugues",
    }
)  # fmt: skip
_REFUSED = frozenset(
    {
        "translation", "translations", "translate", "traduction", "traducción", "traduccion",
        "tradução", "übersetzung", "trad", "ft", "fe", "fg", "fn", "fte", "tf", "tn",
        "free", "lit", "literal", "gloss", "glosses", "gl", "gls",
        "ge", "gn", "glossing", "mb", "morph", "morphs", "morpheme", "morphemes", "msa", "ps",
        "pos", "lx", "lemma", "lemmas", "lexeme", "note", "notes", "nt", "comment", "comments",
        "cmt", "remark", "remarks", "gesture", "gestures", "gaze", "hand", "hands", "ph", "phone",
        "phones", "phoneme", "phonemes", "mau", "syllable", "syllables", "syl", "tone",
        "tones", "tobi", "break", "breaks", "noise", "noises", "event", "events", "code", "codes",
        "topic", "topics", "metadata", "context",
    }
)  # fmt: skip
_SILENCES = frozenset({"", "sp", "sil", "<sil>", "<eps>", "<p:>", "<p>", "<usb>", "pau", "#", "##"})
"""What annotators and forced aligners write where nobody speaks."""
_ID = re.compile(r"\S{0,80}?(\d{1,9})[a-z]?")
"""A reference number such as `.001` or `story1_012`."""
_WORD = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


class TierError(DataError):
    """No tier can be taken for the transcription; says what there is, and the remedy."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a recording and what was written there.

    Attributes:
        start_s: in seconds from the start of the annotations' time line.
        end_s: likewise.
        text: as it stands in the file.
        label: how the file calls it ("a12", "interval 3").
        problem: why it can't be used, or empty.
    """

    start_s: float
    end_s: float
    text: str
    label: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Tier:
    """One layer of annotation over a recording.

    Attributes:
        name: as the file has it.
        segments: in the file's order.
        type_name: its ELAN linguistic type.
        ancestors: names of the tiers that it depends on, nearest first.
        is_aligned: whether its segments have times of their own.
        speaker: who speaks, where the file says so.
        annotator: who wrote it, where the file says so.
    """

    name: str
    segments: Sequence[Segment]
    type_name: str = ""
    ancestors: tuple[str, ...] = ()
    is_aligned: bool = True
    speaker: str | None = None
    annotator: str = ""

    @property
    def root(self) -> str:
        """The tier at the top of its tree."""
        return self.ancestors[-1] if self.ancestors else self.name


@dataclass(frozen=True, slots=True)
class Choice:
    """The tiers with the transcription.

    Attributes:
        tiers: one for each speaker.
        left_out: names of the other tiers that hold text.
        are_words: whether their segments are single words with times, to be joined.
    """

    tiers: tuple[Tier, ...]
    left_out: tuple[str, ...]
    are_words: bool = False

    def describe(self) -> str:
        """In one line: the tiers taken and those left out, by their names without speakers."""
        taken = _shown({split_name(tier.name)[0]: None for tier in self.tiers})
        how = " (words, joined where no pause parts them)" if self.are_words else ""
        others = _shown({split_name(name)[0]: None for name in self.left_out})
        return f"transcription from tier {taken}{how}; not used: {others or 'no other'}"


@dataclass(frozen=True, slots=True)
class _Candidate:
    tier: Tier
    key: tuple[int, int]
    are_words: bool = field(default=False)


def choose_tiers(tiers: Sequence[Tier], patterns: Sequence[str]) -> Choice:
    """The tiers that hold the transcription.

    With patterns, those that match one. Without, by this order, translations, glosses, notes and
    the like never being taken, nor a tier that holds reference numbers:
    1. a tier whose name, or else whose type's name, says transcription (`tx`, `utterance`, ...);
    2. top-level tiers with times, as those named after speakers are;
    3. tiers that are taken where nothing else is left: phonetic ones, and those named after a
       language that fieldwork mostly translates into;
    4. other tiers with times;
    5. tiers of words, joined;
    6. other tiers without times of their own.
    Of the first kind that there is, all tiers are taken, so each speaker's is.

    Args:
        tiers: all of a file.
        patterns: names of tiers, or shell patterns of them (`tx@*`).

    Raises:
        TierError: no tier qualifies, or two that describe the same stretches do.
    """
    with_text = [t for t in tiers if any(s.text.strip() and not s.problem for s in t.segments)]
    if patterns:
        chosen = [t for t in with_text if any(_matches(t.name, p) for p in patterns)]
        if not chosen:
            raise TierError(
                f"no tier with text is named by {TIERS_FILE} ({_shown(patterns)}); "
                f"there is {_shown(t.name for t in with_text) or 'none'}"
            )
        are_words = all(_judge(tier, _kind(tier)[0]) == "words" for tier in chosen)
        return _choice(with_text, chosen, are_words=are_words)
    if not with_text:
        broken = (s for t in tiers for s in t.segments if s.text.strip() and s.problem)
        why = next((f" ({s.label}: {s.problem})" for s in broken), "")
        raise TierError(f"no tier holds text that can be used{why}")
    candidates = [c for tier in with_text if (c := _rank(tier)) is not None]
    if not candidates:
        raise TierError(
            f"no tier looks like a transcription: there is {_shown(t.name for t in with_text)}; "
            f"name the right one in {TIERS_FILE}"
        )
    best = min(candidate.key for candidate in candidates)
    found = [candidate for candidate in candidates if candidate.key == best]
    names = {candidate.tier.name for candidate in found}
    found = [c for c in found if names.isdisjoint(c.tier.ancestors)]
    _check_distinct([candidate.tier for candidate in found])
    are_words = all(candidate.are_words for candidate in found)
    return _choice(with_text, [candidate.tier for candidate in found], are_words=are_words)


def split_name(name: str) -> tuple[str, str | None]:
    """A tier's kind and its speaker: `tx@NK`, and the `NK - words` of forced aligners."""
    base, at, speaker = name.rpartition("@")
    if at and base.strip() and speaker.strip():
        return base.strip(), speaker.strip()
    speaker, dash, base = name.rpartition(" - ")
    if dash and base.strip() and speaker.strip():
        return base.strip(), speaker.strip()
    return name, None


def speaker_of(tier: Tier, choice: Choice) -> str | None:
    """Who speaks: as the file says, or by the tier's name where there is one for each speaker."""
    speaker = tier.speaker or split_name(tier.name)[1]
    return speaker or (tier.name if len(choice.tiers) > 1 else None)


def is_silence(text: str) -> bool:
    """Whether this is how a stretch without speech is marked."""
    return text.strip().lower() in _SILENCES


def join_words(segments: Sequence[Segment]) -> Iterator[Segment]:
    """Utterances out of words: joined until a pause of `PAUSE_S`, or as long as the window is."""
    run: list[Segment] = []
    for word in segments:
        if word.problem:
            yield word
            continue
        if is_silence(word.text):
            continue
        if run and (
            not -PAUSE_S < word.start_s - run[-1].end_s < PAUSE_S
            or word.end_s - run[0].start_s > MAX_SEGMENT_S
        ):
            yield _join(run)
            run = []
        run.append(word)
    if run:
        yield _join(run)


def dependents(tiers: Sequence[Tier], choice: Choice) -> Mapping[str, Mapping[str, str]]:
    """What tiers below or above the chosen ones say of their segments: by label, then by tier."""
    chosen = {tier.name for tier in choice.tiers}
    roots = {tier.root for tier in choice.tiers}
    found: dict[str, dict[str, str]] = {}
    for tier in tiers:
        if tier.name in chosen or tier.root not in roots:
            continue
        name = split_name(tier.name)[0]
        for segment in tier.segments:
            if segment.text.strip():
                found.setdefault(segment.label, {})[name] = segment.text.strip()
    return found


def _join(run: Sequence[Segment]) -> Segment:
    text = " ".join(word.text.strip() for word in run)
    label = run[0].label if len(run) == 1 else f"{run[0].label} to {run[-1].label}"
    return Segment(run[0].start_s, run[-1].end_s, text, label)


def _matches(name: str, pattern: str) -> bool:
    name, pattern = normalize_form(name, "NFC"), normalize_form(pattern, "NFC")
    return name == pattern or fnmatchcase(name, pattern)


def _choice(with_text: Sequence[Tier], chosen: Sequence[Tier], *, are_words: bool) -> Choice:
    names = {tier.name for tier in chosen}
    return Choice(tuple(chosen), tuple(t.name for t in with_text if t.name not in names), are_words)


def _shown(names: Iterator[str] | Mapping[str, None] | Sequence[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(" ".join(name.split())[:40] for name in listed[:_SHOWN]) + more


def _rank(tier: Tier) -> _Candidate | None:
    """How well a tier would do as the transcription, lowest best; None where it can't be it."""
    if _holds_ids(tier):
        return None
    kind, preference = _kind(tier)
    shape = _judge(tier, kind)
    if kind == "refused" or shape == "phones":
        return None
    # Words without times are joined already, under the annotation that has them.
    if shape == "words" or kind == "words":
        return _Candidate(tier, (5, 0), are_words=shape == "words")
    if kind == "transcription":
        return _Candidate(tier, (1, preference))
    if kind == "late":
        return _Candidate(tier, (3, 0))
    if not tier.is_aligned:
        return _Candidate(tier, (6, 0))
    return _Candidate(tier, (4, 0) if tier.ancestors else (2, 0))


def _holds_ids(tier: Tier) -> bool:
    """Whether the texts are reference numbers that count up; words with tone numbers don't."""
    texts = [s.text.strip() for s in islice(tier.segments, _SAMPLE) if s.text.strip()]
    numbers = [int(match[1]) for text in texts if (match := _ID.fullmatch(text))]
    if not texts or len(numbers) < 0.9 * len(texts) or len(set(texts)) < 0.9 * len(texts):
        return False
    n_rising = sum(first <= second for first, second in pairwise(numbers))
    return n_rising >= 0.8 * (len(numbers) - 1)


def _kind(tier: Tier) -> tuple[str, int]:
    """What the names say that a tier is, and how sure a sign that is (0 the surest)."""
    for name in (split_name(tier.name)[0], tier.type_name):
        parts = _WORD.findall(_CAMEL.sub(" ", normalize_form(name, "NFC")))
        # Two capitals at the top of a tree are a speaker's initials rather than a marker.
        words = {
            word.casefold()
            for word in parts
            if len(word) > 2 or tier.ancestors or not word.isupper()
        }
        if "ort" in words:  # WebMAUS: ORT-MAU holds the words, MAU and KAN-MAU the phones
            return "words", 0
        for kind, known in (("refused", _REFUSED), ("late", _LATE)):
            if words & known:
                return kind, 0
        for preference, word in enumerate(_TRANSCRIPTION):
            if word in words:
                return "transcription", preference
        if words & _WORDS:
            return "words", 0
    return "unknown", 0


def _judge(tier: Tier, kind: str) -> str:
    """What the segments look like: "phones", "words", or "utterances"."""
    sample = [s for s in islice(tier.segments, _SAMPLE) if not is_silence(s.text) and not s.problem]
    # A few short utterances prove nothing, unless the name says so too.
    if not tier.is_aligned or len(sample) < (1 if kind == "words" else _MIN_SAMPLE):
        return "utterances"
    if sum(len(segment.text.split()) == 1 for segment in sample) < 0.9 * len(sample):
        return "utterances"
    length_s = median(segment.end_s - segment.start_s for segment in sample)
    if kind == "words":
        return "words"
    if length_s < _PHONE_S and median(len(segment.text.strip()) for segment in sample) <= 2:
        return "phones"
    return "words" if length_s < _WORD_S else "utterances"


def _check_distinct(tiers: Sequence[Tier]) -> None:
    """Refuse tiers of which two have mostly the same segments: one translates the other."""
    owners: dict[tuple[int, int], str] = {}
    for tier in tiers:
        spans = {
            (round(100 * segment.start_s), round(100 * segment.end_s))
            for segment in islice(tier.segments, _SAMPLE)
            if not segment.problem and not is_silence(segment.text)
        }
        shared = Counter(owners[span] for span in spans if span in owners)
        other, n_shared = shared.most_common(1)[0] if shared else ("", 0)
        if n_shared > 0.5 * len(spans):
            raise TierError(
                f"tiers {_shown([other, tier.name])} have the same segments, so one of them isn't "
                f"the transcription; name the right one in {TIERS_FILE}"
            )
        owners.update(dict.fromkeys(spans, tier.name))
