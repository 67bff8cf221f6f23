"""What an audit says: findings with examples, and histograms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ruach_core.types import CorpusInfo, Severity

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""Worst first."""


@dataclass(frozen=True, slots=True)
class Example:
    """One case of a finding.

    Attributes:
        id: the utterance, or the file.
        row: where the source describes it ("train/metadata.csv row 12"); empty for a lone file.
        detail: what is so there, in a few words.
        audio: path of its audio, where it can be listened to; else empty.
        start_s: where the clip starts in it, in seconds; None for the whole file.
        end_s: where it ends.
        transcript: the beginning of its text.
    """

    id: str
    row: str
    detail: str
    audio: str = ""
    start_s: float | None = None
    end_s: float | None = None
    transcript: str = ""


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One thing that is wrong, or worth knowing, about a corpus.

    Attributes:
        check: short stable name ("clipped-audio").
        severity: `error` makes the exit status 1.
        message: what was found, in one line, with its number.
        remedy: what to do about it.
        n: how many cases.
        examples: some of them, the worst first where there is a worst.
    """

    check: str
    severity: Severity
    message: str
    remedy: str
    n: int
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Histogram:
    """How a measure is spread over the clips.

    Attributes:
        title: what is counted, with its unit.
        edges: n + 1 ascending limits of the bins.
        counts: clips in each of the n bins; the outer ones hold what lies beyond, too.
        median: of all clips.
    """

    title: str
    edges: Sequence[float]
    counts: Sequence[int]
    median: float


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The audit of one source.

    Attributes:
        source: as the user gave it.
        loader: name of the loader that read it.
        lang: code of the language.
        info: what the corpus says of itself.
        normalizer: name of the normaliser of the texts.
        n_rows: rows read, those set aside among them.
        n_usable: clips whose audio could be decoded.
        hours: of those.
        splits: clips and hours of each split.
        n_speakers: how many are named.
        findings: worst first.
        histograms: of durations, levels and so on.
        notes: what was left out, and why.
        runtime_s: how long it took.
    """

    source: str
    loader: str
    lang: str
    info: CorpusInfo
    normalizer: str
    n_rows: int
    n_usable: int
    hours: float
    splits: Mapping[str, tuple[int, float]]
    n_speakers: int
    findings: tuple[AuditFinding, ...]
    histograms: tuple[Histogram, ...]
    notes: tuple[str, ...]
    runtime_s: float

    @property
    def n_errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.severity == "error" for finding in self.findings)
