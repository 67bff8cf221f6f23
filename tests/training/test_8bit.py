"""8-bit Adam: real bitsandbytes on this device, or a skip."""

from __future__ import annotations

from typing import Any

import pytest

from ruach_core.errors import UserError

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")
bitsandbytes = pytest.importorskip("bitsandbytes", reason="needs bitsandbytes")
pytestmark = pytest.mark.slow

FLAGS = {"training.optimizer": "adamw8bit", "training.batch_size": 2, "training.epochs": 2}


def weights(loop: Any) -> dict[str, Any]:
    return {name: p.detach().clone() for name, p in loop.updater.model.named_parameters()}


def state(loop: Any) -> dict[str, dict[str, Any]]:
    names = {parameter: name for name, parameter in loop.updater.model.named_parameters()}
    return {names[p]: dict(values) for p, values in loop.updater.optimizer.state.items()}


def test_it_learns_like_adamw(longer):
    flags = {**FLAGS, "training.epochs": 4, "training.patience": 9}
    mine = [f["loss"] for f in longer.loop(**flags).run().history if "loss" in f]
    flags["training.optimizer"] = "adamw"
    usual = [f["loss"] for f in longer.loop(**flags).run().history if "loss" in f]
    assert mine[0] == usual[0]
    assert mine[-1] == pytest.approx(usual[-1], rel=0.02)
    assert mine[-1] < mine[0]


def test_its_state_is_small(longer):
    loop = longer.loop(**FLAGS)
    loop.run()
    found = state(loop)
    embedding = found["model.decoder.embed_tokens.weight"]
    assert embedding["state1"].dtype == torch.uint8
    assert embedding["state2"].dtype == torch.uint8


def test_a_resumed_run_ends_like_an_unbroken_one(longer):
    unbroken = longer.loop(**FLAGS)
    unbroken.run()
    expected, expected_state = weights(unbroken), state(unbroken)

    class StoppedError(Exception):
        pass

    def stop(loop: Any) -> dict[str, float]:
        if loop.progress.epoch == 1:
            raise StoppedError
        return {"eval_wer": 0.5, "eval_cer": 0.5, "eval_loss": 1.0}

    with pytest.raises(StoppedError):
        longer.loop(evaluate=stop, **FLAGS).run()
    resumed = longer.loop(**FLAGS)
    assert resumed.run(resume=True).update == 6
    for name, value in weights(resumed).items():
        assert torch.equal(value, expected[name]), name
    found = state(resumed)
    assert found.keys() == expected_state.keys()
    for name, values in expected_state.items():
        assert found[name].keys() == values.keys()
        for key, value in values.items():
            assert type(found[name][key]) is type(value)
            assert torch.equal(torch.as_tensor(found[name][key]), torch.as_tensor(value)), key


def test_a_device_that_it_cannot_serve_is_one_line(setting, monkeypatch):
    def fail(*_: Any, **__: Any) -> None:
        raise NotImplementedError("no kernel\nfor this device")

    monkeypatch.setattr(bitsandbytes.optim.AdamW8bit, "step", fail)
    with pytest.raises(UserError) as caught:
        setting.loop(**FLAGS)
    message = str(caught.value)
    assert "--training.optimizer adamw" in message
    assert "no kernel for this device" in message
    assert "\n" not in message
