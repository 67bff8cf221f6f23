"""What reading a data source gives, what its splits share, and its fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ruach_core.types import SetAside, Split, Utterance


@dataclass(frozen=True, slots=True)
class Corpus:
    """A data source that has been read, audited, normalised and split.

    Attributes:
        source: where it was read from.
        loader: name of the loader that read it.
        train: utterances to learn from; all have `duration_s` and `reference`.
        validation: utterances that choose the best model.
        test: utterances that only report; empty where the source has none.
        set_aside: the clips that take no part, with reasons.
        fingerprint: hex SHA-256 over the splits, texts, references and audio bytes used.
        has_own_validation: whether the source brought its validation split.
        notes: what a user should know, one line each.
    """

    source: Path
    loader: str
    train: tuple[Utterance, ...]
    validation: tuple[Utterance, ...]
    test: tuple[Utterance, ...]
    set_aside: tuple[SetAside, ...]
    fingerprint: str
    has_own_validation: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Clip:
    """An utterance with its `score` form, and the digest of its audio once that is known good."""

    utterance: Utterance
    sentence: str
    digest: bytes = b""


def describe_leaks(clips: Mapping[Split, Sequence[Clip]]) -> list[str]:
    """Notes on what train shares with the splits that judge it; nothing is dropped."""
    notes = []
    train = clips["train"]
    splits: tuple[Split, ...] = ("validation", "test")
    for split in splits:
        sentences = {clip.sentence for clip in clips[split]}
        shared = {clip.sentence for clip in train} & sentences
        if shared:
            n_train = sum(clip.sentence in shared for clip in train)
            n_theirs = sum(clip.sentence in shared for clip in clips[split])
            notes.append(
                f"leak: {len(shared)} sentences of {split} ({n_theirs} of {len(clips[split])} "
                f"clips) are also in train ({n_train} clips); results on them flatter"
            )
        recordings = {_recording(clip) for clip in clips[split]}
        n_same = sum(_recording(clip) in recordings for clip in train)
        if n_same:
            notes.append(f"leak: {n_same} train clips are recordings that are also in {split}")
    return notes


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
