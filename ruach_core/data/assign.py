"""Divides a corpus into train, validation and test: no sentence, and no speaker if it can be.

Clips that share a speaker or a sentence are linked, and a group of linked clips goes into one split
whole. Which split follows from a hash of the group's own key against the wanted share, as for a
validation split that is held out (`split.py`), so the choice is the same on every machine and in
any order. The price of that stability: speakers and durations are spread over the splits by chance
and only corrected where a stratum misses its share by more than half of it. An exact balance would
move old clips whenever new ones come.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ruach_core.data.split import MIN_SPEAKERS, choose_groups, hash_fraction, smallest_group
from ruach_core.errors import DataError
from ruach_core.types import Split

Disjoint = Literal["both", "sentence"]
"""Of what two splits share nothing: sentence and speaker, or the sentence alone."""
_MIN_STRATUM = 16
"""Wanted clips of a stratum below which it isn't corrected by itself, but with others such: chance
alone takes a smaller one out of its bounds often, and each correction moves old clips."""


@dataclass(frozen=True, slots=True)
class Shares:
    """The wanted shares of the clips, each 0 to below 1, together below 1; train has the rest."""

    validation: float = 0.1
    test: float = 0.1


@dataclass(frozen=True, slots=True)
class Assignment:
    """Which clip is in which split.

    Attributes:
        splits: for each clip, its split.
        disjoint: what no two splits share.
        notes: what was done and why, one line each.
    """

    splits: tuple[Split, ...]
    disjoint: Disjoint
    notes: tuple[str, ...]


def assign_splits(
    sentences: Sequence[str],
    speakers: Sequence[str | None],
    durations_s: Sequence[float],
    *,
    shares: Shares,
    seed: int,
    disjoint: Disjoint | None = None,
) -> Assignment:
    """Put every clip into a split, without looking at the order of the clips.

    Adding clips moves an old clip only where its group is joined to another one (a new clip with a
    speaker of one and a sentence of the other), where a split leaves the bounds of half to one and
    a half times its share, or where speakers can now be parted that couldn't before.

    Args:
        sentences: for each clip, what is equal for two spellings of one sentence.
        speakers: for each clip, who speaks, or None.
        durations_s: for each clip, its length in seconds; 0 where unknown.
        shares: the wanted shares.
        seed: another seed gives another choice.
        disjoint: what the splits must be disjoint in; by default both, and where that is impossible
            the sentence alone.

    Raises:
        DataError: `disjoint` is `both` and that is impossible.
    """
    reason = "as was asked for, or as it was before"
    if disjoint != "sentence":
        parted, reason = _part_speakers(sentences, speakers, shares, seed)
        if parted is not None:
            note = "no two splits share a speaker or a sentence"
            return Assignment(parted, "both", (note, *_misses(parted, shares)))
        if disjoint == "both":
            raise DataError(f"splits can't be disjoint in speaker: {reason}")
    strata = _strata(sentences, speakers, durations_s)
    splits = _choose_splits(sentences, shares, seed, strata)
    note = f"no two splits share a sentence, but they share speakers ({reason})"
    return Assignment(splits, "sentence", (note, *_misses(splits, shares)))


def _part_speakers(
    sentences: Sequence[str], speakers: Sequence[str | None], shares: Shares, seed: int
) -> tuple[tuple[Split, ...] | None, str]:
    """A choice that is disjoint in speaker and sentence, or None and why there is none."""
    n_clips = len(sentences)
    known = {speaker for speaker in speakers if speaker is not None}
    n_unknown = sum(speaker is None for speaker in speakers)
    if n_unknown:
        return None, f"{n_unknown} of {n_clips} clips name no speaker"
    if len(known) < MIN_SPEAKERS:
        return None, f"{_plural(len(known), 'speaker')}, fewer than {MIN_SPEAKERS}"
    groups = _link(sentences, [speaker or "" for speaker in speakers])
    largest, n_largest = max(Counter(groups).items(), key=lambda item: (item[1], item[0]))
    splits = _choose_splits(groups, shares, seed, {})
    if not list(_misses(splits, shares)):
        return splits, ""
    theirs = {speaker for speaker, group in zip(speakers, groups, strict=True) if group == largest}
    n_groups = len(set(groups))
    return None, (
        f"linked by the sentences that they share, the {len(known)} speakers are "
        f"{_plural(n_groups, 'group')}; the largest has {_plural(len(theirs), 'speaker')} and "
        f"{n_largest} of {n_clips} clips ({n_largest / n_clips:.0%}), so whole groups can't make "
        "the wanted shares"
    )


def _link(sentences: Sequence[str], speakers: Sequence[str]) -> list[str]:
    """For each clip, the key of its group: one of the group's speakers, whatever the order."""
    parents: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        parents.setdefault(node, node)
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    for sentence, speaker in zip(sentences, speakers, strict=True):
        parents[root(("sentence", sentence))] = root(("speaker", speaker))
    # The smallest hash of many is small: what names a group must not also decide its split.
    names = sorted(set(speakers), key=lambda name: (hash_fraction(name, "group"), name))
    keys: dict[tuple[str, str], str] = {}
    for name in names:
        keys.setdefault(root(("speaker", name)), name)
    return [keys[root(("speaker", speaker))] for speaker in speakers]


def _strata(
    sentences: Sequence[str], speakers: Sequence[str | None], durations_s: Sequence[float]
) -> dict[str, tuple[str | None, int]]:
    """For each sentence, its speaker (None for several) and its mean length, in powers of two."""
    speaker_of: dict[str, str | None] = {}
    milliseconds: Counter[str] = Counter()
    for sentence, speaker, duration_s in zip(sentences, speakers, durations_s, strict=True):
        if speaker_of.setdefault(sentence, speaker) != speaker:
            speaker_of[sentence] = None
        milliseconds[sentence] += round(1000 * duration_s)
    n_clips = Counter(sentences)
    return {
        sentence: (speaker, (milliseconds[sentence] // n_clips[sentence] // 1000).bit_length())
        for sentence, speaker in speaker_of.items()
    }


def _choose_splits(
    groups: Sequence[str],
    shares: Shares,
    seed: int,
    strata: Mapping[str, tuple[str | None, int]],
) -> tuple[Split, ...]:
    """Each clip's split, by its group; a group without a stratum is in one with all such."""
    sizes = Counter(groups)
    of_group: dict[str, Split] = {}
    left = 1.0
    wanted: tuple[tuple[Split, float], ...] = (
        ("test", shares.test), ("validation", shares.validation),
    )  # fmt: skip
    for split, share in wanted:
        rest = {group: n for group, n in sizes.items() if group not in of_group}
        if not share or len(rest) < 2:
            continue
        # Each split has hashes of its own: who leaves one of them disturbs no other.
        own_seed = f"{seed} {split}"
        chosen: set[str] = set()
        for stratum in _gather(sizes, strata, share):
            chosen |= choose_groups(
                {group: rest[group] for group in stratum if group in rest},
                threshold=share / left,
                target=max(1, round(share * sum(stratum.values()))),
                at_most=len(groups),
                seed=own_seed,
            )
        if len(chosen) == len(rest):
            chosen.remove(smallest_group(rest, own_seed))
        of_group |= dict.fromkeys(chosen or {smallest_group(rest, own_seed)}, split)
        left -= share
    return tuple(of_group.get(group, "train") for group in groups)


def _gather(
    sizes: Mapping[str, int], strata: Mapping[str, tuple[str | None, int]], share: float
) -> list[dict[str, int]]:
    """The groups of each stratum that is large enough, then all others together."""
    members: dict[object, dict[str, int]] = defaultdict(dict)
    for group, n in sizes.items():
        members[strata.get(group)][group] = n
    pooled: dict[str, int] = {}
    gathered = []
    for stratum in members.values():
        if share * sum(stratum.values()) < _MIN_STRATUM:
            pooled |= stratum
        else:
            gathered.append(stratum)
    return [*gathered, pooled] if pooled else gathered


def _misses(splits: Sequence[Split], shares: Shares) -> list[str]:
    """A note for each split that is under half or over one and a half times what was wanted."""
    notes = []
    for split, share in (("validation", shares.validation), ("test", shares.test)):
        n, wanted = splits.count(split), max(1, round(share * len(splits)))
        if share and not wanted / 2 <= n <= 1.5 * wanted:
            notes.append(f"{split} has {n} of {len(splits)} clips, {wanted} were wanted: clips "
                         "with the same sentence or speaker stay together")  # fmt: skip
    return notes


def _plural(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' if n != 1 else ''}"
