"""What the CTC head says of a text, against torch's own CTC loss and all alignments by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruach_core.errors import UserError
from ruach_core.evaluation.ctc import CTC_HEAD, CtcHead, read_ctc_head, score_labels
from ruach_core.evaluation.rescoring import Candidate, Rescorer, tune, with_ctc


def head(letters: str = "abɛ ", *, n_hidden: int = 6, width: int = 4, seed: int = 0) -> CtcHead:
    random = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        # What half precision holds exactly.
        return random.normal(size=shape).astype(np.float16).astype(np.float32)

    n_labels = 1 + len(letters)
    return CtcHead(
        letters, draw(n_hidden, width, 5), draw(n_hidden), draw(n_labels, n_hidden), draw(n_labels)
    )


def random_log_probs(n_states: int, n_labels: int, seed: int = 0) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(scale=3.0, size=(n_states, n_labels))
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def collapse(path: tuple[int, ...]) -> tuple[int, ...]:
    changed = [label for i, label in enumerate(path) if i == 0 or label != path[i - 1]]
    return tuple(label for label in changed if label)


def test_the_score_is_the_sum_over_all_alignments():
    log_probs = random_log_probs(5, 3)
    by_hand: dict[tuple[int, ...], float] = {}
    for path in product(range(3), repeat=5):
        text = collapse(path)
        by_hand[text] = by_hand.get(text, 0.0) + np.exp(log_probs[np.arange(5), path].sum())
    rows = list(by_hand)
    assert {(), (1, 1, 2)} <= set(rows)
    assert np.exp(score_labels(log_probs, rows)) == pytest.approx(list(by_hand.values()))
    assert sum(np.exp(score_labels(log_probs, rows))) == pytest.approx(1.0)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.lists(st.integers(1, 6), max_size=12), min_size=1, max_size=5),
    st.integers(1, 40),
    st.integers(0, 99),
)
def test_the_score_is_torchs(rows: list[list[int]], n_states: int, seed: int):
    torch = pytest.importorskip("torch")
    log_probs = random_log_probs(n_states, 7, seed)
    loss = torch.nn.functional.ctc_loss(
        torch.from_numpy(log_probs)[:, None].repeat(1, len(rows), 1),
        torch.tensor([label for row in rows for label in row], dtype=torch.long),
        torch.full((len(rows),), n_states),
        torch.tensor([len(row) for row in rows]),
        reduction="none",
    )
    assert score_labels(log_probs, rows) == pytest.approx(-loss.numpy(), rel=1e-9)


def test_long_audio_does_not_vanish():
    """A product of 1,500 probabilities is below the least float."""
    scores = score_labels(random_log_probs(1500, 40), [[1, 2, 3] * 60, []])
    assert np.isfinite(scores).all()
    assert (scores < -1000).all()


def test_a_text_that_the_states_cannot_hold():
    assert score_labels(random_log_probs(2, 3), [[1, 2, 1]])[0] == -np.inf
    assert score_labels(random_log_probs(2, 3), [[1, 1]])[0] == -np.inf  # needs a blank between


def test_the_head_is_torchs_convolution():
    torch = pytest.importorskip("torch")
    states = np.random.default_rng(1).normal(size=(30, 4)).astype(np.float32)
    one = head()
    with torch.inference_mode():
        hidden = torch.nn.functional.conv1d(
            torch.from_numpy(states.T[None]), torch.from_numpy(one.kernel),
            torch.from_numpy(one.kernel_bias), padding=2,
        ).relu()[0].T  # fmt: skip
        logits = hidden @ torch.from_numpy(one.output.T) + torch.from_numpy(one.output_bias)
        expected = logits.log_softmax(-1).numpy()
    assert one.log_probs(states) == pytest.approx(expected, abs=1e-5)


def test_letters_that_it_does_not_know_are_left_out():
    assert head().labels("a?ɛ b") == [1, 3, 4, 2]


def test_the_file_is_read_as_it_was_written(tmp_path: Path):
    assert read_ctc_head(tmp_path) is None
    written = head()
    (tmp_path / CTC_HEAD).write_bytes(written.to_bytes())
    found = read_ctc_head(tmp_path)
    assert found is not None
    assert found.letters == written.letters
    for name in ("kernel", "kernel_bias", "output", "output_bias"):
        assert (getattr(found, name) == getattr(written, name)).all()


def broken_heads() -> list[bytes]:
    one = head()
    return [
        b"",
        b"PK",
        one.to_bytes()[:-40],
        replace(one, letters="ab").to_bytes(),
        replace(one, kernel=one.kernel[:, :, :4]).to_bytes(),
        replace(one, output_bias=one.output_bias[:-1]).to_bytes(),
    ]


@pytest.mark.parametrize("content", broken_heads())
def test_a_broken_file_is_one_line_with_the_way_out(tmp_path: Path, content: bytes):
    (tmp_path / CTC_HEAD).write_bytes(content)
    with pytest.raises(UserError, match=r"ctc_head\.npz.*delete it") as error:
        read_ctc_head(tmp_path)
    assert "\n" not in str(error.value)


def test_the_head_decides_where_the_decoder_is_wrong():
    """The states say `ab`; the decoder prefers `ba` by a little."""
    letters = "ab"
    kernel = np.zeros((3, 3, 5), dtype=np.float32)
    kernel[:, :, 2] = np.eye(3)
    one = CtcHead(letters, kernel, np.zeros(3, np.float32), 9 * np.eye(3, dtype=np.float32),
                  np.zeros(3, np.float32))  # fmt: skip
    states = np.eye(3, dtype=np.float32)[[0, 1, 1, 0, 2, 2, 0]]
    found = with_ctc([Candidate((5,), "ba", -1.0), Candidate((6,), "ab", -1.5)], one, states)
    assert found[1].ctc_log_prob > -0.1 > -5 > found[0].ctc_log_prob
    assert Rescorer(0.0, 0.0, 0.0, 2).choose([found]) == [0]
    assert Rescorer(0.3, 0.0, 0.0, 2).choose([found]) == [1]
    tuning = tune([found] * 20, ["ab"] * 20, None)
    assert tuning.is_kept
    assert tuning.ctc_weight > 0 == tuning.weight == tuning.word_bonus
    assert (tuning.plain_wer, tuning.tuned_wer) == (1.0, 0.0)


def test_a_head_that_makes_it_worse_is_not_kept():
    good, bad = Candidate((5,), "ab", -1.0, -9.0), Candidate((6,), "ba", -1.5, -1.0)
    tuning = tune([[good, bad]] * 20, ["ab"] * 20, None)
    assert not tuning.is_kept
    assert tuning.ctc_weight == 0
