"""Brings together what a review needs: the ranking, the clips as they are, earlier decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ruach_core.data.review.decisions import (
    Decision,
    find_decisions,
    text_digest,
)
from ruach_core.data.review.page import ReviewClip
from ruach_core.data.review.suspicious import SuspiciousClip
from ruach_core.errors import DataError
from ruach_core.sources import DataSources
from ruach_core.types import Utterance

if TYPE_CHECKING:
    from ruach_core.plugins import Plugins


@dataclass(frozen=True, slots=True)
class Collected:
    """What a page of review shows, and what it must not lose.

    Attributes:
        clips: the likeliest first, with earlier decisions that still hold.
        kept: earlier decisions about other clips.
        missing: clips of the ranking that the sources no longer have.
    """

    clips: tuple[ReviewClip, ...]
    kept: tuple[Decision, ...]
    missing: tuple[SuspiciousClip, ...]


def collect_clips(
    ranking: Sequence[SuspiciousClip], sources: DataSources, plugins: Plugins
) -> Collected:
    """Find the clips of a ranking in the data that it was made of.

    Args:
        ranking: of `suspicious.csv`.
        sources: where the run read its data.
        plugins: gives the loaders.

    Raises:
        DataError: a source or an earlier `review.csv` can't be read, or not one clip is there.
    """
    if sources.is_one and len({clip.source for clip in ranking}) == 1:
        # A folder that was renamed since is the same corpus.
        ranking = [replace(clip, source=sources.names[0]) for clip in ranking]
    earlier: dict[tuple[str, str], Decision] = {}
    found: dict[tuple[str, str], Utterance] = {}
    for name, source in sources:
        for decision in find_decisions(source.path):
            named = replace(decision, source=decision.source or name)
            earlier.setdefault((named.source, named.id), named)
        wanted = {clip.id for clip in ranking if clip.source == name}
        found |= {(name, u.id): u for u in _find(source.path, wanted, plugins)}
    shown = [clip for clip in ranking if (clip.source, clip.id) in found]
    if ranking and not shown:
        raise DataError(
            f"{sources}: has none of the {len(ranking)} clips (the first is {ranking[0].id} of "
            f"{ranking[0].source}); give the data of that run with --data"
        )
    clips = []
    for clip in shown:
        utterance = found[clip.source, clip.id]
        known = earlier.pop((clip.source, clip.id), None)
        holds = known and known.digest in ("", text_digest(utterance.transcript))
        clips.append(ReviewClip(clip, utterance, known if holds else None))
    missing = tuple(clip for clip in ranking if (clip.source, clip.id) not in found)
    return Collected(tuple(clips), tuple(earlier.values()), missing)


def _find(source: Path, wanted: set[str], plugins: Plugins) -> list[Utterance]:
    """The utterances of a source with these ids; stops reading when it has all."""
    found: list[Utterance] = []
    if not wanted:
        return found
    loader = plugins.find_dataset_loader(source)
    left = set(wanted)
    for split in loader.splits(source):
        for row in loader.read(source, split):
            if isinstance(row, Utterance) and row.id in left:
                left.remove(row.id)
                found.append(row)
                if not left:
                    return found
    return found
