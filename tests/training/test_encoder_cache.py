"""A frozen encoder's states from disk: what they are, what they rule out."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ruach_core.config import build_config
from ruach_core.errors import UserError
from ruach_core.features import MAX_SAMPLES, window_samples
from ruach_core.models.special_tokens import SpecialTokens, WhisperTokenizer
from ruach_core.training.batching import MicroBatch
from ruach_core.training.encoder_cache import (
    CachedCollator,
    EncoderStates,
    mask_padding,
    without_changes,
)
from ruach_core.training.loop import Loop

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

CACHED = {"training.freeze_encoder": True, "training.cache_encoder": True}


@pytest.fixture
def mixed(setting, tone):
    """Clips of different lengths."""
    setting.utterances = [tone(i, 0.4 + 0.35 * i) for i in range(6)]
    return setting


def cached_loop(setting: Any, path: Path, **flags: Any) -> Any:
    loop = setting.loop(**{**CACHED, "augment.spec_augment": False, **flags})
    tokenizer = WhisperTokenizer.read(setting.model_dir)
    clips, plan = setting.utterances, loop._plan
    states = EncoderStates.build(path, clips, loop.updater.model, plan.config.window, key="tones")
    mask_padding(loop.updater.model)
    collator = CachedCollator(
        clips, [tokenizer.encode(u.reference or "") for u in clips],
        SpecialTokens.of(tokenizer, "en"), n_mels=80, states=states,
    )  # fmt: skip
    plan = dataclasses.replace(plan, collator=collator)
    return Loop(loop.updater.model, plan, loop._console)


@pytest.mark.parametrize("policy", ["trim", "full"])
def test_a_batch_from_the_cache_is_its_clips_alone(mixed, tmp_path, policy):
    """Padding between clips of different lengths is heard by none of them."""
    flags = {"window.policy": policy, "training.batch_size": 6, "training.micro_batch_s": 999}
    usual = mixed.loop(**flags, **{"augment.spec_augment": False})
    loop = cached_loop(mixed, tmp_path / "states", **flags)
    (micro,) = loop._plan.batches(0)[0].micro_batches
    tensors = loop._plan.collator(micro, 0)
    total = 0.0
    with torch.inference_mode():
        for window, found in zip(micro.windows, tensors.states, strict=True):
            (i,) = window.indices
            duration_s = mixed.utterances[i].duration_s
            n_samples = window_samples(duration_s, margin_s=0.3)
            own = MicroBatch((window,), MAX_SAMPLES if policy == "full" else n_samples)
            alone = usual._plan.collator(own, 0)
            total += float(usual.updater.loss(alone))
            states = usual.updater.model.get_encoder()(alone.log_mel()).last_hidden_state[0]
            np.testing.assert_allclose(found[: len(states)], states, atol=2e-3)
            assert not found[len(states) :].any()
        assert float(loop.updater.loss(tensors)) == pytest.approx(total, rel=1e-4)


def test_the_encoder_runs_once_a_clip(mixed, tmp_path):
    loop = cached_loop(mixed, tmp_path / "states", **{"training.epochs": 3})
    asked = []
    loop.updater.model.get_encoder().register_forward_hook(lambda *_: asked.append(1))
    assert loop.run().epoch == 3
    assert asked == []


def test_states_are_kept_for_a_resumed_run_and_only_for_that(mixed, tmp_path):
    model, window = mixed.loop().updater.model, mixed.loop()._plan.config.window
    asked: list[int] = []
    model.get_encoder().register_forward_hook(lambda *_: asked.append(1))

    def build(key: str = "a", clips: Any = mixed.utterances) -> EncoderStates:
        asked.clear()
        return EncoderStates.build(tmp_path / "states", clips, model, window, key=key)

    first = build()
    assert asked
    content = (tmp_path / "states").read_bytes()
    assert len(content) == sum(2 * first.read(u).size for u in mixed.utterances)
    build()
    assert asked == []
    build(key="b")
    assert asked
    build(key="b", clips=mixed.utterances[:2])
    assert asked
    (tmp_path / "states").write_bytes(b"half")
    build(key="b", clips=mixed.utterances[:2])
    assert asked
    assert {path.name for path in tmp_path.iterdir()} >= {"states", "states.json"}
    assert not list(tmp_path.glob("*.tmp"))


def test_a_full_disk_is_one_line(mixed):
    loop = mixed.loop()
    with pytest.raises(UserError, match="cache_encoder") as caught:
        EncoderStates.build(Path("/proc/nowhere/states"), mixed.utterances, loop.updater.model,
                            loop._plan.config.window, key="")  # fmt: skip
    assert "MB" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_mask_leaves_whole_windows_alone(mixed):
    loop = mixed.loop()
    model = loop.updater.model.eval()
    tensors = loop._plan.collator(MicroBatch.of_clips((0, 1), 16_000), 0)
    with torch.inference_mode():
        before = float(loop.updater.loss(tensors))
        mask_padding(model)
        assert float(loop.updater.loss(tensors)) == before


def settings(**flags: Any) -> Any:
    return build_config({}, {"lang": "qaa", **CACHED, **flags})


class TestWhatIsRuledOut:
    def test_defaults_are_switched_off_and_said(self):
        config, lines = without_changes(settings())
        assert config.window.policy == "trim"
        assert (config.window.jitter_s, config.window.packed_share, config.window.full_share) == (
            0, 0, 0,
        )  # fmt: skip
        assert config.augment.speed == 0
        assert not config.augment.spec_augment
        (line,) = lines
        assert config.augment.silence_share == 0
        for name in ("speed", "SpecAugment", "without speech", "jitter"):
            assert name in line

    def test_what_is_off_already_is_not_spoken_of(self):
        flags = {
            "window.policy": "trim", "augment.speed": 0, "augment.spec_augment": False,
            "augment.silence_share": 0,
        }  # fmt: skip
        config = settings(**flags)
        assert without_changes(config) == (config, [])

    def test_the_result_stands_when_it_is_asked_again(self):
        once, _ = without_changes(settings(**{"window.margin_s": 0.5}))
        assert once.window.margin_s == 0.5
        assert without_changes(once) == (once, [])

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("augment.speed", 0.2),
            ("augment.gain_db", 6),
            ("augment.noise_share", 0.5),
            ("augment.silence_share", 0.5),
            ("window.policy", "pack"),
            ("window.jitter_s", 0.7),
            ("window.packed_share", 0.5),
        ],
    )  # fmt: skip
    def test_what_was_asked_for_is_refused(self, name, value):
        with pytest.raises(UserError) as caught:
            without_changes(settings(**{name: value}))
        message = str(caught.value)
        assert name.split(".")[1] in message
        assert "cache_encoder" in message
        assert "\n" not in message

    def test_full_windows_can_be_cached(self):
        config, _ = without_changes(settings(**{"window.policy": "full"}))
        assert config.window.full_share == 1
        assert config.window.timed_share == 0.5

    def test_what_changes_no_state_stays_as_set(self):
        shares = {"window.timed_share": 0.0, "window.prompt_share": 0.25, "window.margin_s": 0.5}
        config, _ = without_changes(settings(**{"window.policy": "full", **shares}))
        assert config.window.timed_share == 0.0
        assert config.window.prompt_share == 0.25
        assert config.window.margin_s == 0.5

    def test_without_a_cache_nothing_changes(self):
        config = build_config({}, {"lang": "qaa", "training.freeze_encoder": True})
        assert without_changes(config) == (config, [])

    def test_a_cache_needs_a_frozen_encoder(self):
        with pytest.raises(UserError, match="freeze_encoder"):
            without_changes(build_config({}, {"lang": "qaa", "training.cache_encoder": True}))
