"""The CTC head while it trains: what it learns, what it leaves of itself, and where it isn't."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("accelerate")

from ruach_core.evaluation.ctc import CTC_HEAD, read_ctc_head, score_labels
from ruach_core.training.checkpoint import load_weights
from ruach_core.training.console import Console
from ruach_core.training.ctc import HEAD_RATE, has_head, head_parameters, losses, save_with_head
from ruach_core.training.ctc_warm_up import warm_up_head
from ruach_core.training.packing import TrainingWindow


def test_the_loss_of_letters_goes_into_what_is_minimised_only(setting):
    import torch

    figures = {}
    for weight in (0.0, 0.5):
        loop = setting.loop(**{"training.ctc_weight": weight})
        (batch,) = loop._plan.batches(0)
        (passed,) = [loop.updater.read(m, 0) for m in batch.micro_batches]
        texts = [window.text(loop._plan.train) for window in passed.part.windows]
        assert all(texts)
        with torch.inference_mode():
            figures[weight] = loop.updater.losses(loop.updater.model, passed.tensors, texts)
            if weight:
                states = loop.updater.model.get_encoder()(passed.tensors.log_mel())
                ctc = float(losses(loop.updater.model, states.last_hidden_state, texts).sum())
    assert (figures[0.0][1] == figures[0.5][1]).all()
    added = float(figures[0.5][0] - figures[0.0][0])
    assert added == pytest.approx(0.5 * ctc, rel=1e-4)
    assert ctc > 1


def test_without_a_weight_there_is_no_head(setting):
    assert not has_head(setting.loop(**{"training.ctc_weight": 0.0}).updater.model)
    assert not has_head(setting.loop(**{"training.sharding": "fsdp"}).updater.model)


def test_it_is_trained_at_its_own_rate_and_the_encoder_with_it(longer):
    loop = longer.loop(**{"training.max_steps": 1})
    model = loop.updater.model
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    loop.run()
    moved = {n: float((p.detach() - before[n]).abs().max()) for n, p in model.named_parameters()}
    names = [name for name in moved if name.startswith("ctc_head.")]
    assert len(names) == 4
    # Adam's first step is as long as the rate: the loop's own is 1e-3, and this is the warm-up.
    for name in names:
        assert moved[name] == pytest.approx(HEAD_RATE, rel=0.05)


def test_training_makes_the_texts_likelier_to_the_head(setting):
    import torch

    loop = setting.loop(**{"training.epochs": 15, "augment.spec_augment": False})
    model = loop.updater.model

    def loss() -> float:
        (batch,) = loop._plan.batches(0)
        (passed,) = [loop.updater.read(m, 0) for m in batch.micro_batches]
        texts = [window.text(loop._plan.train) for window in passed.part.windows]
        with torch.inference_mode():
            states = model.get_encoder()(passed.tensors.log_mel()).last_hidden_state
            return float(losses(model, states, texts).sum())

    before = loss()
    loop.run()
    assert loss() < 0.7 * before


def test_the_head_is_fitted_to_the_encoder_as_it_is(setting):
    loop = setting.loop(**{"training.dropout": 0.3})
    model = loop.updater.model
    model.train()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    line = warm_up_head(model, loop._plan, Console(is_quiet=True))
    last, first = (float(number) for number in re.findall(r"\d+\.\d+", line))
    assert last < 0.5 * first
    for name, parameter in model.named_parameters():
        assert np.array_equal(parameter.detach(), before[name]) != ("ctc_head." in name), name
        assert parameter.grad is None, name
    assert model.training
    assert model.get_encoder().training


def test_the_same_seed_fits_the_same_head(setting):
    heads = []
    for _ in range(2):
        loop = setting.loop()
        warm_up_head(loop.updater.model, loop._plan, Console(is_quiet=True))
        heads.append(head_parameters(loop.updater.model))
    for one, other in zip(*heads, strict=True):
        assert np.array_equal(one.detach(), other.detach())


def test_a_window_of_several_clips_is_their_texts_and_one_of_silence_none(setting):
    both = TrainingWindow((0, 1), (0, 100), (90, 190))
    first, second = (u.reference for u in setting.utterances[:2])
    assert both.text(setting.utterances) == f"{first} {second}"
    assert TrainingWindow((), (), (), silence=3).text(setting.utterances) == ""


def test_whisper_is_saved_without_it_and_its_file_says_the_same(setting, tmp_path, tiny_whisper):
    import torch
    from safetensors import safe_open

    loop = setting.loop()
    loop.run()
    model = loop.updater.model
    save_with_head(model, tiny_whisper, tmp_path)
    assert has_head(model)
    with safe_open(tmp_path / "model.safetensors", "pt") as saved:
        assert not [name for name in saved.keys() if "ctc" in name]  # noqa: SIM118
    head = read_ctc_head(tmp_path)
    assert head is not None
    assert (tmp_path / CTC_HEAD).stat().st_size < 2**20
    text = loop._plan.train[0].reference
    states = torch.randn(1, 50, model.config.d_model)
    with torch.inference_mode():
        expected = -float(losses(model, states, [text])[0])
    (found,) = score_labels(head.log_probs(states[0].numpy()), [head.labels(text)])
    assert found == pytest.approx(expected, rel=5e-3)  # half precision


def test_the_best_weights_bring_it_back(setting):
    loop = setting.loop()
    loop.run()
    best = {n: p.detach().clone() for n, p in loop.updater.model.named_parameters()}
    fresh = setting.loop().updater.model
    load_weights(loop.best_dir, fresh)
    for name, parameter in fresh.named_parameters():
        assert np.array_equal(parameter.detach(), best[name]), name
