"""`ruach data check`: what is wrong with a corpus, before anything is trained on it."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ruach_core.cli.data_options import load_language, pack_options
from ruach_core.cli.messages import has_color, plural
from ruach_core.errors import UserError
from ruach_core.files import write_text

if TYPE_CHECKING:
    from ruach_core.data.audit.report import AuditFinding, AuditReport
    from ruach_core.models.special_tokens import WhisperTokenizer
    from ruach_core.plugins import Plugins
    from ruach_core.types import TextNormalizer

_DEFAULT_MODEL = "whisper-base"
_COLORS = {"error": "red", "warning": "yellow", "info": "blue"}
_HEADING = ("SEVERITY", "CHECK", "NUMBER")
_N_SHOWN = 3
_MAX_COUNTED = 100_000
"""Rows that are counted before the audit, for the progress bar."""


@click.command("check", short_help="Say what is wrong with a corpus: audio, texts, splits.")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--lang", "code", metavar="CODE", required=True, help="The language of the texts.")
@click.option(
    "--model",
    metavar="NAME|PATH",
    help=f"The base model whose tokenizer counts tokens; by default {_DEFAULT_MODEL}, if it is on "
    "this machine.",
)
@pack_options
@click.option(
    "--html",
    "page",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page with histograms, and players for the worst clips: one file.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.pass_context
def data_check(
    ctx: click.Context,
    source: Path,
    *,
    code: str,
    model: str | None,
    settings: tuple[str, ...],
    no_pack: bool,
    page: Path | None,
    as_json: bool,
) -> None:
    """Read all texts and decode all audio of SOURCE; the exit status is 1 where errors are found.

    An error is what can't be trained on, or makes results mean nothing; a warning is worth a look;
    the rest is for your information. Nothing in SOURCE is changed.
    """
    if page is not None and not page.absolute().parent.is_dir():
        raise UserError(f"{page}: its folder doesn't exist")
    plugins, normalizer = load_language(code, settings, no_pack=no_pack)
    tokenizer, note = _find_tokenizer(model, plugins)
    report = _audit(source, plugins, normalizer, tokenizer)
    if note:
        report = replace(report, notes=(*report.notes, note))
    if page is not None:
        _write_page(page, report)
    if as_json:
        click.echo(json.dumps(_to_dict(report), ensure_ascii=False, indent=2))
    else:
        is_colored = has_color()
        for line in _lines(report):
            click.echo(line, color=is_colored)
        if page is not None:
            click.echo(f"page: {page}")
    if report.n_errors:
        ctx.exit(1)


def _find_tokenizer(model: str | None, plugins: Plugins) -> tuple[WhisperTokenizer | None, str]:
    """The tokenizer, or None and a note on what that leaves out."""
    from ruach_core.models.downloads import no_downloads
    from ruach_core.models.resolve import resolve_base_model
    from ruach_core.models.special_tokens import WhisperTokenizer

    try:
        with no_downloads():
            found = resolve_base_model(model or _DEFAULT_MODEL, plugins, progress=False)
        return WhisperTokenizer.read(found.directory), ""
    except UserError:
        if model is not None:
            raise
    return None, f"no {_DEFAULT_MODEL} on this machine: tokens aren't counted (--model gives one)"


def _audit(
    source: Path,
    plugins: Plugins,
    normalizer: TextNormalizer,
    tokenizer: WhisperTokenizer | None,
) -> AuditReport:
    from ruach_core.data.audit.run import audit_corpus

    if not sys.stderr.isatty():
        return audit_corpus(source, plugins, normalizer=normalizer, tokenizer=tokenizer)
    n_rows = _count_rows(source, plugins)
    with click.progressbar(
        length=n_rows, label="checking", file=sys.stderr, show_pos=True, update_min_steps=20
    ) as bar:  # fmt: skip

        def show(n_done: int) -> None:
            # Beyond what was counted, the end moves on.
            bar.length = max(bar.length or 0, n_done)
            bar.update(1)

        return audit_corpus(
            source, plugins, normalizer=normalizer, tokenizer=tokenizer, on_progress=show
        )


def _count_rows(source: Path, plugins: Plugins) -> int:
    loader = plugins.find_dataset_loader(source)
    rows = (row for split in loader.splits(source) for row in loader.read(source, split))
    return sum(1 for _ in islice(rows, _MAX_COUNTED))


def _write_page(page: Path, report: AuditReport) -> None:
    from ruach_core.data.audit.page import render_audit

    write_text(page, render_audit(report))


def _lines(report: AuditReport) -> Iterator[str]:
    width = max(60, min(140, shutil.get_terminal_size((100, 24)).columns))
    yield (
        f"{report.source}: {report.n_rows} rows ({report.loader}), {report.n_usable} usable clips, "
        f"{report.hours:.2f} h, {plural(report.n_speakers, 'speaker')}"
    )
    about = [report.info.title, report.info.license and f"licence {report.info.license}"]
    if any(about):
        yield ", ".join(part for part in about if part)
    sizes = report.splits.items()
    yield "; ".join(f"{name} {n} clips, {hours:.2f} h" for name, (n, hours) in sizes)
    for histogram in report.histograms:
        yield (
            f"  {histogram.title}: median {histogram.median:.1f}, "
            f"{histogram.edges[0]:g} to {histogram.edges[-1]:g}  {_sparkline(histogram.counts)}"
        )
    yield ""
    if report.findings:
        yield from _table(report.findings, width)
    for note in report.notes:
        yield f"note: {note}"
    counts = [
        sum(finding.severity == severity for finding in report.findings) for severity in _COLORS
    ]
    yield (
        f"{plural(counts[0], 'error')}, {plural(counts[1], 'warning')}, "
        f"{counts[2]} for information; {report.runtime_s:.1f} s"
    )


def _table(findings: Sequence[AuditFinding], width: int) -> Iterator[str]:
    """A row for each finding; its examples and its remedy below."""
    rows = [(finding.severity, finding.check, str(finding.n)) for finding in findings]
    widths = [max(map(len, column)) + 2 for column in zip(_HEADING, *rows, strict=True)]
    indent = " " * sum(widths)
    yield "".join(cell.ljust(n) for cell, n in zip(_HEADING, widths, strict=True)) + "FINDING"
    for finding, row in zip(findings, rows, strict=True):
        severity, *cells = (cell.ljust(n) for cell, n in zip(row, widths, strict=True))
        color = _COLORS[finding.severity]
        left = click.style(severity, fg=color, bold=True) + "".join(cells)
        for line in _wrap(finding.message, width - len(indent)):
            yield left + line
            left = indent
        yield from _details(finding, width)


def _details(finding: AuditFinding, width: int) -> Iterator[str]:
    for example in finding.examples[:_N_SHOWN]:
        where = example.row or example.id
        named = f", {example.id}" if example.row and example.id != example.row else ""
        first, *rest = _wrap(f"{where}{named}: {example.detail}", width - 6)
        yield f"    - {first}"
        yield from (f"      {line}" for line in rest)
    yield from (f"    {line}" for line in _wrap(f"remedy: {finding.remedy}", width - 4))


def _wrap(text: str, width: int) -> list[str]:
    from ruach_core.text.diff import show_text

    visible = " ".join(show_text(text).split())
    return textwrap.wrap(visible, width, break_long_words=False, break_on_hyphens=False) or [""]


def _sparkline(counts: Sequence[int]) -> str:
    most = max(counts)
    return "".join(" ▁▂▃▄▅▆▇█"[min(8, -(-8 * n // most))] if n else " " for n in counts)


def _to_dict(report: AuditReport) -> dict[str, Any]:
    about = asdict(report)
    about["splits"] = {
        name: {"n_clips": n, "hours": hours} for name, (n, hours) in report.splits.items()
    }
    return {"ok": not report.n_errors, **about}
