"""Suspicious clips as one HTML file, on which a person hears them and decides; it works offline.

The decisions stay in the browser until it downloads them as `review.csv` (`decisions`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from ruach_core.data.playable import encode_clip
from ruach_core.data.review.decisions import COLUMNS, Decision, text_digest
from ruach_core.data.review.suspicious import SuspiciousClip
from ruach_core.text.diff import compare_texts
from ruach_core.text.diff_html import mark_changes, show_html
from ruach_core.text.html_page import fill_page
from ruach_core.types import Utterance

MAX_PAGE_BYTES = 30_000_000
"""Of audio; what a browser opens at once, and a mail takes."""
_MAX_PLAYED_S = 30.0


@dataclass(frozen=True, slots=True)
class ReviewClip:
    """A clip of the page.

    Attributes:
        clip: its row of `suspicious.csv`.
        utterance: as its source has it now.
        decision: an earlier one, or None.
    """

    clip: SuspiciousClip
    utterance: Utterance
    decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """The page, and how many of the clips found room in it."""

    html: str
    n_shown: int


def render_review_page(
    clips: Sequence[ReviewClip],
    kept: Sequence[Decision],
    *,
    title: str,
    lang: str,
    notes: Sequence[str],
    max_bytes: int = MAX_PAGE_BYTES,
) -> ReviewPage:
    """The page, with the audio of its clips.

    Args:
        clips: the likeliest first; the last ones are left out where the audio gets too large.
        kept: earlier decisions about other clips, which the downloaded file is to have as well.
        title: of the page.
        lang: BCP 47 code of the texts, for the browser's choice of fonts.
        notes: what a reader should know, a line each.
        max_bytes: of audio, as it stands in the page.
    """
    items: list[str] = []
    left = max_bytes
    for number, clip in enumerate(clips, start=1):
        utterance = clip.utterance
        audio = encode_clip(
            utterance.audio, utterance.start_s, utterance.end_s, max_s=_MAX_PLAYED_S
        )
        left -= len(audio)
        if left < 0 and items:
            break
        items.append(_article(number, clip, audio, lang))
    if len(items) < len(clips):
        notes = [
            *notes,
            f"{len(clips) - len(items)} more clips are left out: their audio would make the page "
            f"larger than {max_bytes / 1e6:.0f} MB. Decide about these, train, and look again.",
        ]
    shown = clips[: len(items)]
    kept = [*kept, *(clip.decision for clip in clips[len(items) :] if clip.decision)]
    names = dict.fromkeys(clip.clip.source for clip in clips)
    html = fill_page(
        "ruach_core.data.review",
        "review",
        title=show_html(title, is_changed=False),
        notes="\n".join(f'<p class="note">{show_html(n, is_changed=False)}</p>' for n in notes),
        folders=" and of ".join(f"<b>{show_html(name, is_changed=False)}</b>" for name in names),
        # What was decided about other clips or texts, or before the file said something else,
        # must not come up on these.
        key=_key(shown),
        columns=escape(json.dumps(COLUMNS)),
        kept=escape(json.dumps([_cells(decision) for decision in kept])),
        lang=escape(lang),
        clips="\n".join(items) or "<p>There is nothing to review.</p>",
    )
    return ReviewPage(html, len(items))


def _key(clips: Sequence[ReviewClip]) -> str:
    digest = hashlib.sha256()
    for clip in clips:
        fields = (clip.clip.source, clip.clip.id, clip.utterance.transcript, clip.decision)
        digest.update(repr(fields).encode("utf-8", "backslashreplace"))
    return digest.hexdigest()[:16]


def _cells(decision: Decision) -> list[str]:
    return [
        decision.source, decision.id, decision.verdict, decision.transcription, decision.digest,
        decision.note,
    ]  # fmt: skip


def _article(number: int, clip: ReviewClip, audio: str, lang: str) -> str:
    row, utterance, decision = clip.clip, clip.utterance, clip.decision
    data = {
        "source": row.source,
        "id": row.id,
        "digest": text_digest(utterance.transcript),
        "transcript": utterance.transcript,
        "verdict": decision.verdict if decision else "",
        "fixed": decision.transcription if decision and decision.verdict == "fix" else "",
        "note": decision.note if decision else "",
    }
    given = " ".join(f'data-{name}="{escape(value)}"' for name, value in data.items())
    about = [f"{row.split}, {row.duration_s:.1f} s", f"loss {row.loss:.2f}"]
    about += [f"CER {row.cer:.0%}"] if row.cer is not None else []
    about += [f"speaker {utterance.speaker_id}"] if utterance.speaker_id else []
    about += [utterance.row] if utterance.row else []
    player = (
        f'<audio controls preload="none" aria-label="clip {number}" src="{audio}"></audio>'
        if audio
        else "<small>can't be played</small>"
    )
    return (
        f'<article class="clip" tabindex="-1" aria-label="clip {number}" {given}>'
        f'<h3><span class="soft">{row.rank}</span> {show_html(row.id, is_changed=False)}</h3>'
        f'<p class="soft">{show_html(" · ".join(about), is_changed=False)}</p>'
        f"<p>{show_html(row.why, is_changed=False)}</p>{player}"
        f'<table class="texts">{"".join(_texts(clip, lang))}</table>'
        f'<div class="choice"></div></article>'
    )


def _texts(clip: ReviewClip, lang: str) -> Iterator[str]:
    """Rows of text: what the corpus says, what the model wrote, and the source where it differs."""
    row, transcript = clip.clip, clip.utterance.transcript
    pieces = compare_texts(row.reference, row.hypothesis or "")
    if row.hypothesis is None:
        yield _text("reference", show_html(row.reference, is_changed=False), lang)
    else:
        yield _text("reference", "".join(mark_changes(pieces, "del")), lang)
        yield _text("the model", "".join(mark_changes(pieces, "ins")) or "<i>nothing</i>", lang)
    if transcript != row.reference:
        yield _text("as written", show_html(transcript, is_changed=False), lang)


def _text(title: str, html: str, lang: str) -> str:
    return (
        f'<tr><th scope="row">{title}</th>'
        f'<td class="text" lang="{escape(lang)}" dir="auto">{html}</td></tr>'
    )
