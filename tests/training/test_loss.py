"""What one update computes, and when it is refused; in this process, on a tiny Whisper."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ruach_core.errors import UserError
from ruach_core.models.special_tokens import SpecialTokens, WhisperTokenizer
from ruach_core.training.evaluating import Evaluator

pytest.importorskip("accelerate")


def test_loss_and_gradient_do_not_depend_on_how_a_batch_is_cut(setting):
    """Texts of 2 to 11 letters: a mean over passes would weigh them wrongly."""
    figures, cuts = [], []
    for micro_batch_s in (60.0, 2.0, 1.0):
        loop = setting.loop(**{"training.micro_batch_s": micro_batch_s})
        (batch,) = loop._plan.batches(0)
        cuts.append(len(batch.micro_batches))
        progress = loop.run()
        figures.append((progress.history[0]["loss"], progress.history[0]["grad_norm"]))
    assert cuts == [1, 2, 4]
    assert len({round(loss, 3) for loss, _ in figures}) == 1, figures
    for loss, grad_norm in figures[1:]:
        assert loss == pytest.approx(figures[0][0], rel=1e-4)
        assert grad_norm == pytest.approx(figures[0][1], rel=1e-3)


def test_logged_loss_is_the_mean_over_tokens(setting):
    import torch

    loop = setting.loop()
    (batch,) = loop._plan.batches(0)
    (micro_batch,) = batch.micro_batches
    tensors = loop._plan.collator(micro_batch, 0)
    with torch.inference_mode():
        logits = loop.updater.model(
            input_features=tensors.log_mel(), decoder_input_ids=tensors.decoder_input_ids
        ).logits.flatten(0, 1)
    targets = tensors.target_ids.flatten()
    mean = torch.nn.functional.cross_entropy(logits[targets >= 0], targets[targets >= 0])
    assert loop.run().history[0]["loss"] == pytest.approx(float(mean), abs=1e-3)


@pytest.mark.parametrize(("policy", "window_s"), [("trim", 0.9), ("full", 30.0)])
def test_validations_loss_is_in_the_windows_that_the_policy_trains(setting, policy, window_s):
    loop = setting.loop(**{"window.policy": policy})
    tokenizer = WhisperTokenizer.read(setting.model_dir)
    prepared = SimpleNamespace(
        validation=setting.utterances[:2], tokenizer=tokenizer,
        tokens=SpecialTokens.of(tokenizer, "en"),
    )  # fmt: skip
    evaluator = Evaluator(loop._plan.config, prepared, loop.updater.model, loop._console)
    heard: list[int] = []
    losses = loop.updater.losses
    loop.updater.losses = lambda model, tensors: (
        heard.append(tensors.waveforms.shape[1]) or losses(model, tensors)
    )
    assert evaluator.loss(loop) > 0
    assert [n / 16_000 for n in heard] == pytest.approx([window_s], abs=0.05)


def test_one_process_can_train_in_one_precision_after_another(setting):
    """Accelerate keeps the first one for the process, and refuses any other."""
    loops = [setting.loop(**{"training.precision": p}) for p in ("float32", "bf16", "float32")]
    losses = [loop.run().history[0]["loss"] for loop in loops]
    assert losses[0] == losses[2]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert losses[1] != losses[0]


def test_label_smoothing_changes_what_is_minimised_and_not_what_is_shown(setting):
    import torch

    loop = setting.loop(**{"training.label_smoothing": 0.2})
    (batch,) = loop._plan.batches(0)
    tensors = loop._plan.collator(batch.micro_batches[0], 0)
    with torch.inference_mode():
        logits = loop.updater.model(
            input_features=tensors.log_mel(), decoder_input_ids=tensors.decoder_input_ids
        ).logits.flatten(0, 1)
        minimised, shown = loop.updater.losses(loop.updater.model, tensors)
        again = loop.updater.loss(tensors)

    def expected(smoothing: float) -> float:
        targets = tensors.target_ids.flatten()
        return float(
            torch.nn.functional.cross_entropy(
                logits, targets, reduction="sum", label_smoothing=smoothing
            )
        )

    assert float(shown.sum()) == pytest.approx(expected(0.0), rel=1e-4)
    assert float(minimised) == pytest.approx(expected(0.2), rel=1e-4)
    assert float(again) == float(shown.sum())
    assert float(minimised) != pytest.approx(float(shown.sum()), rel=1e-4)


def test_a_loss_that_is_not_finite_is_refused(setting):
    loop = setting.loop(learning_rate=3e-4)
    import torch

    with torch.no_grad():
        loop.updater.model.model.decoder.layer_norm.weight.fill_(float("nan"))
    with pytest.raises(UserError) as caught:
        loop.run()
    message = str(caught.value)
    assert "nan at update 1" in message
    assert "--training.learning_rate" in message
    assert "0.0003" in message
    assert "\n" not in message
    assert not list(setting.checkpoints.glob("checkpoint-*"))


def test_gradients_that_are_not_finite_are_refused(setting):
    """A finite loss with an endless gradient: AdamW would fill the weights with nan."""
    loop = setting.loop(learning_rate=3e-4)
    loop.updater.model.model.encoder.conv1.weight.register_hook(lambda grad: grad * float("inf"))
    with pytest.raises(UserError, match="update 1"):
        loop.run()
