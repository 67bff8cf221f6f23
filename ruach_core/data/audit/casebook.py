"""Counts the cases of each finding and keeps a few of them, the worst where there is a worst."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field, replace

from ruach_core.data.audit.report import SEVERITIES, AuditFinding, Example
from ruach_core.types import Severity, Utterance

N_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Rule:
    """What a finding is called and what to do about it.

    Attributes:
        check: short stable name.
        severity: of the finding.
        title: what it counts, in the plural: "clips with clipped peaks".
        remedy: what to do about it.
    """

    check: str
    severity: Severity
    title: str
    remedy: str


@dataclass(slots=True)
class _Cases:
    n: int = 0
    worst: list[tuple[float, int, Example]] = field(default_factory=list)


class CaseBook:
    """The cases of all rules; memory is bounded by rules, not by cases."""

    def __init__(self) -> None:
        self._cases: dict[Rule, _Cases] = {}
        self._order = itertools.count(0, -1)

    def add(self, rule: Rule, example: Example, *, badness: float = 0.0, n: int = 1) -> None:
        """Count a case; of equally bad ones the first are kept."""
        cases = self._cases.setdefault(rule, _Cases())
        cases.n += n
        entry = (badness, next(self._order), example)
        if len(cases.worst) < N_EXAMPLES:
            heapq.heappush(cases.worst, entry)
        else:
            heapq.heappushpop(cases.worst, entry)

    def findings(self, n_clips: int) -> list[AuditFinding]:
        """A finding for each rule that has cases; `n_clips` is what shares are of."""
        found = []
        for rule, cases in self._cases.items():
            of_all = f" of {n_clips} ({cases.n / n_clips:.2%})" if 0 < cases.n <= n_clips else ""
            found.append(
                AuditFinding(
                    check=rule.check,
                    severity=rule.severity,
                    message=f"{rule.title}: {cases.n}{of_all}",
                    remedy=rule.remedy,
                    n=cases.n,
                    examples=tuple(e for _, _, e in sorted(cases.worst, reverse=True)),
                )
            )
        return found


def sort_findings(findings: list[AuditFinding]) -> tuple[AuditFinding, ...]:
    """Errors first, then by how many cases there are."""
    return tuple(sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), -f.n, f.check)))


def cite(utterance: Utterance, detail: str, *, has_audio: bool = True) -> Example:
    """An utterance as a finding's example."""
    example = Example(utterance.id, utterance.row, detail, transcript=utterance.transcript[:300])
    if not has_audio:
        return example
    return replace(
        example, audio=str(utterance.audio), start_s=utterance.start_s, end_s=utterance.end_s
    )
