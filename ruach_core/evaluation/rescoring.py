"""Choosing among a beam's candidates with a language model, by weights tuned on validation.

The chosen candidate has the highest

    log P(text | audio) + weight * log P(text) + word_bonus * number of words

The first term is the recognizer's own, without the division by length that a beam search ranks
with; so even at weight 0 the choice differs from the beam's. It is tuned by counting errors, as in
F. Och, "Minimum Error Rate Training in Statistical Machine Translation", ACL 2003, but over a
small grid: there are two numbers to find and few clips to find them with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ruach_core.config import DEFAULT_BEAM_SIZE
from ruach_core.errors import UserError
from ruach_core.evaluation.metrics import EditCounts, Unit, compare_systems, count_edits
from ruach_core.evaluation.ngram import IntArray, NgramModel, RealArray

LANGUAGE_MODEL = "language_model.npz"
"""Beside an export's model.bin."""

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
    """

    ids: tuple[int, ...]
    text: str
    log_prob: float


@dataclass(frozen=True, slots=True)
class Rescorer:
    """A language model and what it counts for.

    Attributes:
        model: the language model.
        weight: of its log-probability; 0 leaves it out.
        word_bonus: added for each word; negative against texts in small pieces.
        beam_size: candidates that the weights were tuned for.
    """

    model: NgramModel
    weight: float
    word_bonus: float
    beam_size: int

    def choose(self, lists: Sequence[Sequence[Candidate]]) -> list[int]:
        """For each list of candidates, in the beam's order, the index of the best; 0 for none."""
        found = _Features.of(lists, self.model if self.weight else None)
        return [int(index) for index in found.choose(self.weight, self.word_bonus)]

    def describe(self) -> str:
        """How the choice is made, for reports."""
        parts = [f"language model {self.weight:g}"] if self.weight else []
        parts += [f"{self.word_bonus:+g} a word"] if self.word_bonus else []
        return f"rescored ({', '.join(parts) or 'log-probability'})"

    def to_bytes(self) -> bytes:
        """The file that stands beside an export; `read_rescorer` reads it."""
        about = asdict(self)
        del about["model"]
        return self.model.to_bytes(about)


def choose_beam_size(asked: int | None, rescorer: Rescorer | None) -> int:
    """The beam that was asked for, or else the one that the rescorer was tuned for, or else 5."""
    return asked or (rescorer.beam_size if rescorer else DEFAULT_BEAM_SIZE)


def read_rescorer(model_dir: Path) -> Rescorer | None:
    """The rescorer of an export's folder, or None where it has none.

    Raises:
        UserError: the file is there but can't be used.
    """
    path = model_dir / LANGUAGE_MODEL
    if not path.is_file():
        return None
    try:
        model, about = NgramModel.from_bytes(path.read_bytes())
        return Rescorer(
            model,
            weight=float(about["weight"]),
            word_bonus=float(about["word_bonus"]),
            beam_size=int(about["beam_size"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: not a readable language model ({error}); pass --no-lm, or delete it"
        ) from error


@dataclass(frozen=True, slots=True)
class Tuning:
    """What tuning found on validation; rates are strict WERs, as fractions.

    Attributes:
        weight: of the language model, 0 where it didn't pay.
        word_bonus: for each word.
        is_kept: whether choosing among the candidates pays at all.
        plain_wer: of the beam's own first candidates.
        tuned_wer: of the candidates chosen by these weights, on the clips that found them.
        validated_wer: the same where each clip's weights were found on other clips.
        p_value: of the paired test between that and the beam's own choice; this decides.
        oracle_wer: of the best candidates there were.
        n_utterances: of the validation split.
    """

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
    model: NgramModel,
    *,
    hypotheses: Mapping[str, str] | None = None,
) -> Tuning:
    """Find the weights with the fewest word errors, and whether they beat the beam's own choice.

    Three guards against a validation split of some 80 clips, where a handful of words decides
    between neighbours of the grid by chance. The errors of each point are averaged with those of
    its neighbours, so that a lucky point in a bad neighbourhood isn't taken. The gain is
    cross-validated: each tenth of the clips is scored by the weights that the other nine tenths
    choose. And unless the paired test says that this makes fewer word errors than the beam, the
    beam's choice stays: on Mboshi a cross-validated gain of 2.6 points on 77 clips, p = 0.05, was a
    loss of 0.3 on the test split.

    Args:
        lists: each clip's candidates, the best first; at least one clip, one candidate each.
        references: each clip's reference.
        model: a language model that has seen none of the references.
        hypotheses: normalised form of each candidate's text, by the text; by default as it is.
    """
    words, characters = (
        _count(lists, references, unit, hypotheses or {}) for unit in ("word", "character")
    )
    choices = _choices(_Features.of(lists, model))
    # Shape (n_weights, n_bonuses, 2, n_clips).
    grid = np.stack([_errors(words, choices), _errors(characters, choices)], axis=2)
    folds = np.arange(len(lists)) % _FOLDS
    validated = np.zeros(len(lists), dtype=np.int64)
    for fold in np.unique(folds):
        row, column = _best(grid[..., folds != fold])
        validated[folds == fold] = choices[row, column, folds == fold]
    row, column = _best(grid)
    gain = compare_systems(
        [row[0] for row in words],
        [row[index] for row, index in zip(words, validated, strict=True)],
    )
    n_words = max(1, sum(row[0].n_reference for row in words))
    return Tuning(
        weight=WEIGHTS[row],
        word_bonus=WORD_BONUSES[column],
        is_kept=gain.difference < 0 and gain.p_value < MAX_P_VALUE,
        plain_wer=gain.first_rate,
        tuned_wer=float(grid[row, column, 0].sum() / n_words),
        validated_wer=gain.second_rate,
        p_value=gain.p_value,
        oracle_wer=sum(min(count.errors for count in row) for row in words) / n_words,
        n_utterances=len(lists),
    )


@dataclass(frozen=True, slots=True)
class _Features:
    """What a choice looks at; arrays of shape (n_clips, n_candidates), -inf where there is none."""

    log_probs: RealArray
    language: RealArray
    n_words: RealArray

    @classmethod
    def of(cls, lists: Sequence[Sequence[Candidate]], model: NgramModel | None) -> _Features:
        shape = len(lists), max((len(candidates) for candidates in lists), default=0)
        log_probs = np.full(shape, -np.inf)
        language, n_words = np.zeros(shape), np.zeros(shape)
        for i, candidates in enumerate(lists):
            n = len(candidates)
            log_probs[i, :n] = [candidate.log_prob for candidate in candidates]
            n_words[i, :n] = [len(candidate.text.split()) for candidate in candidates]
            if model is not None:
                language[i, :n] = model.log_probs([candidate.text for candidate in candidates])
        return cls(log_probs, language, n_words)

    def choose(self, weight: float, word_bonus: float) -> IntArray:
        """Index of the best candidate of each clip; the first where all are as good."""
        if not self.log_probs.size:
            return np.zeros(len(self.log_probs), dtype=np.int64)
        scores = self.log_probs + weight * self.language + word_bonus * self.n_words
        chosen: IntArray = np.argmax(scores, axis=1)
        return chosen


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


def _choices(features: _Features) -> IntArray:
    """What every point of the grid chooses: shape (n_weights, n_bonuses, n_clips)."""
    return np.array(
        [[features.choose(weight, bonus) for bonus in WORD_BONUSES] for weight in WEIGHTS]
    )


def _errors(counts: Sequence[Sequence[EditCounts]], choices: IntArray) -> IntArray:
    """The errors of what is chosen, in the shape of the choices."""
    errors = np.zeros((len(counts), max(map(len, counts))), dtype=np.int64)
    for i, row in enumerate(counts):
        errors[i, : len(row)] = [count.errors for count in row]
    return errors[np.arange(len(counts)), choices]


def _best(grid: IntArray) -> tuple[int, int]:
    """The point with the fewest errors, of words and then of characters, with its neighbours'."""
    errors = grid.sum(axis=-1)
    n_rows, n_columns = errors.shape[:2]
    points = [
        (*errors[max(0, i - 1) : i + 2, max(0, j - 1) : j + 2].mean(axis=(0, 1)), i, j)
        for i in range(n_rows)
        for j in range(n_columns)
    ]
    *_, row, column = min(points)
    return int(row), int(column)
