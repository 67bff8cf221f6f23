"""Core's own metrics: word and character error rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ruach_core.hookspecs import hookimpl
from ruach_core.types import Metric, MetricResult

if TYPE_CHECKING:
    from ruach_core.evaluation.metrics import Unit


class EditRateMetric:
    """A pooled error rate; `details` holds the 95 % interval and the counts."""

    def __init__(self, name: str, unit: Unit) -> None:
        self._name = name
        self._unit: Unit = unit

    @property
    def name(self) -> str:
        """Short name: "wer" or "cer"."""
        return self._name

    def compute(self, references: Sequence[str], hypotheses: Sequence[str]) -> MetricResult:
        """The rate over the pairs.

        Raises:
            ValueError: the two sides differ in number.
        """
        from ruach_core.evaluation.metrics import count_edits, error_rate

        rate = error_rate(count_edits(references, hypotheses, unit=self._unit))
        details = {
            "low": rate.low,
            "high": rate.high,
            "substitutions": float(rate.substitutions),
            "deletions": float(rate.deletions),
            "insertions": float(rate.insertions),
            "hits": float(rate.hits),
        }
        return MetricResult(name=self._name, value=rate.rate, details=details)


@hookimpl
def ruach_metrics() -> Sequence[Metric]:
    """Word and character error rate, as every report shows them."""
    return [EditRateMetric("wer", "word"), EditRateMetric("cer", "character")]
