"""The loop itself, in this process, on a tiny Whisper and tones."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable

import numpy as np
import pytest

from ruach_core.errors import UserError
from ruach_core.training.loop import InterruptedRunError, Loop
from ruach_core.training.run import epoch_table

pytest.importorskip("accelerate")
pytestmark = pytest.mark.slow


def scripted(*wers: float) -> Callable[[Loop], dict[str, float]]:
    """Figures by epoch."""
    return lambda loop: {
        "eval_wer": wers[loop.progress.epoch], "eval_cer": 0.5, "eval_loss": 1.0,
    }  # fmt: skip


def weights(loop: Loop) -> dict[str, np.ndarray]:
    return {n: p.detach().numpy().copy() for n, p in loop.updater.model.named_parameters()}


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_history_has_the_lines_that_were_printed(longer):
    lines: list[str] = []
    loop = longer.loop(
        on_line=lines.append,
        **{"training.batch_size": 1, "training.epochs": 2, "training.log_steps": 5},
    )
    progress = loop.run()
    steps = [figures for figures in progress.history if "loss" in figures]
    epochs = [figures for figures in progress.history if "eval_wer" in figures]
    assert [figures["epoch"] for figures in steps] == [0.83, 1.67]
    assert [list(figures) for figures in steps] == [
        ["loss", "grad_norm", "learning_rate", "epoch"]
    ] * 2
    assert [figures["epoch"] for figures in epochs] == [1.0, 2.0]
    assert all(figures["train_loss"] > 0 for figures in epochs)
    assert lines[0] == str(steps[0])
    assert lines[0].startswith("{'loss': ")
    assert lines[1].startswith("{'eval_wer': ")
    assert progress.update == 12


def test_learning_rate_follows_the_schedule(longer):
    loop = longer.loop(learning_rate=1e-3,
                       **{"training.batch_size": 1, "training.warmup_share": 0.5})  # fmt: skip
    history = loop.run().history
    found = [figures["learning_rate"] for figures in history if "loss" in figures]
    assert found == pytest.approx([1e-3 / 3, 2e-3 / 3, 1e-3, 1e-3, 2e-3 / 3, 1e-3 / 3], rel=1e-3)


def test_max_steps_ends_the_run_after_an_evaluation(longer):
    loop = longer.loop(**{"training.batch_size": 2, "training.epochs": 5, "training.max_steps": 4})
    progress = loop.run()
    assert progress.update == 4
    assert [f["epoch"] for f in progress.history if "eval_wer" in f] == [1.0, 2.0]


def test_training_lowers_the_loss(longer):
    loop = longer.loop(learning_rate=1e-2, **{"training.epochs": 6, "training.patience": 9})
    losses = [f["loss"] for f in loop.run().history if "loss" in f]
    assert losses[-1] < 0.8 * losses[0]


def test_same_seed_same_weights_other_seed_others(longer):
    trained = []
    for seed in (1, 1, 2):
        loop = longer.loop(seed=seed, **{"training.batch_size": 2})
        loop.run()
        trained.append(weights(loop))
    assert_same(trained[1], trained[0])
    assert any(not np.array_equal(trained[2][n], v) for n, v in trained[0].items())


def test_positions_stay_as_they_are(setting):
    loop = setting.loop()
    before = weights(loop)
    loop.run()
    after = weights(loop)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert set(before) - changed == {"model.encoder.embed_positions.weight"}


def test_reading_ahead_changes_nothing(longer):
    alone = longer.loop(**{"training.batch_size": 2, "training.workers": 1})
    alone.run()
    helped = longer.loop(**{"training.batch_size": 2, "training.workers": 4})
    helped.run()
    assert_same(weights(helped), weights(alone))


RANDOM = {"training.batch_size": 2, "training.dropout": 0.2, "training.stochastic_depth": 0.3}


def test_dropout_and_stochastic_depth_change_the_weights_and_come_again_alike(longer):
    trained = []
    for flags in (RANDOM, RANDOM, {"training.batch_size": 2}):
        loop = longer.loop(**flags)
        loop.run()
        trained.append(weights(loop))
    assert_same(trained[1], trained[0])
    assert any(not np.array_equal(trained[2][n], v) for n, v in trained[0].items())


def test_a_stopped_run_with_dropout_goes_on_to_the_bit(longer):
    whole = longer.loop(**RANDOM)
    whole.run()
    stopped = longer.loop(on_line=signal_after(2), **RANDOM)
    with pytest.raises(InterruptedRunError):
        stopped.run()
    resumed = longer.loop(**RANDOM)
    resumed.run(resume=True)
    assert_same(weights(resumed), weights(whole))


def test_the_encoder_has_a_rate_of_its_own(longer):
    loop = longer.loop(**{"training.encoder_rate": 0.25, "training.max_steps": 1})
    loop.run()
    rates = {
        name: group["lr"]
        for group in loop.updater.optimizer.param_groups
        for name, parameter in loop.updater.model.named_parameters()
        if any(parameter is p for p in group["params"])
    }
    encoder = {rate for name, rate in rates.items() if name.startswith("model.encoder.")}
    decoder = {rate for name, rate in rates.items() if name.startswith("model.decoder.")}
    assert len(encoder) == len(decoder) == 1
    assert encoder.pop() == pytest.approx(0.25 * decoder.pop())


def test_the_last_epochs_are_kept_for_averaging(setting):
    from ruach_core.training.averaging import kept_epochs

    setting.loop(**{"training.epochs": 4, "training.average": 2}).run()
    assert kept_epochs(setting.checkpoints) == [3, 4]


def test_patience(setting):
    loop = setting.loop(
        evaluate=scripted(0.9, 0.5, 0.6, 0.5, 0.7, 0.1),
        **{"training.epochs": 6, "training.patience": 3},
    )
    progress = loop.run()
    assert progress.epoch == 5  # a tie in all of them is no improvement: the sixth isn't reached
    assert progress.best_epoch == 2
    assert progress.best_metric == 0.5
    assert [p.name for p in setting.checkpoints.glob("best-*")] == ["best-2"]


@pytest.mark.parametrize(
    ("cers", "losses", "best"),
    [
        ((0.5, 0.5, 0.5), (2.0, 1.0, 1.5), 2),
        # The other error rate goes before the loss.
        ((0.5, 0.5, 0.4), (2.0, 1.0, 1.5), 3),
    ],
)
def test_a_tie_is_broken_by_the_other_rate_then_by_the_loss(setting, cers, losses, best):
    loop = setting.loop(
        evaluate=lambda loop: {"eval_wer": 0.5, "eval_cer": cers[loop.progress.epoch],
                               "eval_loss": losses[loop.progress.epoch]},
        **{"training.epochs": 3},
    )  # fmt: skip
    progress = loop.run()
    assert progress.best_epoch == best
    assert progress.best_ties == [cers[best - 1], losses[best - 1]]


def test_patience_counts_from_the_last_gain(setting):
    loop = setting.loop(
        evaluate=scripted(0.9, 0.95, 0.5, 0.6, 0.4, 0.6, 0.6),
        **{"training.epochs": 7, "training.patience": 2},
    )
    progress = loop.run()
    assert (progress.epoch, progress.best_epoch) == (7, 5)


def test_the_metric_that_decides_can_be_cer(setting):
    cers = (0.3, 0.2, 0.25)
    loop = setting.loop(
        evaluate=lambda loop: {"eval_wer": 1.0 + loop.progress.epoch, "eval_loss": 1.0,
                               "eval_cer": cers[loop.progress.epoch]},
        **{"training.epochs": 3, "evaluation.metric": "cer"},
    )  # fmt: skip
    assert loop.run().best_epoch == 2


def test_best_weights_are_those_of_the_best_epoch(setting):
    seen: list[dict[str, np.ndarray]] = []

    def evaluate(loop: Loop) -> dict[str, float]:
        seen.append(weights(loop))
        return scripted(0.9, 0.2, 0.6)(loop)

    loop = setting.loop(evaluate=evaluate, **{"training.epochs": 3})
    loop.run()
    from safetensors.numpy import load_file

    assert loop.best_dir is not None
    saved = load_file(loop.best_dir / "model.safetensors")
    untrained = "model.encoder.embed_positions.weight"
    assert_same(saved, {name: value for name, value in seen[1].items() if name != untrained})


STOPPED_RUN = {"training.batch_size": 2, "training.epochs": 2, "training.log_steps": 1}


def signal_after(update: int, number: int = signal.SIGTERM) -> Callable[[str], None]:
    """Sends this process a signal when the line of that update appears."""
    seen = 0

    def on_line(text: str) -> None:
        nonlocal seen
        seen += text.startswith("{'loss'")
        if text.startswith("{'loss'") and seen == update:
            os.kill(os.getpid(), number)

    return on_line


def history(loop: Loop) -> list[dict[str, float]]:
    return loop.progress.history


@pytest.fixture
def unbroken(longer) -> tuple[dict[str, np.ndarray], list[dict[str, float]]]:
    loop = longer.loop(**STOPPED_RUN)
    loop.run()
    return weights(loop), history(loop)


@pytest.mark.parametrize("update", [1, 2, 3, 4, 6], ids=lambda n: f"update{n}")
def test_a_signal_leaves_a_checkpoint_from_which_it_goes_on_to_the_bit(longer, unbroken, update):
    """Updates 3 and 6 end an epoch, 6 the run: the evaluation is still to come."""
    loop = longer.loop(on_line=signal_after(update), **STOPPED_RUN)
    with pytest.raises(InterruptedRunError, match="--resume") as caught:
        loop.run()
    assert caught.value.exit_code == 130
    assert loop.progress.update == update
    resumed = longer.loop(**STOPPED_RUN)
    resumed.run(resume=True)
    assert_same(weights(resumed), unbroken[0])
    assert history(resumed) == unbroken[1]
    assert resumed.best_dir is not None


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_signal_during_an_evaluation_stops_the_run(longer, unbroken, epoch):
    def evaluate(loop: Loop) -> dict[str, float]:
        if loop.progress.epoch == epoch:
            os.kill(os.getpid(), signal.SIGTERM)
        return {"eval_wer": 1 / (1 + loop.progress.update), "eval_cer": 0.5, "eval_loss": 1.0}

    loop = longer.loop(evaluate=evaluate, **STOPPED_RUN)
    with pytest.raises(InterruptedRunError):
        loop.run()
    resumed = longer.loop(**STOPPED_RUN)
    resumed.run(resume=True)
    assert_same(weights(resumed), unbroken[0])
    assert history(resumed) == unbroken[1]


def test_signals_are_handled_as_before_once_it_is_over(setting):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    setting.loop().run()
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_resume_keeps_patience_and_the_best(longer):
    wers = (0.5, 0.4, 0.6, 0.7, 0.8, 0.1)
    flags = {"training.epochs": 6, "training.patience": 3, "training.batch_size": 6}
    loop = longer.loop(evaluate=scripted(*wers), on_line=signal_after(4), **flags)
    with pytest.raises(InterruptedRunError):
        loop.run()
    resumed = longer.loop(evaluate=scripted(*wers), **flags)
    progress = resumed.run(resume=True)
    assert (progress.epoch, progress.best_epoch, progress.epochs_without_gain) == (5, 2, 3)


def test_resume_of_a_run_that_had_ended_trains_no_more(setting):
    loop = setting.loop()
    loop.run()
    again = setting.loop()
    again.run(resume=True)
    assert again.progress.update == loop.progress.update
    assert again.best_dir == loop.best_dir


def test_resume_without_a_checkpoint_begins_anew(setting):
    loop = setting.loop()
    loop.run(resume=True)
    assert loop.progress.epoch == 1
    assert any("beginning anew" in line for line in loop._console.lines)


def test_resume_with_other_settings_is_refused(setting):
    setting.loop().run()
    other = setting.loop(**{"training.weight_decay": 0.5})
    before = weights(other)
    with pytest.raises(UserError, match="other settings"):
        other.run(resume=True)
    assert_same(weights(other), before)


def test_a_damaged_best_model_is_refused(setting):
    loop = setting.loop()
    loop.run()
    assert loop.best_dir is not None
    (loop.best_dir / "model.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="best-1: damaged"):
        setting.loop().run(resume=True)


def test_the_checkpoint_before_the_last_one_keeps_the_best_that_it_goes_back_to(setting):
    flags = {"training.epochs": 3}
    setting.loop(evaluate=scripted(0.9, 0.5, 0.4), **flags).run()
    assert sorted(p.name for p in setting.checkpoints.glob("best-*")) == ["best-2", "best-3"]
    (setting.checkpoints / "checkpoint-3" / "model.safetensors").write_bytes(b"")
    again = setting.loop(evaluate=scripted(0.9, 0.5, 0.4), **flags)
    assert again.run(resume=True).best_epoch == 3
    assert any("resumed from checkpoint-2" in line for line in again._console.lines)


def test_a_figure_that_is_not_finite_is_kept_as_none(longer, monkeypatch):
    """As the gradient's norm is where float16 overflows, and its scaler leaves the update out."""
    loop = longer.loop(
        evaluate=lambda loop: {**scripted(0.5)(loop), "eval_loss": float("nan")},
        **{"training.max_steps": 1},
    )
    update = loop.updater.update
    monkeypatch.setattr(
        loop.updater, "update", lambda *a, **k: (update(*a, **k)[0], float("inf"), 7)
    )
    history = loop.run().history
    assert history[0]["grad_norm"] is None
    assert history[1]["eval_loss"] is None
    json.dumps(history, allow_nan=False)
    table = epoch_table(history, best_epoch=1)
    assert table[1].split()[2] == "-"


def test_a_checkpoint_at_every_update_when_asked(longer):
    sizes = []
    loop = longer.loop(
        on_line=lambda _: sizes.append(
            sorted(p.name for p in longer.checkpoints.glob("checkpoint-*"))
        ),
        **{"training.batch_size": 1, "training.checkpoint_minutes": 0},
    )
    loop.run()
    # What is on disk when the line of update 6 appears: the two before it.
    assert sizes[5] == ["checkpoint-4", "checkpoint-5"]
