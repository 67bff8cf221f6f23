"""What reading a data source gives, what its splits share, and its fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ruach_core.sources import DataSources
from ruach_core.types import CorpusInfo, SetAside, Split, Utterance


@dataclass(frozen=True, slots=True)
class CorpusPart:
    """One source of a corpus.

    Attributes:
        name: tells it apart from the others; empty where there is one source.
        weight: how often each of its train clips is drawn in an epoch, on the average.
        loader: name of the loader that read it.
        info: what it says of itself.
        splits: the splits that it brought, of those that were asked for.
    """

    name: str
    weight: float
    loader: str
    info: CorpusInfo
    splits: tuple[Split, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """One or several data sources that have been read, audited, normalised and split.

    With several, ids and speakers begin with the source's name ("read-speech:clip.wav").

    Attributes:
        source: where it was read from.
        parts: what is known of each source.
        train: utterances to learn from; all have `duration_s` and `reference`.
        validation: utterances that choose the best model.
        test: utterances that only report; empty where the source has none.
        set_aside: the clips that take no part, with reasons.
        fingerprint: hex SHA-256 over the splits, texts, references and audio bytes used.
        notes: what a user should know, one line each.
        accepted: ids of clips whose text a person has found right, in a review.
    """

    source: DataSources
    parts: tuple[CorpusPart, ...]
    train: tuple[Utterance, ...]
    validation: tuple[Utterance, ...]
    test: tuple[Utterance, ...]
    set_aside: tuple[SetAside, ...]
    fingerprint: str
    notes: tuple[str, ...]
    accepted: frozenset[str] = frozenset()

    @property
    def license(self) -> str | None:
        """What the sources say of their licence, each with its name where there are several."""
        said = [(part.name, part.info.license) for part in self.parts if part.info.license]
        return "; ".join(f"{name}: {text}" if name else str(text) for name, text in said) or None


@dataclass(frozen=True, slots=True)
class Clip:
    """An utterance with its `score` form, and the digest of its audio once that is known good."""

    utterance: Utterance
    sentence: str
    digest: bytes = b""


def describe_leaks(clips: Mapping[Split, Sequence[Clip]]) -> list[str]:
    """Notes on what train shares with the splits that judge it, and sources with one another.

    Nothing is dropped.
    """
    train = clips["train"]
    notes = _shared_by_sources(train)
    splits: tuple[Split, ...] = ("validation", "test")
    for split in splits:
        sentences = {clip.sentence for clip in clips[split]}
        shared = {clip.sentence for clip in train} & sentences
        if shared:
            ours = [clip for clip in train if clip.sentence in shared]
            theirs = [clip for clip in clips[split] if clip.sentence in shared]
            notes.append(
                f"leak: {len(shared)} sentences of {split} ({len(theirs)} of {len(clips[split])} "
                f"clips{_from(theirs)}) are also in train ({len(ours)} clips{_from(ours)}); "
                "results on them flatter"
            )
        recordings = {_recording(clip) for clip in clips[split]}
        same = [clip for clip in train if _recording(clip) in recordings]
        if same:
            notes.append(
                f"leak: {len(same)} train clips{_from(same)} are recordings that are also in "
                f"{split}"
            )
    return notes


def _shared_by_sources(train: Sequence[Clip]) -> list[str]:
    """A note on recordings that several sources have; they count as often as they are there."""
    first: dict[tuple[bytes, float | None, float | None], str] = {}
    again = [
        clip for clip in train
        if first.setdefault(_recording(clip), clip.utterance.source) != clip.utterance.source
    ]  # fmt: skip
    if not again:
        return []
    return [
        f"{len(again)} train clips{_from(again)} are recordings that an earlier source has too, "
        "and are learned from twice"
    ]


def _from(clips: Iterable[Clip]) -> str:
    """Which sources the clips are of; nothing where there is one source."""
    names = dict.fromkeys(clip.utterance.source for clip in clips)
    return f" from {', '.join(names)}" if any(names) else ""


def fingerprint(clips: Iterable[Clip]) -> str:
    """Hex SHA-256 over what the clips teach and test: texts, splits and audio bytes."""
    digest = hashlib.sha256()
    for clip in clips:
        utterance = clip.utterance
        fields = (
            utterance.split, utterance.id, utterance.transcript, utterance.reference,
            utterance.start_s, utterance.end_s, clip.digest.hex(),
        )  # fmt: skip
        digest.update(repr(fields).encode("utf-8", "backslashreplace"))
    return digest.hexdigest()


def _recording(clip: Clip) -> tuple[bytes, float | None, float | None]:
    return clip.digest, clip.utterance.start_s, clip.utterance.end_s
