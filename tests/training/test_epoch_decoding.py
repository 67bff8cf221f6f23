"""Epochs decoded by CTranslate2 and in torch: the same texts, so the same choice of epoch."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.slow

SETTINGS = (
    "--epochs", "10", "--training.batch_size", "1", "--training.learning_rate", "1e-2",
    "--training.precision", "float32", "--export.parity_clips", "1", "--training.patience", "10",
    "--evaluation.zero_shot_clips", "0", "--training.average", "0",
)  # fmt: skip


def epochs(finished: Any) -> list[dict[str, float]]:
    assert finished.status == 0, finished.err
    return [figures for figures in finished.figures if "eval_wer" in figures]


def test_both_decoders_give_the_same_figures(ruach):
    by_torch = epochs(ruach.run(*SETTINGS, "--evaluation.epochs_in", "torch"))
    by_ctranslate2 = epochs(ruach.run(*SETTINGS, "--overwrite"))
    assert len(by_torch) == len(by_ctranslate2) == 10
    for a, b in zip(by_torch, by_ctranslate2, strict=True):
        assert a["eval_loss"] == pytest.approx(b["eval_loss"], abs=1e-3)
    # CTranslate2 decodes in int8 here, and a model that has learned nothing is sure of nothing.
    for a, b in zip(by_torch[-3:], by_ctranslate2[-3:], strict=True):
        assert a["eval_wer"] == pytest.approx(b["eval_wer"], abs=0.15)
        assert a["eval_cer"] == pytest.approx(b["eval_cer"], abs=0.15)
