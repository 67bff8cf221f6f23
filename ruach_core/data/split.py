"""Holds a validation split out of train.

Which clips are held out follows from a hash of the seed and the sentence (or the speaker), so the
choice is the same on every machine, and clips that are added later move no earlier clip as long
as the share stays within its bounds.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

MIN_SPEAKERS = 10
"""With fewer speakers, holding whole speakers out would miss the wanted share by far."""
_MAX_CONFLICT_SHARE = 0.02
"""Holding speakers out may cost at most this share of the clips (see `Holdout.conflicts`)."""


@dataclass(frozen=True, slots=True)
class Holdout:
    """Which train clips become validation, as indices into the clips given.

    Attributes:
        validation: the clips held out.
        conflicts: clips that may be in neither split: a held-out speaker says a sentence that
            stays in train. Empty unless speakers are disjoint.
        is_speaker_disjoint: whether no speaker is in both splits.
        note: what was done and why, in one line.
    """

    validation: frozenset[int]
    conflicts: frozenset[int]
    is_speaker_disjoint: bool
    note: str


def hold_out(
    sentences: Sequence[str],
    speakers: Sequence[str | None],
    *,
    share: float,
    at_most: int,
    seed: int,
    avoid: Collection[str] = (),
) -> Holdout:
    """Choose a validation split that shares no sentence with the rest, and no speaker if it can.

    Speakers are disjoint where every clip names one, there are at least `MIN_SPEAKERS`, and the
    cost is small; the note says why where they aren't.

    Args:
        sentences: for each clip, its text in the form in which two spellings of a sentence are
            equal (the `score` form).
        speakers: for each clip, who speaks, or None.
        share: wanted share of the clips, 0 to 1.
        at_most: at most so many clips.
        seed: another seed gives another choice.
        avoid: sentences that stay in train where others can be had (those of the test split).

    Returns:
        The choice; `validation` is empty only where all clips have one sentence.
    """
    by_speaker, reason = _hold_out_speakers(
        sentences, speakers, share=share, at_most=at_most, seed=seed, avoid=avoid
    )
    if by_speaker is not None:
        return by_speaker
    sizes = Counter(sentences)
    allowed = {s: n for s, n in sizes.items() if s not in avoid} or dict(sizes)
    chosen: frozenset[str] = frozenset()
    if len(sizes) > 1:
        chosen = _choose(allowed, len(sentences), share=share, at_most=at_most, seed=seed)
    validation = frozenset(i for i, sentence in enumerate(sentences) if sentence in chosen)
    note = (
        f"validation: {len(validation)} of {len(sentences)} train clips held out, disjoint in "
        f"sentence but not in speaker ({reason})"
    )
    return Holdout(validation, frozenset(), False, note)


def _hold_out_speakers(
    sentences: Sequence[str],
    speakers: Sequence[str | None],
    *,
    share: float,
    at_most: int,
    seed: int,
    avoid: Collection[str],
) -> tuple[Holdout | None, str]:
    """A speaker-disjoint choice, or None and why there is none."""
    sizes = Counter(speaker for speaker in speakers if speaker is not None)
    n_unknown = len(speakers) - sizes.total()
    if n_unknown:
        return None, f"{n_unknown} clips name no speaker" if sizes else "no speakers are named"
    if len(sizes) < MIN_SPEAKERS:
        return None, f"{len(sizes)} speakers, fewer than {MIN_SPEAKERS}"
    chosen = _choose(sizes, len(speakers), share=share, at_most=at_most, seed=seed)
    said_by_others = {
        sentence
        for sentence, speaker in zip(sentences, speakers, strict=True)
        if speaker not in chosen
    }
    validation: set[int] = set()
    conflicts: set[int] = set()
    for i, (sentence, speaker) in enumerate(zip(sentences, speakers, strict=True)):
        if speaker in chosen:
            is_conflict = sentence in said_by_others or sentence in avoid
            (conflicts if is_conflict else validation).add(i)
    if len(conflicts) > _MAX_CONFLICT_SHARE * len(sentences):
        return None, "the speakers share too many sentences"
    target = _target(len(sentences), share, at_most)
    if not target / 2 <= len(validation) <= min(1.5 * target, at_most):
        return None, "no set of speakers has about the wanted share of the clips"
    note = (
        f"validation: {len(validation)} of {len(sentences)} train clips held out, disjoint in "
        f"sentence and in speaker ({len(chosen)} of {len(sizes)} speakers)"
    )
    if conflicts:
        note += f"; {len(conflicts)} clips of theirs set aside: train has their sentence too"
    return Holdout(frozenset(validation), frozenset(conflicts), True, note), ""


def _choose(
    sizes: Mapping[str, int], n_clips: int, *, share: float, at_most: int, seed: int
) -> frozenset[str]:
    """As `choose_groups`, but never nothing."""
    target = _target(n_clips, share, at_most)
    threshold = min(share, at_most / n_clips)
    chosen = choose_groups(sizes, threshold=threshold, target=target, at_most=at_most, seed=seed)
    # Every group is bigger than the limit, as with a handful of spoken commands.
    return chosen or frozenset([smallest_group(sizes, seed)])


def smallest_group(sizes: Mapping[str, int], seed: int | str) -> str:
    """The smallest group; of several, the one whose hash comes first."""
    return min(sizes, key=lambda group: (sizes[group], hash_fraction(group, seed), group))


def choose_groups(
    sizes: Mapping[str, int], *, threshold: float, target: int, at_most: int, seed: int | str
) -> frozenset[str]:
    """Groups whose hash lies below a threshold; more or fewer if that misses the target by far.

    A threshold on each group's own hash, not a rank, keeps the choice stable as groups are added:
    none moves while those below it hold between half and one and a half times the target.

    Args:
        sizes: for each group, its number of clips.
        threshold: the share of the groups that is wanted, 0 to 1.
        target: the number of clips that is wanted, at least 1.
        at_most: at most so many clips.
        seed: another seed gives another choice.

    Returns:
        The groups, of at most 1.5 times the target; none where every group is bigger than that.
    """
    limit = min(at_most, max(1, int(1.5 * target)))
    ordered = sorted((hash_fraction(group, seed), group) for group in sizes)
    chosen: set[str] = set()
    n_chosen = 0
    for fraction, group in ordered:
        if fraction >= threshold and n_chosen >= max(1, target / 2):
            break
        if n_chosen + sizes[group] <= limit:
            chosen.add(group)
            n_chosen += sizes[group]
    return frozenset(chosen)


def _target(n_clips: int, share: float, at_most: int) -> int:
    return min(max(1, round(share * n_clips)), at_most)


def hash_fraction(group: str, seed: int | str) -> float:
    """A number in [0, 1) that depends on the group's name and the seed alone."""
    text = f"{seed}\0{group}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
