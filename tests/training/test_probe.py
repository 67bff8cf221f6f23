"""The probe: real steps of the real loop, on a tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest

from ruach_core.config import build_config
from ruach_core.models.special_tokens import WhisperTokenizer
from ruach_core.plugins import Plugins
from ruach_core.training.adapters import count_parameters as count_parameters_of
from ruach_core.training.console import Console
from ruach_core.training.costs import count_parameters, size_of
from ruach_core.training.forecast import epoch_times
from ruach_core.training.language import RunLanguage
from ruach_core.training.memory import OutOfMemoryError
from ruach_core.training.preparation import choose_data, examine
from ruach_core.training.probe import run_probe
from ruach_core.training.updating import Updater
from ruach_core.training.workload import plan_work, validation_passes

MICRO_BATCH_S = 60.0


@pytest.fixture
def prepared(tiny_whisper: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    config = build_config({}, {"lang": "qaa", "training.batch_size": 4})
    plugins = Plugins.load("qaa")
    tokenizer = WhisperTokenizer.read(tiny_whisper)
    source = choose_data(config, plugins).sources
    found = examine(config, plugins, source, tokenizer, Console(is_quiet=True))
    yield config, found.complete(config, tokenizer, RunLanguage("qaa", "Toy", "en"), {})
    assert list(tmp_path.iterdir()) == []  # nothing is written


def test_the_probe_measures_updates_and_validation(prepared, tiny_whisper):
    config, data = prepared
    size = size_of(count_parameters(tiny_whisper))
    probe = run_probe(
        config, data, Plugins.load("qaa"), tiny_whisper, "tiny", size,
        batch_size=4, micro_batch_s=MICRO_BATCH_S, precision="float32", seconds=0.2,
    )  # fmt: skip
    assert probe.n_updates >= 2
    assert 2 <= probe.n_clips <= 4 * probe.n_updates * 2
    assert probe.step_s > 0
    assert probe.clips_per_second > 0
    assert probe.validation_s > 0
    assert probe.peak_bytes is None or probe.peak_bytes > 2**26
    assert probe.cpu_share is not None
    assert probe.cpu_share > 0

    lengths = [len(data.tokenizer.encode_text(u.reference or "")) for u in data.validation]
    work = plan_work(
        config, data.train, data.text_ids, data.tokens,
        validation_passes(config, data.validation, lengths),
        batch_size=4, micro_batch_s=MICRO_BATCH_S,
    )  # fmt: skip
    training_s, validation_s = epoch_times(size, work, probe.speed)
    assert training_s is not None
    idle = probe.cpu_share if probe.was_busy else 1.0
    # The epoch's updates at the measured pace, give or take what they differ by.
    assert training_s == pytest.approx(work.n_updates * probe.step_s * idle, rel=0.9)
    assert validation_s == pytest.approx(probe.validation_s)


def test_a_longer_probe_times_more_updates_and_goes_round_a_small_corpus(prepared, tiny_whisper):
    config, data = prepared
    size = size_of(count_parameters(tiny_whisper))
    n_updates = len(data.train) // 4 + 1
    probe = run_probe(
        config, data, Plugins.load("qaa"), tiny_whisper, "tiny", size,
        batch_size=4, micro_batch_s=MICRO_BATCH_S, precision="float32", seconds=4.0,
    )  # fmt: skip
    assert probe.n_updates > n_updates


def test_the_probe_trains_what_the_settings_train(prepared, tiny_whisper, monkeypatch):
    pytest.importorskip("peft")
    _, data = prepared
    config = build_config({}, {"lang": "qaa", "training.lora_rank": 4})
    trained: list[tuple[int, int]] = []
    update = Updater.update

    def noting(self, *arguments, **named):
        trained.append(count_parameters_of(self.model))
        return update(self, *arguments, **named)

    monkeypatch.setattr(Updater, "update", noting)
    run_probe(
        config, data, Plugins.load("qaa"), tiny_whisper, "tiny",
        size_of(count_parameters(tiny_whisper)),
        batch_size=4, micro_batch_s=MICRO_BATCH_S, precision="float32", seconds=0.01,
    )  # fmt: skip
    assert all(n_trained < n_all / 2 for n_trained, n_all in trained)


@pytest.mark.parametrize("at", ["losses", "__init__"])
def test_a_probe_without_room_is_one_line(prepared, tiny_whisper, monkeypatch, at):
    def refuse(*_, **__):
        raise MemoryError

    monkeypatch.setattr(Updater, at, refuse)
    config, data = prepared
    with pytest.raises(OutOfMemoryError, match="lora_rank") as caught:
        run_probe(
            config, data, Plugins.load("qaa"), tiny_whisper, "tiny",
            size_of(count_parameters(tiny_whisper)),
            batch_size=4, micro_batch_s=MICRO_BATCH_S, precision="float32", seconds=0.01,
        )  # fmt: skip
    assert "\n" not in str(caught.value)


def test_passes_hold_every_clip_within_the_limit(prepared):
    config, data = prepared
    work = plan_work(
        config, data.train, data.text_ids, data.tokens, (), batch_size=4, micro_batch_s=8.0
    )
    assert work.n_updates == -(-len(data.train) // 4)
    for each in work.training:
        assert each.n_windows == 1 or each.n_windows * each.window_s <= 8.0
        assert 0 < each.window_s <= 30.0
        assert 4 < each.n_labels <= 448


@pytest.mark.parametrize(("policy", "window_s"), [("full", 30.0), ("trim", 1.0)])
def test_the_policy_decides_the_windows(prepared, policy, window_s):
    config, data = prepared
    config = build_config({}, {"lang": "qaa", "window.policy": policy})
    n_tokens = [5] * len(data.validation)
    passes = validation_passes(config, data.validation, n_tokens)
    assert {p.n_labels for p in passes} == {9}
    assert all(p.window_s == 30.0 for p in passes) == (policy == "full")
    assert min(p.window_s for p in passes) >= min(window_s, 0.5)
