"""`ruach langs diff`: what a pack changes in a text, for a speaker to review."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ruach_core.cli.language import pack_option, parse_options
from ruach_core.cli.messages import has_color
from ruach_core.errors import UserError
from ruach_core.files import write_text
from ruach_core.text.lines import read_lines

if TYPE_CHECKING:
    from ruach_core.plugins import Plugins
    from ruach_core.text.diff import LineChange, Piece, TextReview
    from ruach_core.types import Purpose

_PURPOSES: dict[str, tuple[Purpose, ...]] = {
    "target": ("target",),
    "score": ("score",),
    "both": ("target", "score"),
}
_MAX_PAGE_LINES = 2_000
"""Changed lines for each purpose on a page, unless the user says otherwise."""


@click.command("diff", short_help="Show what a pack changes in a text, and by which rule.")
@click.argument("code")
@click.argument("text_file", metavar="[TEXT-FILE|-]", required=False)
@click.option(
    "--purpose",
    type=click.Choice(list(_PURPOSES)),
    default="both",
    show_default=True,
    help="target: what the model learns to write. score: what WER and CER compare. both: target, "
    "then what score folds beyond it.",
)
@pack_option
@click.option(
    "--html",
    "page",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page to review in a browser, one file that needs nothing else.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=0),
    help="Show at most N changed lines for each purpose; all are counted. "
    f"Default: all, and {_MAX_PAGE_LINES} on a page.",
)
def langs_diff(
    code: str,
    text_file: str | None,
    *,
    purpose: str,
    settings: tuple[str, ...],
    page: Path | None,
    as_json: bool,
    limit: int | None,
) -> None:
    """What the pack of language CODE changes in a text, line by line, with the rules that do it.

    The text is a file in UTF-8, standard input (-), or, where none is given, the inputs of the
    pack's own samples. Characters that can't be seen are spelt out.
    """
    from ruach_core.plugins import Plugins
    from ruach_core.text.diff import review_text

    plugins = Plugins.load(code)
    options = parse_options(settings)
    normalizer = plugins.normalizer(options)
    if limit is None and page is not None and not as_json:
        limit = _MAX_PAGE_LINES
    source, lines = _open_text(plugins, text_file)
    review = review_text(normalizer, lines, purposes=_PURPOSES[purpose], limit=limit)
    if page is not None:
        _write_page(page, review, plugins, source, options)
    if as_json:
        about = {"code": code, "normalizer": normalizer.name, "options": options, "text": source}
        click.echo(json.dumps(about | _as_data(review), ensure_ascii=False, indent=2))
    elif page is not None:
        click.echo(f"{page}: {_describe(review)}")
    else:
        click.echo(f"{normalizer.name}, {source}: {_describe(review)}")
        is_colored = has_color()
        for line in _show_review(review):
            click.echo(line, color=is_colored)


def _open_text(plugins: Plugins, text_file: str | None) -> tuple[str, Iterator[str]]:
    """What the text is called, and its lines."""
    from ruach_core.manifest import read_examples

    if text_file == "-":
        return "standard input", read_lines(sys.stdin.buffer, "standard input")
    if text_file is not None:
        return text_file, _read_file(text_file)
    # The facade has loaded both, or raised.
    if plugins.pack is None or plugins.pack.directory is None or plugins.manifest is None:
        raise UserError("no pack, so no samples: give a text")
    examples = read_examples(plugins.pack.directory / plugins.manifest.samples)
    inputs = dict.fromkeys(example.input for example in examples)
    return f"the inputs of the pack's {plugins.manifest.samples}", iter(inputs)


def _read_file(name: str) -> Iterator[str]:
    try:
        with Path(name).open("rb") as stream:
            yield from read_lines(stream, name)
    except OSError as error:
        raise UserError(f"{name}: can't be read: {error.strerror}") from error


def _write_page(
    page: Path, review: TextReview, plugins: Plugins, source: str, options: dict[str, str]
) -> None:
    from ruach_core.text.diff import show_text
    from ruach_core.text.diff_html import ReviewHeading, render_review

    pack, manifest = plugins.pack, plugins.manifest
    name = f"{manifest.name} ({manifest.autonym})" if manifest else plugins.lang or ""
    brought_by = f"{pack.distribution} {pack.version}" if pack else "core"
    chosen = ", ".join(f"{key}={value}" for key, value in options.items())
    heading = ReviewHeading(
        title=f"{name}: what {brought_by} changes",
        lang=manifest.code if manifest else "und",
        about=f"Text: {show_text(source)}. Options: {chosen or 'the defaults'}.",
        notes=list(_notes(review)),
    )
    write_text(page, render_review(review, heading))


def _notes(review: TextReview) -> Iterator[str]:
    n_left = review.n_changed.total() - len(review.changes)
    if n_left:
        yield f"{n_left} more changed lines aren't shown: raise --limit to see them."
    if "score" in review.n_changed and "target" in review.n_changed:
        yield "Lines for score begin with the target form of the line."
    if review.changes and not review.rules:
        yield "The pack's normaliser doesn't tell which of its rules changed a line."


def _describe(review: TextReview) -> str:
    counts = ", ".join(f"{n} for {purpose}" for purpose, n in review.n_changed.items())
    lines = "line" if review.n_lines == 1 else "lines"
    return f"{review.n_lines} {lines}, changed: {counts or 'none'}"


def _show_review(review: TextReview) -> Iterator[str]:
    """Changed lines, then the rules by frequency, then what isn't shown."""
    for purpose, n_changed in review.n_changed.items():
        yield f"{purpose}: {n_changed} changed, {review.n_lines - n_changed} as they were"
        for change in review.changes:
            if change.purpose == purpose:
                yield from _show_change(change)
    for rule in review.sorted_rules():
        lines = "line" if rule.n_lines == 1 else "lines"
        yield f"{rule.rule} ({rule.purpose}): {rule.n_lines} {lines}"
    yield from _notes(review)


def _show_change(change: LineChange) -> Iterator[str]:
    rules = f"  ({', '.join(change.rules)})" if change.rules else ""
    pieces = "".join(_show_piece(piece) for piece in change.pieces)
    yield f"  {change.number}: {pieces}{rules}"


def _show_piece(piece: Piece) -> str:
    from ruach_core.text.diff import show_text

    if not piece.is_changed:
        return show_text(piece.before)
    if piece.parts:
        return "".join(_show_piece(part) for part in piece.parts)
    removed = click.style(f"[-{show_text(piece.before)}-]", fg="red") if piece.before else ""
    added = click.style(f"{{+{show_text(piece.after)}+}}", fg="green") if piece.after else ""
    return removed + added


def _as_data(review: TextReview) -> dict[str, object]:
    return {
        "n_lines": review.n_lines,
        "n_changed": dict(review.n_changed),
        "rules": [
            {
                "rule": rule.rule,
                "purpose": rule.purpose,
                "explanation": rule.explanation,
                "n_lines": rule.n_lines,
                "examples": [
                    {"before": before, "after": after, "count": count}
                    for before, after, count in rule.examples
                ],
            }
            for rule in review.sorted_rules()
        ],
        "changes": [
            {
                "line": change.number,
                "purpose": change.purpose,
                "before": change.before,
                "after": change.after,
                "steps": [{"rule": step.rule, "after": step.after} for step in change.steps],
            }
            for change in review.changes
        ],
    }
