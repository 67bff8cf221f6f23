"""Which clips' texts are probably wrong: those that cost more than their like, epoch after epoch.

Each epoch's loss a token is compared with that of clips that were learnt at about the same time
(the loss falls fast while an epoch goes on) and whose texts are about as long, as a number of
robust standard deviations. The mean over epochs is the score: a clip that is learnt by heart in
the end was still hard at first. Losses tell wrong labels in this way in E. Arazo et al., ICML 2019
(arXiv 1904.11238) and S. Swayamdipta et al., EMNLP 2020 (arXiv 2009.10795).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ruach_core.data.review.suspicious import SuspiciousClip
from ruach_core.evaluation.report import build_rows
from ruach_core.training.clip_losses import ClipLosses, Figures
from ruach_core.types import Hypothesis, TextNormalizer, Utterance

if TYPE_CHECKING:
    from ruach_core.training.preparation import Prepared

MOST_SHARE = 0.2
"""Of all clips; beyond it nothing stands out."""
_LEAST_CLIPS = 12
"""In a split; among fewer no loss can be called unusual."""
_LEAST_LIKE, _LIKE_SHARE = 21, 0.1
_MOST_MEDIANS = 2_000
_MAD_TO_DEVIATION = 1.4826
_SURE_CER = 0.5
_MUCH = 1.35

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
    found: list[tuple[float, Utterance, SuspiciousClip]] = []
    for clips, epochs in (
        (prepared.train, losses.epochs),
        (prepared.validation, losses.validation),
    ):
        if len(clips) < _LEAST_CLIPS or not epochs:
            continue
        scores = score_clips(epochs)
        for i, utterance in enumerate(clips):
            if np.isfinite(scores.score[i]) and utterance.id not in prepared.corpus.accepted:
                values = (float(scores.score[i]), float(scores.loss[i]), float(scores.usual[i]))
                found.append((values[0], utterance, _describe(utterance, names[0], *values)))
    found.sort(key=lambda item: -item[0])
    n_all = len(prepared.train) + len(prepared.validation)
    found = found[: min(n_most, int(MOST_SHARE * n_all))]
    return [(u, replace(clip, rank=rank)) for rank, (_, u, clip) in enumerate(found, start=1)]


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
                why=_explain(clip, row.cer, len(row.reference), len(row.hypothesis)),
            )
        done.append(clip)
    return done


def _describe(
    utterance: Utterance, only_source: str, score: float, loss: float, usual: float
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
    return replace(clip, why=_explain(clip, None, 0, 0))


def _explain(clip: SuspiciousClip, cer: float | None, n_reference: int, n_heard: int) -> str:
    """What stands out, in words."""
    parts = [f"costs {clip.loss / max(clip.usual_loss, 1e-9):.1f} times what clips like it do"]
    if cer is not None:
        if n_heard > _MUCH * n_reference:
            parts.append("the model hears more than the text says")
        elif n_heard * _MUCH < n_reference:
            parts.append("the model hears less than the text says")
        elif cer >= _SURE_CER:
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
    n_like = max(_LEAST_LIKE, int(_LIKE_SHARE * len(drawn)))
    usual = _running_median(log_loss, updates / counts, n_like)
    usual += _running_median(log_loss - usual, counts, n_like)
    excess = log_loss - usual
    spread = _MAD_TO_DEVIATION * _running_median(np.abs(excess), counts, n_like)
    result[:, drawn] = excess / np.maximum(spread, 1e-3), loss, np.exp(usual)
    return result[0], result[1], result[2]


def _running_median(values: Array, keys: Array, n: int) -> Array:
    """Of each value the median of the `n` values whose keys come next to its own.

    Of many values it is computed at some places in their order, and between them interpolated.
    """
    order = np.argsort(keys, kind="stable")
    n, n_values = min(n, len(values)), len(values)
    ordered = values[order]
    places = np.unique(np.linspace(0, n_values - 1, min(_MOST_MEDIANS, n_values)).astype(int))
    begins = np.clip(places - n // 2, 0, n_values - n)
    medians = [float(np.median(ordered[begin : begin + n])) for begin in begins]
    result = np.empty_like(values)
    result[order] = np.interp(np.arange(n_values), places, medians)
    return result
