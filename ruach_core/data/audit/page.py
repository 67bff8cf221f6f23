"""An audit as one HTML file, which works offline: histograms, findings, players.

Everything that comes from the corpus is escaped, and what can't be seen is spelt out.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from html import escape
from pathlib import Path

from ruach_core.data.audit.report import (
    SEVERITIES,
    AuditFinding,
    AuditReport,
    Example,
    Histogram,
)
from ruach_core.data.playable import encode_clip
from ruach_core.text.diff_html import show_html
from ruach_core.text.html_page import fill_page

_MAX_PLAYERS = 60
_MAX_PLAYED_S = 15.0
_WIDTH, _HEIGHT, _BASE = 340, 120, 100
_show = partial(show_html, is_changed=False)
_LABELS = {"error": "errors", "warning": "warnings", "info": "for information"}


def render_audit(report: AuditReport) -> str:
    """The page, as HTML, with the audio of the clips that findings cite."""
    players = _Players(report.lang)
    return fill_page(
        "ruach_core.data.audit",
        "audit",
        title=f"{_show(Path(report.source).name or report.source)}: what to mend",
        about=_about(report),
        notes="\n".join(f'<p class="note">{_show(note)}</p>' for note in report.notes),
        filters="\n".join(_filters(report)),
        histograms="\n".join(_draw(histogram) for histogram in report.histograms),
        rows="\n".join(_row(finding, players) for finding in report.findings)
        or '<tr><td colspan="4">Nothing was found.</td></tr>',
    )


def _about(report: AuditReport) -> str:
    parts = [
        f"{report.n_rows:,} rows of {_show(report.source)} ({escape(report.loader)})",
        f"{report.n_usable:,} usable clips, {report.hours:.2f} h",
        f"{report.n_speakers:,} speakers",
    ]
    parts += [f"{name} {n:,} clips, {hours:.2f} h" for name, (n, hours) in report.splits.items()]
    parts += [_show(text) for text in (report.info.title, report.info.license) if text]
    parts += [f"language {escape(report.lang)}", f"normaliser {_show(report.normalizer)}"]
    return " · ".join(parts)


def _filters(report: AuditReport) -> Iterator[str]:
    for severity in SEVERITIES:
        n = sum(finding.severity == severity for finding in report.findings)
        yield (
            f'<button type="button" data-severity="{severity}" aria-pressed="false">'
            f"{n} {_LABELS[severity]}</button>"
        )


def _row(finding: AuditFinding, players: _Players) -> str:
    examples = "\n".join(_example(example, players) for example in finding.examples)
    details = ""
    if examples:
        n = len(finding.examples)
        shown = f"{n} of {finding.n}" if n < finding.n else "all"
        is_open = " open" if finding.severity == "error" else ""
        details = (
            f'<details{is_open}><summary>Examples ({shown})</summary><table class="examples">'
            "<thead><tr><th>Where</th><th>What</th><th>Text</th><th>Listen</th></tr></thead>"
            f"<tbody>{examples}</tbody></table></details>"
        )
    rank = SEVERITIES.index(finding.severity)
    return (
        f'<tr class="finding" tabindex="-1" data-severity="{finding.severity}">'
        f'<td data-key="{rank}"><span class="{finding.severity}">{finding.severity}</span></td>'
        f'<td data-key="{escape(finding.check)}"><code>{escape(finding.check)}</code></td>'
        f'<td class="number" data-key="{finding.n}">{finding.n:,}</td>'
        f'<td data-key="{escape(finding.message)}"><p>{_show(finding.message)}</p>'
        f'<p class="soft">→ {_show(finding.remedy)}</p>{details}</td></tr>'
    )


def _example(example: Example, players: _Players) -> str:
    where = _show(example.row or example.id)
    if example.row and example.id != example.row:
        where += f"<br><small>{_show(example.id)}</small>"
    lang = escape(players.lang)
    return (
        f'<tr><td class="where">{where}</td><td>{_show(example.detail)}</td>'
        f'<td class="text" lang="{lang}" dir="auto">{_show(example.transcript)}</td>'
        f"<td>{players.render(example)}</td></tr>"
    )


class _Players:
    """Each clip's audio once, however many findings cite it."""

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self._known: dict[tuple[str, float | None, float | None], int] = {}

    def render(self, example: Example) -> str:
        """A player, a link to the one that the page has, or nothing."""
        if not example.audio:
            return ""
        key = (example.audio, example.start_s, example.end_s)
        number = self._known.get(key)
        if number is not None:
            return f'<a href="#clip{number}">clip {number}</a>'
        if len(self._known) >= _MAX_PLAYERS:
            return "<small>not in the page: too many</small>"
        encoded = encode_clip(
            Path(example.audio), example.start_s, example.end_s, max_s=_MAX_PLAYED_S
        )
        if not encoded:
            return "<small>can't be played</small>"
        number = self._known[key] = len(self._known) + 1
        label = escape(example.row or example.id)
        return (
            f'<audio id="clip{number}" controls preload="none" aria-label="{label}" '
            f'src="{encoded}"></audio>'
        )


def _draw(histogram: Histogram) -> str:
    """A histogram as inline SVG; each bar says its limits and count when pointed at."""
    most = max(histogram.counts)
    width = _WIDTH / len(histogram.counts)
    bars = []
    for i, n in enumerate(histogram.counts):
        if not n:
            continue
        height = max(1.0, (_BASE - 12) * n / most)
        label = f"{histogram.edges[i]:g} to {histogram.edges[i + 1]:g}: {n:,} clips"
        bars.append(
            f'<rect x="{i * width + 0.5:.1f}" y="{_BASE - height:.1f}" '
            f'width="{max(1.0, width - 1):.1f}" height="{height:.1f}"><title>{label}</title></rect>'
        )
    low, high = histogram.edges[0], histogram.edges[-1]
    middle = _WIDTH * min(1.0, max(0.0, (histogram.median - low) / (high - low)))
    anchor = "start" if middle < _WIDTH / 2 else "end"
    shift = 4 if anchor == "start" else -4
    median = f"median {histogram.median:.1f}"
    title = escape(histogram.title)
    return (
        f"<figure><figcaption>{title}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{title}: {median}, from {low:g} to {high:g}">{"".join(bars)}'
        f'<line x1="0" x2="{_WIDTH}" y1="{_BASE}" y2="{_BASE}" />'
        f'<line class="median" x1="{middle:.1f}" x2="{middle:.1f}" y1="0" y2="{_BASE}" />'
        f'<text x="{middle + shift:.1f}" y="9" text-anchor="{anchor}">{median}</text>'
        f'<text x="0" y="{_HEIGHT - 5}">{low:g}</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 5}" text-anchor="end">{high:g}</text></svg></figure>'
    )
