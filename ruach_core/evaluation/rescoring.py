"""Choosing among a beam's candidates by more than the decoder says, weights tuned on validation.

A candidate's score is

    (1 - ctc_weight) * log P(text | audio) + ctc_weight * log P_ctc(text | audio)
        + weight * log P(text) + word_bonus * number of words

The first term is the decoder's own, without the division by length that a beam search ranks with.
The second is the CTC head's (S. Watanabe et al., IEEE JSTSP 11(8), 2017, equation 49), the third a
language model's; an export has one of them, both or none.

The likeliest text isn't the one with the fewest errors to be expected. So of a clip's candidates
that one is chosen which differs least from all of them, each counting by its probability (A.
Stolcke et al., "Explicit word error minimization in N-best list rescoring", Eurospeech 1997).

The numbers are tuned by counting errors, as in F. Och, "Minimum Error Rate Training in Statistical
Machine Translation", ACL 2003, but over a small grid: there are few of them to find and few clips
to find them with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ruach_core.config import DEFAULT_BEAM_SIZE
from ruach_core.errors import UserError
from ruach_core.evaluation.ctc import CtcHead, label_texts, score_labels
from ruach_core.evaluation.metrics import EditCounts, Unit, compare_systems, count_edits
from ruach_core.evaluation.ngram import IntArray, NgramModel, RealArray
from ruach_core.features import FloatArray

RESCORING = "rescoring.npz"
"""Beside an export's model.bin: the tuned numbers and the language model."""

CTC_WEIGHTS = (0.0, 0.3)
"""Without the head, or as hybrid recipes have it: with some 80 validation clips, finer steps are
told apart by chance."""

WEIGHTS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
WORD_BONUSES = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0)
_FOLDS = 10
MAX_P_VALUE = 0.05
MIN_UTTERANCES = 20
"""With fewer validation clips nothing is tuned: two numbers could be found by chance alone."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One hypothesis of a beam.

    Attributes:
        ids: its text's tokens.
        text: its text.
        log_prob: natural log-probability of all its tokens, the end included.
        ctc_log_prob: that of its letters by the CTC head; 0 where the export has none.
        no_speech_prob: of the clip: how likely the model holds it that nobody speaks there.
    """

    ids: tuple[int, ...]
    text: str
    log_prob: float
    ctc_log_prob: float = 0.0
    no_speech_prob: float = 0.0


def with_ctc(candidates: Sequence[Candidate], head: CtcHead, states: FloatArray) -> list[Candidate]:
    """A clip's candidates with what the CTC head says of their letters.

    Args:
        candidates: of one clip.
        head: of the export.
        states: of the encoder, (n_states, width).
    """
    rows = label_texts(head.letters, (candidate.text for candidate in candidates))
    scores = score_labels(head.log_probs(states), rows)
    return [
        replace(candidate, ctc_log_prob=float(score))
        for candidate, score in zip(candidates, scores, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Rescorer:
    """What counts beside the decoder's own log-probability.

    Attributes:
        ctc_weight: share of the CTC head's log-probability, 0 to 1.
        weight: of the language model's log-probability; 0 leaves it out.
        word_bonus: added for each word; negative against texts in small pieces.
        beam_size: candidates that the weights were tuned for.
        model: the language model; None where `weight` is 0.
    """

    ctc_weight: float
    weight: float
    word_bonus: float
    beam_size: int
    model: NgramModel | None = None

    def choose(self, lists: Sequence[Sequence[Candidate]]) -> list[int]:
        """For each list of candidates, in the beam's order, the index of the best; 0 for none."""
        found = _Features.of(lists, self.model)
        return [int(i) for i in found.choose((self.ctc_weight, self.weight, self.word_bonus))]

    def describe(self) -> str:
        """How the choice is made, for reports."""
        parts = [f"CTC {self.ctc_weight:g}"] if self.ctc_weight else []
        parts += [f"language model {self.weight:g}"] if self.weight else []
        parts += [f"{self.word_bonus:+g} a word"] if self.word_bonus else []
        return f"rescored ({', '.join(parts) or 'least expected errors'})"

    def to_bytes(self) -> bytes:
        """The file that stands beside an export; `read_rescorer` reads it."""
        about = {field.name: getattr(self, field.name) for field in fields(self)[:-1]}
        # Without a weight the language model's counts have no place in the export.
        return (self.model or NgramModel.fit(())).to_bytes(about)


def choose_beam_size(asked: int | None, rescorer: Rescorer | None) -> int:
    """The beam that was asked for, or else the one that the rescorer was tuned for, or else 5."""
    return asked or (rescorer.beam_size if rescorer else DEFAULT_BEAM_SIZE)


def read_rescorer(model_dir: Path) -> Rescorer | None:
    """The rescorer of an export's folder, or None where it has none.

    Raises:
        UserError: the file is there but can't be used.
    """
    path = model_dir / RESCORING
    if not path.is_file():
        return None
    try:
        model, about = NgramModel.from_bytes(path.read_bytes())
        weight = float(about["weight"])
        return Rescorer(
            ctc_weight=float(about["ctc_weight"]),
            weight=weight,
            word_bonus=float(about["word_bonus"]),
            beam_size=int(about["beam_size"]),
            model=model if weight else None,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: not readable ({error}); pass --no-rescoring, or delete it"
        ) from error


@dataclass(frozen=True, slots=True)
class Tuning:
    """What tuning found on validation; rates are strict WERs, as fractions.

    Attributes:
        ctc_weight: of the CTC head, 0 where it didn't pay or there is none.
        weight: of the language model, 0 where it didn't pay or there is none.
        word_bonus: for each word.
        is_kept: whether choosing among the candidates pays at all.
        plain_wer: of the beam's own first candidates.
        tuned_wer: of the candidates chosen by these weights, on the clips that found them.
        validated_wer: the same where each clip's weights were found on other clips.
        p_value: of the paired test between that and the beam's own choice; this decides.
        oracle_wer: of the best candidates there were.
        n_utterances: of the validation split.
    """

    ctc_weight: float
    weight: float
    word_bonus: float
    is_kept: bool
    plain_wer: float
    tuned_wer: float
    validated_wer: float
    p_value: float
    oracle_wer: float
    n_utterances: int


def tune(
    lists: Sequence[Sequence[Candidate]],
    references: Sequence[str],
    model: NgramModel | None,
    *,
    hypotheses: Mapping[str, str] | None = None,
) -> Tuning:
    """Find the weights with the fewest word errors, and whether they beat the beam's own choice.

    Three guards against a validation split of some 80 clips, where a handful of words decides
    between neighbours of the grid by chance. The errors of each point are averaged with those of
    its neighbours, so that a lucky point in a bad neighbourhood isn't taken. The gain is
    cross-validated: each tenth of the clips is scored by the weights that the other nine tenths
    choose. And a language model must make fewer word errors than the beam by the paired test, else
    the beam's choice stays: on Mboshi a cross-validated gain of 2.6 points on 77 clips, p = 0.05,
    was a loss of 0.3 on the test split. A CTC head, and the least expected errors, have a theory
    behind them and hardly a number; for them a cross-validated gain is enough.

    Args:
        lists: each clip's candidates, the best first; at least one clip, one candidate each.
        references: each clip's reference.
        model: a language model that has seen none of the references; None without one.
        hypotheses: normalised form of each candidate's text, by the text; by default as it is.
    """
    words, characters = (
        _count(lists, references, unit, hypotheses or {}) for unit in ("word", "character")
    )
    grid = _Grid.over(lists, with_model=model is not None)
    found = _Features.of(lists, model)
    choices = np.array([found.choose(point) for point in grid.points])
    # Shape (n_points, 2, n_clips).
    errors = np.stack([_errors(words, choices), _errors(characters, choices)], axis=1)
    folds = np.arange(len(lists)) % _FOLDS
    validated = np.zeros(len(lists), dtype=np.int64)
    for fold in np.unique(folds):
        best = grid.best(errors[..., folds != fold].sum(axis=-1))
        validated[folds == fold] = choices[best, folds == fold]
    best = grid.best(errors.sum(axis=-1))
    gain = compare_systems(
        [row[0] for row in words],
        [row[index] for row, index in zip(words, validated, strict=True)],
    )
    n_words = max(1, sum(row[0].n_reference for row in words))
    ctc_weight, weight, word_bonus = grid.points[best]
    return Tuning(
        ctc_weight=ctc_weight,
        weight=weight,
        word_bonus=word_bonus,
        is_kept=gain.difference < 0 and (model is None or gain.p_value < MAX_P_VALUE),
        plain_wer=gain.first_rate,
        tuned_wer=float(errors[best, 0].sum() / n_words),
        validated_wer=gain.second_rate,
        p_value=gain.p_value,
        oracle_wer=sum(min(count.errors for count in row) for row in words) / n_words,
        n_utterances=len(lists),
    )


Point = tuple[float, float, float]
"""A CTC weight, a language model's weight and a word bonus."""


@dataclass(frozen=True, slots=True)
class _Grid:
    """The points that are tried, and which are neighbours: (n_points, n_points)."""

    points: tuple[Point, ...]
    neighbours: npt.NDArray[np.bool_]

    @classmethod
    def over(cls, lists: Sequence[Sequence[Candidate]], *, with_model: bool) -> _Grid:
        has_head = any(c.ctc_log_prob for candidates in lists for c in candidates)
        axes = (
            CTC_WEIGHTS if has_head else (0.0,),
            WEIGHTS if with_model else (0.0,),
            WORD_BONUSES if with_model else (0.0,),
        )
        places = np.array(list(product(*(range(len(axis)) for axis in axes))))
        apart = np.abs(places[:, None] - places[None])
        are_near = (apart <= 1).all(axis=-1) & (apart[..., 0] == 0)  # with the head or without
        return cls(tuple(product(*axes)), are_near)

    def best(self, errors: IntArray) -> int:
        """The point with the fewest errors, of words and then of characters, with its neighbours'.

        Args:
            errors: (n_points, 2).
        """
        n_near = self.neighbours.sum(axis=1)[:, None]
        means = (self.neighbours @ errors) / n_near
        return min(range(len(means)), key=lambda i: (*means[i], i))


@dataclass(frozen=True, slots=True)
class _Features:
    """What a choice looks at; arrays of shape (n_clips, n_candidates), -inf where there is none.

    `edits` says how much two candidates differ: (n_clips, n_candidates, n_candidates).
    """

    log_probs: RealArray
    ctc: RealArray
    language: RealArray
    n_words: RealArray
    edits: RealArray

    @classmethod
    def of(cls, lists: Sequence[Sequence[Candidate]], model: NgramModel | None) -> _Features:
        shape = len(lists), max((len(candidates) for candidates in lists), default=0)
        log_probs = np.full(shape, -np.inf)
        ctc, language, n_words = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        edits = np.zeros((*shape, shape[1]))
        for i, candidates in enumerate(lists):
            n = len(candidates)
            log_probs[i, :n] = [candidate.log_prob for candidate in candidates]
            ctc[i, :n] = [candidate.ctc_log_prob for candidate in candidates]
            n_words[i, :n] = [len(candidate.text.split()) for candidate in candidates]
            edits[i, :n, :n] = _edits([candidate.text for candidate in candidates])
            if model is not None:
                language[i, :n] = model.log_probs([candidate.text for candidate in candidates])
        return cls(log_probs, np.maximum(ctc, _LEAST), language, n_words, edits)

    def choose(self, point: Point) -> IntArray:
        """Index of the best candidate of each clip; the first where all are as good."""
        if not self.log_probs.size:
            return np.zeros(len(self.log_probs), dtype=np.int64)
        ctc_weight, weight, word_bonus = point
        scores = (1 - ctc_weight) * self.log_probs + ctc_weight * self.ctc
        scores += weight * self.language + word_bonus * self.n_words
        best = scores.max(axis=1, keepdims=True)
        shares = np.exp(_SHARPNESS * (scores - np.where(np.isfinite(best), best, 0.0)))
        expected = np.einsum("cij,cj->ci", self.edits, shares)
        chosen: IntArray = np.argmin(np.where(np.isfinite(scores), expected, np.inf), axis=1)
        return chosen


def _edits(texts: Sequence[str]) -> RealArray:
    """Words, and letters at their part, that one text has otherwise than another: (n, n)."""
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    words = [text.split() for text in texts]
    return np.asarray(
        cdist(words, words, scorer=Levenshtein.distance, dtype=np.float64)
        + _LETTER_SHARE * cdist(texts, texts, scorer=Levenshtein.distance, dtype=np.float64)
    )


_SHARPNESS = 0.7
"""Of the candidates' probabilities: a beam is too sure of itself."""

_LETTER_SHARE = 0.3
"""Of a word's error: a wrong letter in a word that is wrong anyhow is an error, too."""

_LEAST = -1e9
"""In place of -inf, for a text that the states can't hold: 0 times that isn't a number."""


def _count(
    lists: Sequence[Sequence[Candidate]],
    references: Sequence[str],
    unit: Unit,
    normalized: Mapping[str, str],
) -> list[list[EditCounts]]:
    """The edits of each candidate."""
    return [
        count_edits(
            [reference] * len(candidates),
            [normalized.get(candidate.text, candidate.text) for candidate in candidates],
            unit=unit,
        )
        for candidates, reference in zip(lists, references, strict=True)
    ]


def _errors(counts: Sequence[Sequence[EditCounts]], choices: IntArray) -> IntArray:
    """The errors of what is chosen, in the shape of the choices."""
    errors = np.zeros((len(counts), max(map(len, counts))), dtype=np.int64)
    for i, row in enumerate(counts):
        errors[i, : len(row)] = [count.errors for count in row]
    return errors[np.arange(len(counts)), choices]
