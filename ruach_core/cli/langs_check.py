"""`ruach langs check`: is a pack valid, and what do texts look like through it and Whisper?"""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ruach_core.cli.language import pack_option, parse_options
from ruach_core.cli.messages import plural
from ruach_core.errors import UserError
from ruach_core.packs import PackRecord, find_pack

if TYPE_CHECKING:
    from ruach_core.data.transcripts import Transcripts
    from ruach_core.pack_check import CheckResult
    from ruach_core.text.token_budget import TokenBudget
    from ruach_core.types import Finding

_SEVERITIES = ("error", "warning", "info")
_HEADING = ("SEVERITY", "CHECK", "NUMBER")
_HEADING_OF_CELLS = "FINDING"
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class _TextRequest:
    """Which texts to check, and how; neither `file` nor `folder` means none."""

    file: str | None
    folder: str | None
    model: str
    settings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _TextReport:
    source: str
    model: str
    normalizer: str
    texts: Transcripts
    budget: TokenBudget
    findings: tuple[Finding, ...]

    @property
    def n_errors(self) -> int:
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def hours(self) -> float:
        return sum(u.duration_s or 0.0 for u in self.texts.utterances) / 3600


@click.command(
    "check", short_help="Check a pack, and texts if given; the exit status is 1 if anything fails."
)
@click.argument("code")
@click.option("--text", "file", metavar="FILE", help="Check the lines of a UTF-8 file too; - reads "
              "standard input.")  # fmt: skip
@click.option("--data", "folder", metavar="DIR", help="Check the transcripts of a dataset too.")
@click.option(
    "--model",
    metavar="NAME|PATH",
    default="whisper-base",
    show_default=True,
    help="The base model whose tokenizer is used, as for ruach train.",
)
@pack_option
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.pass_context
def langs_check(
    ctx: click.Context,
    code: str,
    *,
    file: str | None,
    folder: str | None,
    model: str,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check the pack of language CODE; the exit status is 1 where anything is wrong.

    With --text or --data, also normalise the texts as training would and run every check that
    ruach train runs on them; errors make the exit status 1, warnings don't.
    """
    from ruach_core.pack_check import check_pack

    request = _TextRequest(file, folder, model, settings)
    if file is not None and folder is not None:
        raise UserError("--text and --data exclude each other: give one of them")
    if "" in (file, folder):
        raise UserError("--text or --data is empty: give a file or a folder")
    pack = find_pack(code, allow_invalid=True)
    results = list(check_pack(pack))
    report = None
    if (file is not None or folder is not None) and _can_load(results):
        report = _check_texts(code, request)
    if as_json:
        about = _to_dict(pack, results, report)
        click.echo(json.dumps(about, ensure_ascii=False, indent=2))
    else:
        for line in _pack_lines(pack, results):
            click.echo(line)
        for line in _report_lines(report) if report else ():
            click.echo(line)
    if any(result.problems for result in results) or (report and report.n_errors):
        ctx.exit(1)


def _can_load(results: Sequence[CheckResult]) -> bool:
    """Whether the pack is good enough to normalise with, whatever else is wrong with it."""
    return not any(r.problems for r in results if r.check in ("manifest", "import"))


def _check_texts(code: str, request: _TextRequest) -> _TextReport:
    from ruach_core.data.transcripts import read_text, read_transcripts
    from ruach_core.models.resolve import resolve_base_model
    from ruach_core.models.special_tokens import WhisperTokenizer
    from ruach_core.plugins import Plugins
    from ruach_core.text.token_budget import EncodedOnce, token_budget

    plugins = Plugins.load(code)
    normalizer = plugins.normalizer(parse_options(request.settings))
    if request.folder is not None:
        source = request.folder
        texts = read_transcripts(Path(source), plugins, normalizer)
    else:
        file = request.file or ""
        source = "standard input" if file == "-" else file
        texts = read_text(file, normalizer)
    model = resolve_base_model(request.model, plugins)
    tokenizer = EncodedOnce(WhisperTokenizer.read(model.directory))
    utterances = texts.utterances
    findings = [
        finding
        for check in plugins.tokenization_checks()
        for finding in check.check(utterances, tokenizer)
    ]
    findings.sort(key=lambda finding: _SEVERITIES.index(finding.severity))
    budget = token_budget(
        [u.reference or "" for u in utterances], [u.duration_s or 0.0 for u in utterances],
        tokenizer,
    )  # fmt: skip
    return _TextReport(source, model.name, normalizer.name, texts, budget, tuple(findings))


def _pack_lines(pack: PackRecord, results: Sequence[CheckResult]) -> Iterator[str]:
    for result in results:
        yield from result.problems or (f"ok: {result.check}: {result.detail}",)
    n_problems = sum(len(result.problems) for result in results)
    if n_problems:
        yield f"{pack.label}: {plural(n_problems, 'problem')}"


def _report_lines(report: _TextReport) -> Iterator[str]:
    n_texts = len(report.texts.utterances)
    hours = f", {report.hours:.2f} h by the headers" if report.hours else ""
    n_unknown = sum(u.duration_s is None for u in report.texts.utterances)
    if report.hours and n_unknown:
        hours += f" ({n_unknown} clips have no readable header)"
    yield ""
    yield (
        f"{n_texts} texts of {report.source}{hours}; normaliser {report.normalizer}, tokenizer of "
        f"{report.model}"
    )
    if report.texts.set_aside:
        first = report.texts.set_aside[0]
        yield (
            f"left out: {len(report.texts.set_aside)}, the first {first.row or first.utterance_id} "
            f"({first.detail})"
        )
    yield from _table(report.findings)
    n_warnings = sum(finding.severity == "warning" for finding in report.findings)
    yield f"{plural(report.n_errors, 'error')}, {plural(n_warnings, 'warning')}"


def _table(findings: Sequence[Finding]) -> Iterator[str]:
    """A row for each finding; its example and remedy below, all wrapped to the terminal's width."""
    rows = [(f.severity, f.check, str(f.n)) for f in findings]
    widths = [max(map(len, column)) for column in zip(_HEADING, *rows, strict=True)]
    indent = sum(widths) + 2 * len(widths)
    width = max(shutil.get_terminal_size((_WIDTH, 24)).columns - indent, _WIDTH // 2)
    yield _row(_HEADING, widths) + _HEADING_OF_CELLS
    for finding, row in zip(findings, rows, strict=True):
        left = _row(row, widths)
        for line in _cell(finding, width):
            yield f"{left}{line}"
            left = " " * indent


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "".join(cell.ljust(width + 2) for cell, width in zip(cells, widths, strict=True))


def _cell(finding: Finding, width: int) -> Iterator[str]:
    parts = [finding.message]
    parts += [f"example: {finding.example}"] if finding.example else []
    parts += [f"remedy: {finding.remedy}"] if finding.remedy else []
    for part in parts:
        yield from textwrap.wrap(
            " ".join(part.split()), width, break_long_words=False, break_on_hyphens=False
        )


def _to_dict(
    pack: PackRecord, results: Sequence[CheckResult], report: _TextReport | None
) -> dict[str, Any]:
    is_ok = not any(result.problems for result in results)
    about: dict[str, Any] = {
        "code": pack.code,
        "distribution": pack.distribution,
        "version": pack.version,
        "ok": is_ok,
        "checks": [
            {"check": r.check, "ok": not r.problems, "problems": list(r.problems)} for r in results
        ],
    }
    if report is not None:
        tokens = asdict(report.budget)
        del tokens["refused"]
        about["ok"] = is_ok and not report.n_errors
        about["texts"] = {
            "source": report.source,
            "model": report.model,
            "normalizer": report.normalizer,
            "n_texts": len(report.texts.utterances),
            "hours": report.hours,
            "set_aside": [asdict(item) for item in report.texts.set_aside],
            "tokens": tokens,
            "findings": [asdict(finding) for finding in report.findings],
        }
    return about
