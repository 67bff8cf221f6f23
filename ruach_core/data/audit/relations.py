"""What clips are to each other: copies, leaks between splits, and outliers of speaking rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ruach_core.data.audit.casebook import N_EXAMPLES
from ruach_core.data.audit.records import SPLITS, Records, RecordStore
from ruach_core.data.audit.report import AuditFinding, Example
from ruach_core.types import Severity

_MIN_CLIPS = 20
"""Fewer clips have no typical rate."""
_OUTLIER = 5.0
_MIN_SPREAD = 0.1
"""Of the logarithm of the rate: a corpus of one reader isn't held to its own evenness."""
_TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation, for a normal distribution."""
_IMPOSSIBLE = 2.0
"""Times what fast speech has in a second, text can't have been said."""
_DOMINANT_SENTENCE, _DOMINANT_SPEAKER = 0.1, 0.8
_SMALL_SPLIT = 30
_UNNAMED = 0

Indices = npt.NDArray[np.int64]
Digests = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Relations:
    """Finds what only all clips together show.

    Attributes:
        store: gives the records, and the lines that examples cite.
        fast_chars_per_second: what fast speech has in the language's script.
    """

    store: RecordStore
    fast_chars_per_second: float

    def findings(self) -> Iterator[AuditFinding]:
        """All findings, in no order."""
        records = self.store.records()
        if not len(records):
            return
        yield from self._copies(records)
        yield from self._sentences(records)
        yield from self._leaks(records)
        yield from self._speakers(records)
        yield from self._rates(records)
        yield from self._paths(records)
        yield from _splits(records)

    def _copies(self, records: Records) -> Iterator[AuditFinding]:
        firsts, copies = _find_copies(np.asarray(records["audio"]))
        if not len(copies):
            return
        splits, sentences = records["split"], records["sentence"]
        is_leak = splits[firsts] != splits[copies]
        is_other = ~is_leak & (sentences[firsts] != sentences[copies])
        kinds: tuple[tuple[str, Severity, npt.NDArray[np.bool_], str, str], ...] = (
            (
                "audio-in-two-splits", "error", is_leak, "recordings that are in two splits",
                "keep each in one split; results on a copy of training data mean nothing",
            ),
            (
                "same-audio-other-text", "error", is_other,
                "recordings that come again with another text",
                "listen, and keep the row whose text is right",
            ),
            (
                "duplicate-audio", "warning", ~is_leak & ~is_other,
                "recordings that come again with the same text",
                "keep one of them: copies weigh twice in training",
            ),
        )  # fmt: skip
        for check, severity, mask, title, remedy in kinds:
            if mask.any():
                examples = self._pairs(records, firsts[mask], copies[mask], "the same audio as")
                n = int(mask.sum())
                yield AuditFinding(check, severity, f"{title}: {n}", remedy, n, examples)

    def _sentences(self, records: Records) -> Iterator[AuditFinding]:
        sentences = np.asarray(records["sentence"])
        keys = sentences ^ (records["split"].astype(np.uint64) << np.uint64(61))
        keys[sentences == _UNNAMED] = _UNNAMED
        firsts, copies = _find_copies(keys)
        # A copy of the recording has been told of already.
        is_new = records["audio"][firsts] != records["audio"][copies]
        is_new |= records["audio"][copies] == _UNNAMED
        firsts, copies = firsts[is_new], copies[is_new]
        if len(copies):
            yield AuditFinding(
                "duplicate-sentences", "info",
                f"clips that say a sentence once more in the same split: {len(copies)} of "
                f"{len(records)}",
                "none where several speakers say it; else other sentences would teach more",
                len(copies), self._pairs(records, firsts, copies, "the same sentence as"),
            )  # fmt: skip
        named = sentences[sentences != _UNNAMED]
        if len(named) < _MIN_CLIPS:
            return
        values, counts = np.unique(named, return_counts=True)
        most = int(counts.max())
        if most > _DOMINANT_SENTENCE * len(named):
            places = np.flatnonzero(sentences == values[counts.argmax()])
            yield AuditFinding(
                "one-sentence-dominates", "warning",
                f"one sentence is the text of {most} of {len(named)} clips",
                "see whether it is a place-holder; if it is said so often, keep some of it",
                most, self._cite(records, places[:N_EXAMPLES], ["says it"] * N_EXAMPLES),
            )  # fmt: skip

    def _leaks(self, records: Records) -> Iterator[AuditFinding]:
        kinds: tuple[tuple[str, str, Severity, str, str], ...] = (
            (
                "sentence", "sentence-overlap", "warning", "whose sentence is in {a} too",
                "keep each sentence in one split; error rates on seen sentences flatter",
            ),
            (
                "speaker", "speaker-overlap", "info", "whose speaker is in {a} too",
                "none if the model will serve these speakers; else keep speakers apart",
            ),
        )  # fmt: skip
        for column, check, severity, title, remedy in kinds:
            digests = np.asarray(records[column])
            n = 0
            parts: list[str] = []
            examples: list[Example] = []
            for a, b in ((0, 1), (0, 2), (1, 2)):
                mine = np.flatnonzero((records["split"] == b) & (digests != _UNNAMED))
                others = np.flatnonzero((records["split"] == a) & (digests != _UNNAMED))
                shared = mine[np.isin(digests[mine], digests[others])]
                if not len(shared):
                    continue
                n += len(shared)
                n_different = len(np.unique(digests[shared]))
                parts.append(
                    f"{SPLITS[b]} clips {title.format(a=SPLITS[a])}: {len(shared)} of {len(mine)} "
                    f"({n_different} {column}{'s' if n_different > 1 else ''})"
                )
                some = shared[: N_EXAMPLES if not examples else 2]
                firsts = np.array([others[digests[others] == digests[i]][0] for i in some])
                examples += self._pairs(records, firsts, some, f"{column} also in")
            if n:
                yield AuditFinding(check, severity, "; ".join(parts), remedy, n, tuple(examples))

    def _speakers(self, records: Records) -> Iterator[AuditFinding]:
        speakers = np.asarray(records["speaker"])
        unnamed = np.flatnonzero(speakers == _UNNAMED)
        if len(unnamed):
            is_all = len(unnamed) == len(records)
            some = unnamed[: 0 if is_all else N_EXAMPLES]
            yield AuditFinding(
                "no-speakers" if is_all else "unnamed-speakers", "info" if is_all else "warning",
                f"clips that name no speaker: {len(unnamed)} of {len(records)}",
                "add a column speaker if it is known: splits can then keep speakers apart",
                len(unnamed), self._cite(records, some, ["names no speaker"] * len(some)),
            )  # fmt: skip
        values, counts = np.unique(speakers[speakers != _UNNAMED], return_counts=True)
        if len(values) > 1 and counts.max() > _DOMINANT_SPEAKER * len(records):
            yield AuditFinding(
                "one-speaker-dominates", "info",
                f"one of {len(values)} speakers says {counts.max() / len(records):.0%} of it all",
                "expect worse results for other voices; more speakers help more than more hours",
                int(counts.max()),
                self._cite(
                    records, np.flatnonzero(speakers == values[counts.argmax()])[:1],
                    ["the speaker's first clip"],
                ),
            )  # fmt: skip

    def _rates(self, records: Records) -> Iterator[AuditFinding]:
        timed = np.flatnonzero(records["is_usable"] & (records["n_chars"] > 0))
        n_chars = records["n_chars"][timed].astype(np.float32)
        durations = records["duration_s"][timed]
        rates = n_chars / durations
        # Half a second more, since the shortest clips' rates say little.
        is_impossible = n_chars / (durations + 0.5) > _IMPOSSIBLE * self.fast_chars_per_second
        yield from self._list_rates(
            records, timed, rates, is_impossible, "text-cannot-fit", "error",
            f"texts that can't be said in their clips (over "
            f"{_IMPOSSIBLE * self.fast_chars_per_second:g} characters a second)",
            "the text is another clip's, or the audio was cut off: mend or drop the row",
        )  # fmt: skip
        if len(timed) < _MIN_CLIPS:
            return
        logs = np.log(rates)
        median = float(np.median(logs))
        spread = max(_MIN_SPREAD, _TO_SIGMA * float(np.median(np.abs(logs - median))))
        distance = (logs - median) / spread
        typical = f"far {{}} the typical {np.exp(median):.1f} characters a second"
        yield from self._list_rates(
            records, timed, rates, (distance > _OUTLIER) & ~is_impossible, "fast-speech",
            "warning", f"clips {typical.format('above')}",
            "listen: the text may hold more than is said",
        )  # fmt: skip
        yield from self._list_rates(
            records, timed, rates, distance < -_OUTLIER, "slow-speech", "warning",
            f"clips {typical.format('below')}",
            "listen: words may be missing from the text, or pauses be long",
        )  # fmt: skip

    def _list_rates(
        self, records: Records, timed: Indices, rates: npt.NDArray[np.float32],
        mask: npt.NDArray[np.bool_], check: str, severity: Severity, title: str, remedy: str,
    ) -> Iterator[AuditFinding]:  # fmt: skip
        cases = np.flatnonzero(mask)
        if not len(cases):
            return
        is_slow = check == "slow-speech"
        cases = cases[np.argsort(rates[cases] if is_slow else -rates[cases], kind="stable")]
        worst = cases[:N_EXAMPLES]
        details = [
            f"{rates[i]:.1f} characters a second, {records['duration_s'][timed[i]]:.2f} s"
            for i in worst
        ]
        yield AuditFinding(
            check, severity, f"{title}: {len(cases)} of {len(timed)}", remedy, len(cases),
            self._cite(records, timed[worst], details),
        )  # fmt: skip

    def _paths(self, records: Records) -> Iterator[AuditFinding]:
        firsts, copies = _find_copies(np.asarray(records["folded"]))
        differs = records["path"][firsts] != records["path"][copies]
        firsts, copies = firsts[differs], copies[differs]
        if len(copies):
            yield AuditFinding(
                "names-differ-in-case", "warning",
                f"file names that differ from another in case or accents alone: {len(copies)}",
                "rename them: on many systems one overwrites the other",
                len(copies), self._pairs(records, firsts, copies, "as"),
            )  # fmt: skip

    def _pairs(
        self, records: Records, firsts: Indices, copies: Indices, relation: str
    ) -> tuple[Example, ...]:
        some = copies[:N_EXAMPLES]
        details = []
        for first in firsts[:N_EXAMPLES]:
            line = self.store.read_line(int(records["line"][first]))
            details.append(f"{relation} {line.row or line.id}" + (f" ({line.id})" * bool(line.row)))
        return self._cite(records, some, details)

    def _cite(self, records: Records, places: Indices, details: list[str]) -> tuple[Example, ...]:
        examples = []
        for place, detail in zip(places, details, strict=False):
            line = self.store.read_line(int(records["line"][place]))
            examples.append(
                Example(
                    line.id, line.row, detail, line.audio if records["is_usable"][place] else "",
                    line.start_s, line.end_s, line.transcript[:300],
                )
            )  # fmt: skip
        return tuple(examples)


def _find_copies(digests: Digests) -> tuple[Indices, Indices]:
    """For each clip whose digest an earlier one has: the first that has it, and the clip."""
    order = np.argsort(digests, kind="stable")
    ordered = digests[order]
    again = np.flatnonzero((ordered[1:] == ordered[:-1]) & (ordered[1:] != _UNNAMED)) + 1
    # Copies of one clip lie side by side; between those of two there is a first one at least.
    is_second = np.diff(again, prepend=-1) != 1
    firsts = order[again[is_second] - 1][np.cumsum(is_second) - 1]
    by_place = np.argsort(order[again])
    return firsts[by_place], order[again][by_place]


def _splits(records: Records) -> Iterator[AuditFinding]:
    for code, split in enumerate(SPLITS):
        n = int(np.count_nonzero(records["is_usable"] & (records["split"] == code)))
        if 0 < n < _SMALL_SPLIT and split != "train":
            yield AuditFinding(
                "small-split", "info", f"the {split} split has {n} usable clips",
                f"use {_SMALL_SPLIT} at least, better 300: below that an error rate is mostly "
                "chance",
                n,
            )  # fmt: skip
