"""The loop itself, in this process, on a tiny Whisper and tones."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ruach_core.config import build_config
from ruach_core.errors import UserError
from ruach_core.models.special_tokens import SpecialTokens, WhisperTokenizer
from ruach_core.training.collate import Collator
from ruach_core.training.console import Console
from ruach_core.training.loop import InterruptedRunError, Loop, Plan
from ruach_core.training.preparation import load_model
from ruach_core.types import Utterance

pytest.importorskip("accelerate")


@dataclass
class Listener(Console):
    """A silent console that keeps each line and calls `on_line` with it."""

    on_line: Callable[[str], object] = lambda _: None
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(is_quiet=True)

    def line(self, text: str = "") -> None:
        self.lines.append(text)
        self.on_line(text)


@dataclass
class Setting:
    """Makes loops over the same clips, model and checkpoint folder."""

    model_dir: Path
    utterances: list[Utterance]
    checkpoints: Path

    def loop(
        self,
        *,
        evaluate: Callable[[Loop], dict[str, float]] | None = None,
        on_line: Callable[[str], object] = lambda _: None,
        learning_rate: float = 1e-3,
        **flags: Any,
    ) -> Loop:
        config = build_config({}, {"lang": "qaa", **DEFAULTS, **flags})
        tokenizer = WhisperTokenizer.read(self.model_dir)
        tokens = SpecialTokens.of(tokenizer, "en")
        text_ids = [tokenizer.encode(u.reference or "") for u in self.utterances]
        plan = Plan(
            config=config,
            train=self.utterances,
            collator=Collator(self.utterances, text_ids, tokens, n_mels=80,
                              augment=config.augment, seed=config.seed),
            learning_rate=learning_rate,
            batch_size=config.training.batch_size or 4,
            micro_batch_s=config.training.micro_batch_s or 60.0,
            precision=config.training.precision,
            checkpoint_dir=self.checkpoints,
            identity={"settings": config.digest(), "data": "tones"},
            evaluate=evaluate or improving(),
        )  # fmt: skip
        return Loop(load_model(self.model_dir, tokens, text_ids), plan, Listener(on_line))


DEFAULTS = {
    "training.precision": "float32",
    "training.epochs": 1,
    "training.batch_size": 4,
    "training.log_steps": 1,
    "window.full_share": 0.0,
    "window.jitter_s": 0.0,
}


def improving() -> Callable[[Loop], dict[str, float]]:
    """Figures that get better with every epoch."""
    return lambda loop: {
        "eval_wer": 1 / (1 + loop.progress.update), "eval_cer": 0.5, "eval_loss": 1.0,
    }  # fmt: skip


def scripted(*wers: float) -> Callable[[Loop], dict[str, float]]:
    """Figures by epoch."""
    return lambda loop: {
        "eval_wer": wers[loop.progress.epoch], "eval_cer": 0.5, "eval_loss": 1.0,
    }  # fmt: skip


@pytest.fixture
def setting(tiny_whisper, tone, tmp_path) -> Setting:
    return Setting(tiny_whisper, [tone(i) for i in range(4)], tmp_path / "checkpoints")


@pytest.fixture
def longer(tiny_whisper, tone, tmp_path) -> Setting:
    """Six clips: three updates an epoch at two clips an update."""
    return Setting(tiny_whisper, [tone(i) for i in range(6)], tmp_path / "checkpoints")


def weights(loop: Loop) -> dict[str, np.ndarray]:
    return {n: p.detach().numpy().copy() for n, p in loop._raw_model.named_parameters()}


def assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_loss_and_gradient_do_not_depend_on_how_a_batch_is_cut(setting):
    """Texts of 2 to 11 letters: a mean over passes would weigh them wrongly."""
    figures, cuts = [], []
    for micro_batch_s in (60.0, 2.0, 1.0):
        loop = setting.loop(**{"training.micro_batch_s": micro_batch_s})
        (batch,) = loop._plan.batches(0)
        cuts.append(len(batch.micro_batches))
        progress = loop.run()
        figures.append((progress.history[0]["loss"], progress.history[0]["grad_norm"]))
        trained = weights(loop)
        if len(figures) > 1:
            for name, value in trained.items():
                # AdamW's first step is about the rate, whatever the gradient: equal to a hundredth.
                np.testing.assert_allclose(value, before[name], atol=1e-5, err_msg=name)
        before = trained
    assert cuts == [1, 2, 4]
    assert len({round(loss, 3) for loss, _ in figures}) == 1, figures
    for loss, grad_norm in figures[1:]:
        assert loss == pytest.approx(figures[0][0], rel=1e-4)
        assert grad_norm == pytest.approx(figures[0][1], rel=1e-3)


def test_logged_loss_is_the_mean_over_tokens(setting):
    loop = setting.loop(**{"augment.spec_augment": False})
    import torch

    from ruach_core.training.batching import MicroBatch

    tensors = loop._plan.collator(MicroBatch((0, 1, 2, 3), 16_000), 0)
    with torch.inference_mode():
        logits = loop._raw_model(
            input_features=tensors.log_mel, decoder_input_ids=tensors.decoder_input_ids
        ).logits
    chosen = tensors.target_ids.flatten()
    expected = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1)[chosen >= 0], chosen[chosen >= 0]
    )
    progress = loop.run()
    # The window is 0.6 s + 0.3 s margin there; silence behind hardly moves a random model.
    assert progress.history[0]["loss"] == pytest.approx(float(expected), rel=1e-2)


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


def test_worker_processes_change_nothing(longer):
    alone = longer.loop(**{"training.batch_size": 2})
    alone.run()
    helped = longer.loop(**{"training.batch_size": 2, "training.workers": 1})
    helped.run()
    assert_same(weights(helped), weights(alone))


def test_a_loss_that_is_not_finite_is_refused(setting):
    loop = setting.loop(learning_rate=3e-4)
    import torch

    with torch.no_grad():
        loop._raw_model.model.decoder.layer_norm.weight.fill_(float("nan"))
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
    loop._raw_model.model.encoder.conv1.weight.register_hook(lambda grad: grad * float("inf"))
    with pytest.raises(UserError, match="update 1"):
        loop.run()


def test_patience(setting):
    loop = setting.loop(
        evaluate=scripted(0.9, 0.5, 0.6, 0.5, 0.7, 0.1),
        **{"training.epochs": 6, "training.patience": 3},
    )
    progress = loop.run()
    assert progress.epoch == 5  # a tie is no improvement, so the sixth isn't reached
    assert progress.best_epoch == 2
    assert progress.best_metric == 0.5
    assert [p.name for p in setting.checkpoints.glob("best-*")] == ["best-2"]


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
    assert_same(load_file(loop.best_dir / "model.safetensors"), seen[1])


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
        return improving()(loop)

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
