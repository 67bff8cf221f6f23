"""The beam's candidates of a tiny model, and a recognizer that chooses among them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ruach_core.errors import DataError
from ruach_core.evaluation.ct2_decode import Ct2Recognizer, ct2_max_length
from ruach_core.evaluation.ngram import NgramModel
from ruach_core.evaluation.rescoring import Rescorer
from ruach_core.features import window_samples
from ruach_core.plugins import Plugins
from ruach_core.testing.tiny import write_tiny_whisper
from ruach_core.types import SAMPLING_RATE, Utterance

pytestmark = pytest.mark.slow

BEAM = 6


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("tiny")
    model = write_tiny_whisper(folder / "model", seed=3)
    (folder / "ct2").mkdir()
    Plugins.load("en", use_pack=False).exporter("ctranslate2").export(
        model, folder / "ct2", quantization="float32"
    )
    return folder / "ct2"


@pytest.fixture(scope="module")
def utterances(tmp_path_factory: pytest.TempPathFactory) -> list[Utterance]:
    folder = tmp_path_factory.mktemp("noise")
    found = []
    for i in range(5):
        wave = 0.1 * np.random.default_rng(i).normal(size=SAMPLING_RATE * (i + 1) // 2)
        soundfile.write(folder / f"{i}.wav", wave, SAMPLING_RATE, subtype="FLOAT")
        found.append(
            Utterance(f"{i}.wav", folder / f"{i}.wav", "x", "test",
                      duration_s=len(wave) / SAMPLING_RATE)
        )  # fmt: skip
    return found


def open_recognizer(export: Path, rescorer: Rescorer | None = None, **options) -> Ct2Recognizer:
    return Ct2Recognizer(
        export, language="en", max_new_tokens=7, threads=1, rescorer=rescorer,
        **{"beam_size": BEAM, **options},
    )  # fmt: skip


@pytest.fixture(scope="module")
def lists(export: Path, utterances: list[Utterance]):
    return open_recognizer(export).decode_nbest(utterances, batch_s=4.0)


def test_the_first_candidate_is_the_beams_own(export: Path, utterances, lists) -> None:
    plain = open_recognizer(export).decode_utterances(utterances, batch_s=4.0)
    assert [candidates[0].text for candidates in lists] == [h.text for h in plain]
    assert [len(candidates) for candidates in lists] == [BEAM] * len(utterances)
    for candidates in lists:
        assert len({candidate.ids for candidate in candidates}) == BEAM


def test_log_prob_is_that_of_the_tokens(export: Path, utterances, lists) -> None:
    """Without a length penalty, CTranslate2's score is the sum; the candidates found are others."""
    recognizer = open_recognizer(export)
    shared = 0
    for utterance, candidates in zip(utterances, lists, strict=True):
        wave, _ = soundfile.read(utterance.audio, dtype="float32")
        n_samples = window_samples(utterance.duration_s, margin_s=1.0)
        result = recognizer._model.generate(
            recognizer.extract_features([wave], n_samples), [recognizer.tokens.prompt],
            beam_size=BEAM, num_hypotheses=BEAM, length_penalty=0, return_scores=True,
            max_length=ct2_max_length(7), suppress_tokens=[-1],
        )[0]  # fmt: skip
        sums = {tuple(i): s for i, s in zip(result.sequences_ids, result.scores, strict=True)}
        for candidate in candidates:
            if candidate.ids in sums:
                shared += 1
                # The batch's window is the longest clip's, so the clips differ a little.
                assert candidate.log_prob == pytest.approx(sums[candidate.ids], rel=0.02)
    assert shared > 5


def test_the_recognizer_takes_what_the_rescorer_chooses(export: Path, utterances, lists) -> None:
    wanted = lists[0][-1].text
    model = NgramModel.fit([wanted] * 50)
    rescorer = Rescorer(0.0, 50.0, 0.0, BEAM, model)
    recognizer = open_recognizer(export, rescorer)
    assert recognizer.rescoring == "rescored (language model 50)"
    expected = [row[i].text for row, i in zip(lists, rescorer.choose(lists), strict=True)]
    assert expected[0] == wanted != lists[0][0].text
    assert [h.text for h in recognizer.decode_utterances(utterances, batch_s=4.0)] == expected
    waves = [soundfile.read(u.audio, dtype="float32")[0] for u in utterances]
    assert recognizer.decode(waves, batch_s=4.0) == expected
    # The list itself is always the beam's.
    assert recognizer.decode_nbest(utterances, batch_s=4.0) == lists


def test_greedy_decoding_has_nothing_to_choose_from(export: Path, utterances) -> None:
    rescorer = Rescorer(0.0, 50.0, 0.0, BEAM, NgramModel.fit(["x"]))
    recognizer = open_recognizer(export, rescorer, beam_size=1)
    assert recognizer.rescoring == ""
    plain = open_recognizer(export, beam_size=1).decode_utterances(utterances)
    assert recognizer.decode_utterances(utterances) == plain


def test_no_clip_and_a_clip_too_long(export: Path, utterances) -> None:
    recognizer = open_recognizer(export)
    assert recognizer.decode_nbest([]) == []
    with pytest.raises(DataError, match=r"0\.wav.*30"):
        recognizer.decode_nbest([replace(utterances[0], duration_s=31.0)])
