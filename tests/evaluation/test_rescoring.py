"""Choosing among candidates, and tuning that keeps its hands off where nothing is gained."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruach_core.errors import UserError
from ruach_core.evaluation.ngram import NgramModel
from ruach_core.evaluation.rescoring import (
    RESCORING,
    Candidate,
    Rescorer,
    choose_beam_size,
    read_rescorer,
    tune,
)

WORDS = ["moro", "adi", "ngala", "kwesi", "yula", "bere", "tongo"]


def sentences(n: int, seed: int) -> list[str]:
    return [" ".join(row) for row in np.random.default_rng(seed).choice(WORDS, size=(n, 4))]


@pytest.fixture(scope="module")
def model() -> NgramModel:
    return NgramModel.fit(sentences(120, seed=0))


def candidates(*rows: tuple[str, float]) -> list[Candidate]:
    return [Candidate((1,), text, log_prob) for text, log_prob in rows]


def misspelled(text: str) -> str:
    return text.replace("o", "u", 1).replace("a", "o", 1)


def test_the_language_model_decides_where_the_recognizer_hardly_does(model) -> None:
    lists = [candidates(("moru adi", -3.0), ("moro adi", -3.1), ("kwesi", -9.0))]
    assert Rescorer(0.0, 0.0, 0.0, 5, model).choose(lists) == [0]
    assert Rescorer(0.0, 0.3, 0.0, 5, model).choose(lists) == [1]


def test_a_negative_bonus_is_for_fewer_words(model) -> None:
    lists = [candidates(("mo ro", -3.0), ("moro", -3.5))]
    assert Rescorer(0.0, 0.0, -0.4, 5, model).choose(lists) == [0]
    assert Rescorer(0.0, 0.0, -0.6, 5, model).choose(lists) == [1]


def test_odd_lists(model) -> None:
    rescorer = Rescorer(0.0, 0.3, -1.0, 5, model)
    assert rescorer.choose([]) == []
    nothing = candidates(("", -math.inf))
    assert rescorer.choose([nothing, candidates(("moro", -1.0), ("x", -1.0))]) == [0, 0]
    # CTranslate2 divides by a length of 0: no candidate is worse than one without any text.
    assert rescorer.choose([[*nothing, *candidates(("x y z", -99.0))]]) == [1]


def test_the_text_with_the_fewest_errors_to_be_expected_is_chosen() -> None:
    """The first is the likeliest by itself; the others agree on most of their words."""
    texts = [("kwesi yula", -1.0), ("moro adi", -1.3), ("moro ada", -1.4), ("mora adi", -1.5)]
    assert Rescorer(0.0, 0.0, 0.0, 4).choose([candidates(*texts)]) == [1]
    sure = [("kwesi yula", -1.0), *((text, score - 9) for text, score in texts[1:])]
    assert Rescorer(0.0, 0.0, 0.0, 4).choose([candidates(*sure)]) == [0]


def test_description_has_only_what_counts(model) -> None:
    both = Rescorer(0.4, 0.3, -1.0, 9, model)
    assert both.describe() == "rescored (CTC 0.4, language model 0.3, -1 a word)"
    assert Rescorer(0.4, 0.0, 0.0, 9).describe() == "rescored (CTC 0.4)"
    assert Rescorer(0.0, 0.0, 0.5, 9, model).describe() == "rescored (+0.5 a word)"
    assert Rescorer(0.0, 0.0, 0.0, 9, model).describe() == "rescored (least expected errors)"


def test_tuning_finds_what_the_language_model_gives(model) -> None:
    references = sentences(60, seed=1)
    # The recognizer prefers a misspelling in two of three clips, by a little.
    lists = [
        candidates((misspelled(text), -5.0), (text, -5.5))
        if i % 3
        else candidates((text, -5.0), (misspelled(text), -5.5))
        for i, text in enumerate(references)
    ]
    tuning = tune(lists, references, model)
    assert tuning.is_kept
    assert tuning.weight > 0
    assert tuning.oracle_wer == 0
    assert tuning.validated_wer < 0.05 < tuning.plain_wer
    rescorer = Rescorer(0.0, tuning.weight, tuning.word_bonus, 2, model)
    chosen = rescorer.choose(lists)
    texts = [row[index].text for row, index in zip(lists, chosen, strict=True)]
    right = sum(text == reference for text, reference in zip(texts, references, strict=True))
    assert right > 55


def test_tuning_keeps_the_beam_that_is_right(model) -> None:
    references = sentences(40, seed=2)
    lists = [candidates((text, -2.0), (misspelled(text), -9.0)) for text in references]
    assert not tune(lists, references, model).is_kept


def test_tuning_keeps_the_beam_where_there_is_no_choice(model) -> None:
    references = sentences(40, seed=2)
    tuning = tune([candidates(("moro", -2.0))] * 40, references, model)
    assert not tuning.is_kept
    assert tuning.plain_wer == tuning.tuned_wer == tuning.validated_wer == tuning.oracle_wer


def test_tuning_is_seldom_taken_in_by_noise() -> None:
    """Where no choice is better than another, fitting the clips finds a gain, but keeps none."""
    n_kept = n_fitted = 0
    for seed in range(12):
        random = np.random.default_rng(seed)
        references = sentences(60, seed=seed)
        lists = []
        for text in references:
            row = [" ".join(random.permutation(text.split())) for _ in range(6)]
            scores = -np.sort(random.gamma(2.0, size=6))
            lists.append(candidates(*zip(row, scores[::-1], strict=True)))
        tuning = tune(lists, references, NgramModel.fit(sentences(50, seed=99)))
        n_kept += tuning.is_kept
        n_fitted += tuning.tuned_wer < tuning.plain_wer
    assert n_kept <= 1 < n_fitted


def test_word_errors_come_before_character_errors_and_ties_by_them(model) -> None:
    references = ["moro adi"] * 20
    # Both have one word wrong; the second has fewer letters wrong.
    lists = [candidates(("xxxxxx adi", -2.0), ("moru adi", -2.1))] * 20
    tuning = tune(lists, references, model)
    rescorer = Rescorer(0.0, tuning.weight, tuning.word_bonus, 2, model)
    assert rescorer.choose(lists[:1]) == [1]
    # But the same number of words is no gain in them.
    assert tuning.plain_wer == tuning.validated_wer
    assert not tuning.is_kept


def test_normalized_forms_are_what_is_compared(model) -> None:
    lists = [candidates(("MORO", -2.0), ("moru", -2.1))] * 20
    tuning = tune(lists, ["moro"] * 20, model, hypotheses={"MORO": "moro"})
    assert tuning.plain_wer == 0


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.text(max_size=8),
            st.lists(st.tuples(st.text(max_size=8), st.floats(-1e6, 0)), min_size=1, max_size=4),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_tuning_is_total(clips: list[tuple[str, list[tuple[str, float]]]]) -> None:
    lists = [candidates(*rows) for _, rows in clips]
    model = NgramModel.fit([reference for reference, _ in clips])
    tuning = tune(lists, [reference for reference, _ in clips], model)
    assert tuning.oracle_wer <= tuning.tuned_wer
    assert tuning.n_utterances == len(clips)


def test_a_rescorer_is_read_as_it_was_written(model, tmp_path: Path) -> None:
    assert read_rescorer(tmp_path) is None
    written = Rescorer(0.0, 0.15, -0.5, 12, model)
    (tmp_path / RESCORING).write_bytes(written.to_bytes())
    found = read_rescorer(tmp_path)
    assert found is not None
    assert (found.weight, found.word_bonus, found.beam_size) == (0.15, -0.5, 12)
    text = ["moro bere", "?"]
    assert (found.model.log_probs(text) == model.log_probs(text)).all()


@pytest.mark.parametrize("content", [b"", b"PK", b"\x93NUMPY"])
def test_a_broken_file_is_one_line_with_the_way_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / RESCORING).write_bytes(content)
    with pytest.raises(UserError, match=r"rescoring\.npz.*--no-rescoring") as error:
        read_rescorer(tmp_path)
    assert "\n" not in str(error.value)


def test_the_beam_is_the_users_or_the_one_it_was_tuned_for(model) -> None:
    rescorer = Rescorer(0.0, 0.1, 0.0, 12, model)
    assert choose_beam_size(None, None) == 5
    assert choose_beam_size(None, rescorer) == 12
    assert choose_beam_size(3, rescorer) == 3
