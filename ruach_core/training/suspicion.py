"""Which clips' texts are probably wrong: those that cost more than their like, epoch after epoch.

Each epoch's loss a token is compared with what is usual at that time of the epoch (it falls fast
while the epoch goes on) and for a text of that length, as a number of robust standard deviations.
The mean over epochs counts: a clip that is learnt by heart in the end was still hard at first.
Losses tell wrong labels in this way in E. Arazo et al., ICML 2019 (arXiv 1904.11238) and
S. Swayamdipta et al., EMNLP 2020 (arXiv 2009.10795). A text that is much too short or too long for
its audio adds to it: one that was cut off costs little, as what is left of it is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ruach_core.data.review.suspicious import SuspiciousClip
from ruach_core.evaluation.report import UtteranceRow, build_rows
from ruach_core.training.clip_losses import ClipLosses, Figures
from ruach_core.types import Hypothesis, TextNormalizer, Utterance

if TYPE_CHECKING:
    from ruach_core.training.preparation import Prepared

MOST_SHARE = 0.2
"""Of all clips; beyond it nothing stands out."""
_LEAST_CLIPS = 20
"""In a split; among fewer no loss can be called unusual."""
_MAD_TO_DEVIATION = 1.4826
_HUBER = 1.345
"""Of a standard deviation: 95 % as efficient as least squares where nothing stands out."""
_N_REWEIGHTED = 25
_USUAL_MISFIT, _MISFIT_WEIGHT = 1.0, 0.5
"""A misfit counts from here on, and half as much as the loss."""
_ODD_MISFIT, _WORTH_TELLING, _TELLING_CER, _MUCH = 2.0, 1.05, 0.3, 1.35
"""From where on the words tell of it: a misfit, a ratio of losses, a CER, a ratio of lengths."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """Of each clip of a split; NaN where it took no part.

    Attributes:
        score: mean over epochs of its distance from its like, in robust standard deviations.
        loss: mean over epochs, for each token.
        usual: of its like.
    """

    score: Array
    loss: Array
    usual: Array


def score_clips(epochs: Sequence[Figures]) -> Scores:
    """How far each clip's losses are above those of its like.

    Args:
        epochs: the figures of each epoch, as `ClipLosses` keeps them.

    Returns:
        Arrays of shape (n_clips,).
    """
    found = [_score_epoch(epoch) for epoch in epochs]
    columns = [np.array(column) for column in zip(*found, strict=True)]
    known = np.maximum(1, np.isfinite(columns[0]).sum(axis=0))
    means = [np.nansum(column, axis=0) / known for column in columns]
    is_known = np.isfinite(columns[0]).any(axis=0)
    return Scores(*(np.where(is_known, mean, np.nan) for mean in means))


def misfit(clips: Sequence[Utterance]) -> Array:
    """How much longer each clip is than usual for its text, in robust standard deviations."""
    durations = np.array([max(u.duration_s or 0.0, 1e-2) for u in clips])
    lengths = np.array([max(1, len(u.reference or "")) for u in clips])
    logs: Array = np.log(durations)
    off = logs - _fit(logs, [_standard(np.log(lengths))])
    return off / max(_MAD_TO_DEVIATION * float(np.median(np.abs(off))), 1e-3)


def rank_clips(
    prepared: Prepared, losses: ClipLosses, *, n_most: int
) -> list[tuple[Utterance, SuspiciousClip]]:
    """The clips of train and validation whose text is likeliest wrong, the likeliest first.

    Args:
        prepared: the clips; those that a person accepted are left out.
        losses: of the epochs so far.
        n_most: so many at most, and no more than `MOST_SHARE` of all.
    """
    names = prepared.corpus.source.names
    found: list[tuple[Utterance, SuspiciousClip]] = []
    for clips, epochs in (
        (prepared.train, losses.epochs),
        (prepared.validation, losses.validation),
    ):
        if len(clips) < _LEAST_CLIPS or not epochs:
            continue
        scores, misfits = score_clips(epochs), misfit(clips)
        excess = np.maximum(0.0, np.abs(misfits) - _USUAL_MISFIT)
        total = np.nan_to_num(scores.score + _MISFIT_WEIGHT * excess, nan=-np.inf)
        total[[utterance.id in prepared.corpus.accepted for utterance in clips]] = -np.inf
        for i in np.argsort(-total, kind="stable")[:n_most]:
            if np.isfinite(total[i]):
                figures = (total[i], scores.loss[i], scores.usual[i], misfits[i])
                found.append((clips[i], _describe(clips[i], names[0], *map(float, figures))))
    found.sort(key=lambda item: -item[1].score)
    n_all = len(prepared.train) + len(prepared.validation)
    found = found[: min(n_most, int(MOST_SHARE * n_all))]
    return [(u, replace(clip, rank=rank)) for rank, (u, clip) in enumerate(found, start=1)]


def add_hypotheses(
    ranked: Sequence[tuple[Utterance, SuspiciousClip]],
    hypotheses: Sequence[Hypothesis],
    *,
    normalizer: TextNormalizer,
) -> list[SuspiciousClip]:
    """The ranking with what the model wrote, for as many of its clips as were decoded.

    Args:
        ranked: by `rank_clips`.
        hypotheses: of any clips, in any order.
        normalizer: of the language.
    """
    texts = {hypothesis.utterance_id: hypothesis for hypothesis in hypotheses}
    decoded = [utterance for utterance, _ in ranked if utterance.id in texts]
    rows = build_rows(decoded, [texts[u.id] for u in decoded], normalizer=normalizer)
    by_id = {row.utterance_id: row for row in rows}
    done = []
    for utterance, clip in ranked:
        row = by_id.get(utterance.id)
        if row is not None:
            clip = replace(
                clip,
                cer=row.cer,
                reference=row.reference,
                hypothesis=row.hypothesis,
                why=_explain(clip, row),
            )
        done.append(clip)
    return done


def _describe(
    utterance: Utterance, only_source: str, score: float, loss: float, usual: float, off: float
) -> SuspiciousClip:
    prefix = f"{utterance.source}:" if utterance.source else ""
    clip = SuspiciousClip(
        rank=0,
        id=utterance.id.removeprefix(prefix),
        source=utterance.source or only_source,
        split=utterance.split,
        duration_s=utterance.duration_s or 0.0,
        why="",
        score=score,
        loss=loss,
        usual_loss=usual,
        cer=None,
        reference=utterance.reference or "",
        hypothesis=None,
    )
    parts = []
    if (ratio := loss / max(usual, 1e-9)) >= _WORTH_TELLING:
        parts.append(f"costs {ratio:.1f} times what clips like it do")
    if abs(off) > _ODD_MISFIT:
        parts.append(f"the text is {'short' if off > 0 else 'long'} for its audio")
    return replace(clip, why="; ".join(parts))


def _explain(clip: SuspiciousClip, row: UtteranceRow) -> str:
    """What stands out, in words, once the clip was decoded."""
    parts = [clip.why] if clip.why else []
    n_reference, n_heard = len(row.reference), len(row.hypothesis)
    if row.cer >= _TELLING_CER:
        if n_heard > _MUCH * n_reference:
            parts.append("the model hears more than the text says")
        elif n_heard * _MUCH < n_reference:
            parts.append("the model hears less than the text says")
        else:
            parts.append("the model hears something else")
    return "; ".join(parts)


def _score_epoch(figures: Figures) -> tuple[Array, Array, Array]:
    """Score, loss and usual loss of each clip in one epoch; NaN where it wasn't drawn."""
    n_tokens = figures[1]
    drawn = np.flatnonzero(n_tokens)
    result = np.full((3, len(n_tokens)), np.nan)
    if len(drawn) < _LEAST_CLIPS:
        return result[0], result[1], result[2]
    summed, counts, updates = figures[:, drawn]
    loss = summed / counts
    log_loss = np.log(np.maximum(loss, 1e-6))
    when, length = _standard(updates / counts), _standard(np.log(counts))
    usual = _fit(log_loss, [when, when**2, when**3, length, length**2])
    excess = log_loss - usual
    spread = _fit(np.abs(excess), [length])  # short texts vary more
    spread = np.maximum(spread, 0.5 * np.median(np.abs(excess)) + 1e-6)
    score = excess / (_MAD_TO_DEVIATION * spread)
    result[:, drawn] = score, loss, np.exp(usual)
    return result[0], result[1], result[2]


def _standard(values: Array) -> Array:
    """The values with mean 0 and standard deviation 1; zeros where they are all alike."""
    centered: Array = values - values.mean()
    return centered / max(float(values.std()), 1e-9)


def _fit(values: Array, features: Sequence[Array]) -> Array:
    """What a linear model makes of the values, not moved by the few that stand out.

    Huber's M-estimate (P. Huber, Annals of Mathematical Statistics, 1964) by reweighted least
    squares.
    """
    matrix = np.stack([np.ones_like(values), *features], axis=1)
    weights = np.ones_like(values)
    fitted = values
    for _ in range(_N_REWEIGHTED):
        root = np.sqrt(weights)
        found = np.linalg.lstsq(matrix * root[:, None], values * root, rcond=None)[0]
        fitted = matrix @ found
        off = np.abs(values - fitted)
        limit = _HUBER * max(_MAD_TO_DEVIATION * float(np.median(off)), 1e-9)
        weights = np.minimum(1.0, limit / np.maximum(off, 1e-12))
    return fitted
