"""A review of a text (`ruach_core.text.diff`) as one HTML file, which works offline.

Everything that comes from a text, a pack or the user is escaped, and what can't be seen, direction
marks included, is spelt out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from ruach_core.text.diff import (
    LineChange,
    Piece,
    RuleSummary,
    TextReview,
    show_text,
    split_visible,
)
from ruach_core.text.html_page import fill_page
from ruach_core.types import Purpose

PURPOSE_HELP: dict[Purpose, str] = {
    "target": "what the model is taught to write",
    "score": "what error rates compare",
}
_LEGEND = (
    "What was removed is marked on the left, what was put there on the right. Characters that "
    "can't be seen are spelt out by number; point at one for its name. ␣ is a space."
)
_SPACE = '<span class="space"> </span>'


@dataclass(frozen=True, slots=True)
class ReviewHeading:
    """What a page says of the pack and the text.

    Attributes:
        title: the page's title.
        lang: BCP 47 code of the text's language, for the browser's choice of fonts.
        about: normaliser, options and source of the text.
        notes: lines that warn of what the page doesn't show.
    """

    title: str
    lang: str
    about: str
    notes: Sequence[str] = ()


def render_review(review: TextReview, heading: ReviewHeading) -> str:
    """The page, as HTML."""
    rules = review.sorted_rules()
    numbers = {(rule.purpose, rule.rule): number for number, rule in enumerate(rules)}
    rows = "\n".join(_render_row(change, numbers, heading.lang) for change in review.changes)
    return fill_page(
        "ruach_core.text",
        "diff",
        title=escape(heading.title),
        about=escape(heading.about),
        counts=escape(describe_counts(review)),
        notes="\n".join(f'<p class="note">{escape(note)}</p>' for note in heading.notes),
        rules=_render_rules(rules, heading.lang),
        legend=escape(_LEGEND),
        # Marks that a reader made on another text must not come up on this one.
        key=hashlib.sha256(rows.encode("utf-8", "replace")).hexdigest()[:16],
        rows=rows,
    )


def describe_counts(review: TextReview) -> str:
    """How many lines change, in one line."""
    parts = [
        f"{n_changed} {_plural(n_changed, 'changes', 'change')} for {purpose} "
        f"({PURPOSE_HELP[purpose]})"
        for purpose, n_changed in review.n_changed.items()
    ]
    changes = ", ".join(parts) or "none changes"
    return f"Of {review.n_lines} {_plural(review.n_lines, 'line', 'lines')}, {changes}."


def _plural(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


def _render_rules(rules: Sequence[RuleSummary], lang: str) -> str:
    if not rules:
        return '<p class="soft">No rule is known to have changed a line.</p>'
    titles = ("Rule", "For", "Lines", "What it does", "Most often")
    heads = "".join(f"<th>{title}</th>" for title in titles)
    rows = "\n".join(_render_rule(number, rule, lang) for number, rule in enumerate(rules))
    return (
        f'<div class="scroll"><table id="rules"><thead><tr>{heads}</tr></thead>'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _render_rule(number: int, rule: RuleSummary, lang: str) -> str:
    examples = "".join(
        f'<span class="pair">{_mark(before, "del", lang)} → {_mark(after, "ins", lang)} '
        f"<small>{count}×</small></span> "
        for before, after, count in rule.examples
    )
    return (
        f"<tr><td>{_button(number, rule.rule)}</td>"
        f'<td><span class="purpose">{rule.purpose}</span></td>'
        f'<td class="number">{rule.n_lines}</td><td>{escape(rule.explanation) or "–"}</td>'
        f"<td>{examples}</td></tr>"
    )


def _mark(text: str, tag: str, lang: str) -> str:
    if not text:
        return "<small>nothing</small>"
    return f'<bdi class="text" lang="{escape(lang)}"><{tag}>{show_html(text)}</{tag}></bdi>'


def _button(number: int, rule: str) -> str:
    shown = escape(show_text(rule))
    return f'<button type="button" data-rule="{number}" aria-pressed="false">{shown}</button>'


def _render_row(change: LineChange, numbers: dict[tuple[Purpose, str], int], lang: str) -> str:
    known = [(numbers[change.purpose, rule], rule) for rule in change.rules]
    rules = "".join(f"<li>{_button(number, rule)}</li>" for number, rule in known)
    pieces = change.pieces
    cell = f'<td class="text" lang="{escape(lang)}" dir="auto">'
    return (
        f'<tr data-rules="{" ".join(str(number) for number, _ in known)}">'
        f'<td class="number">{change.number}</td>'
        f'<td><span class="purpose">{change.purpose}</span></td>'
        f"{cell}{''.join(mark_changes(pieces, 'del'))}</td>"
        f"{cell}{''.join(mark_changes(pieces, 'ins'))}</td>"
        f'<td><ul>{rules or "<li>–</li>"}</ul></td><td class="review"></td></tr>'
    )


def mark_changes(pieces: Sequence[Piece], tag: Literal["del", "ins"]) -> Iterator[str]:
    """One side of two texts as HTML: what was there (`del`) or what is now, with changes marked."""
    for piece in pieces:
        text = piece.before if tag == "del" else piece.after
        if not piece.is_changed:
            yield show_html(text, is_changed=False)
        elif piece.parts:
            yield f"<{tag}>{''.join(_render_parts(piece.parts, tag))}</{tag}>"
        elif text:
            yield f'<{tag} class="whole">{show_html(text)}</{tag}>'


def _render_parts(parts: Sequence[Piece], tag: str) -> Iterator[str]:
    for part in parts:
        text = part.before if tag == "del" else part.after
        if not part.is_changed:
            yield show_html(text, is_changed=False)
        elif text:
            yield f"<b>{show_html(text)}</b>"


def show_html(text: str, *, is_changed: bool = True) -> str:
    """Text as HTML; what can't be seen as its number, with its name to point at.

    Args:
        text: any text; it is escaped.
        is_changed: show spaces by a sign, too.
    """
    shown = []
    for part, name in split_visible(text):
        if name:
            number = name.partition(" ")[0]
            shown.append(f'<bdi class="code" dir="ltr" title="{escape(name)}">{number}</bdi>')
        else:
            shown.append(escape(part).replace(" ", _SPACE) if is_changed else escape(part))
    return "".join(shown)
