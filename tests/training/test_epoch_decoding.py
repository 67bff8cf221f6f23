"""Epochs decoded by CTranslate2 and in torch: the same texts, so the same choice of epoch."""

from __future__ import annotations

from typing import Any

import pytest

from ruach_core.testing.plugins import write_plugin

pytestmark = pytest.mark.slow

SETTINGS = (
    "--epochs", "10", "--training.batch_size", "1", "--training.learning_rate", "1e-2",
    "--training.precision", "float32", "--export.parity_clips", "1", "--training.patience", "10",
    "--evaluation.zero_shot_clips", "0", "--training.average", "0",
)  # fmt: skip


def epochs(finished: Any) -> list[dict[str, float]]:
    assert finished.status == 0, finished.err
    return [figures for figures in finished.figures if "eval_wer" in figures]


# In int8 a model as narrow as this one writes something else, and not the same on every processor.
IN_FLOAT32 = """
from ruach_core import hookimpl
from ruach_core.training import measuring

@hookimpl
def ruach_before_train(run):
    measuring.QUICK_COMPUTE_TYPE = "float32"
"""


def test_both_decoders_give_the_same_figures(ruach):
    write_plugin(ruach.site, "infloat", IN_FLOAT32)
    by_torch = epochs(ruach.run(*SETTINGS, "--evaluation.epochs_in", "torch"))
    by_ctranslate2 = epochs(ruach.run(*SETTINGS, "--overwrite"))
    assert len(by_torch) == len(by_ctranslate2) == 10
    for a, b in zip(by_torch, by_ctranslate2, strict=True):
        assert a["eval_loss"] == pytest.approx(b["eval_loss"], abs=1e-3)
        assert (a["eval_wer"], a["eval_cer"]) == (b["eval_wer"], b["eval_cer"])
