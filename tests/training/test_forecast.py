"""Times, memory, expectations and the recommendation, from numbers alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ruach_core.config import TrainingConfig
from ruach_core.training.costs import Footprint, named_size
from ruach_core.training.forecast import (
    ASSUMED_UTILISATION,
    ModelForecast,
    Pass,
    Speed,
    Work,
    count_gflops,
    duration,
    epoch_times,
    peak_bytes,
    recommend,
)
from ruach_core.training.hardware import Hardware, parse_gpu
from ruach_core.training.published import expect_wer, published_results

CPU = Hardware("this CPU", False, True, 16 * 2**30, None, "float32")
WORK = Work((Pass(8, 4.0, 30), Pass(4, 30.0, 100)), 2, (Pass(1, 4.0, 30), Pass(1, 4.0, 30)))


def size(name: str):
    found = named_size(name)
    assert found is not None
    return found


def forecast(name: str, total_s: float | None, *, fits: bool = True, epochs: int = 8):
    training_s = None if total_s is None else total_s / epochs
    return ModelForecast(
        model=f"whisper-{name}", size=size(name), is_on_disk=False, fits=fits,
        memory_bytes={"mix": 2.0 * 2**30}, micro_batch_s=60.0, most_windows=3,
        training_s=training_s, validation_s=None, n_epochs=epochs, n_clips=100, basis="assumed",
        expected=expect_wer(name, 8.0, is_known=True),
    )  # fmt: skip


def test_operations_are_those_of_every_window():
    base = size("base")
    assert count_gflops(base, WORK.training) == pytest.approx(
        8 * base.gflops(4.0, 30) + 4 * base.gflops(30.0, 100)
    )
    assert WORK.window_s == 8 * 4 + 4 * 30


def test_memory_is_that_of_the_largest_pass():
    for settings in ({}, {"lora_rank": 32}, {"gradient_checkpointing": True}):
        kept = Footprint.of(size("base"), TrainingConfig.model_validate(settings), "bf16")
        largest = 4 * kept.clip_bytes(30.0, 100)
        assert peak_bytes(kept, WORK.training) == pytest.approx(kept.model_bytes + largest)


def test_what_was_measured_comes_back():
    base = size("base")
    seconds = 50.0
    speed = Speed(seconds / count_gflops(base, WORK.training), validation_s=7.0, measured=base)
    assert epoch_times(base, WORK, speed) == (pytest.approx(seconds), pytest.approx(7.0))
    assert speed.basis(base) == "measured"


def test_other_sizes_are_scaled_by_their_operations():
    base, small = size("base"), size("small")
    speed = Speed(0.01, validation_s=7.0, measured=base)
    training_s, validation_s = epoch_times(small, WORK, speed)
    assert training_s == pytest.approx(0.01 * count_gflops(small, WORK.training))
    ratio = count_gflops(small, WORK.validation) / count_gflops(base, WORK.validation)
    assert validation_s == pytest.approx(7.0 * ratio)
    assert speed.basis(small) == "scaled"


def test_a_gpus_time_is_its_peak_by_the_assumed_share_and_every_update():
    t4, base = parse_gpu("t4"), size("base")
    training_s, validation_s = epoch_times(base, WORK, Speed.assumed(t4))
    by_peak = count_gflops(base, WORK.training) / (65_000 * ASSUMED_UTILISATION)
    assert training_s == pytest.approx(by_peak + 2 * 0.1)
    assert validation_s is not None
    assert Speed.assumed(t4).basis(base) == "assumed"


def test_no_speed_no_time():
    speed = Speed.assumed(parse_gpu("24"))
    assert epoch_times(size("base"), WORK, speed) == (None, None)
    assert speed.basis(size("base")) == "unknown"


def test_a_processor_gets_base_and_a_gpu_what_auto_takes():
    forecasts = [forecast(n, 3600.0) for n in ("tiny", "base", "small", "medium", "large-v3")]
    assert recommend(forecasts, CPU, WORK, is_free=True).model == "whisper-base"
    for gpu, model in (("4", "base"), ("t4", "small"), ("a100-40", "medium")):
        chosen = recommend(forecasts, parse_gpu(gpu), WORK, is_free=True)
        assert chosen.model == f"whisper-{model}"
        assert not chosen.warnings


def test_what_does_not_fit_is_never_recommended():
    forecasts = [forecast("small", 60.0, fits=False), forecast("base", 60.0)]
    assert recommend(forecasts, parse_gpu("t4"), WORK, is_free=True).model == "whisper-base"
    none = recommend([forecast("small", 60.0, fits=False)], parse_gpu("t4"), WORK, is_free=True)
    assert none.model is None
    assert "None of these fits NVIDIA T4" in none.line


def test_days_give_way_to_a_smaller_model():
    days = 5 * 86_400.0
    forecasts = [forecast("base", days), forecast("tiny", 3600.0)]
    assert recommend(forecasts, CPU, WORK, is_free=True).model == "whisper-tiny"


def test_days_without_a_way_out_are_warned_of_with_the_remedy():
    days = 5 * 86_400.0
    chosen = recommend([forecast("base", days)], CPU, WORK, is_free=True)
    assert chosen.model == "whisper-base"
    (warning,) = chosen.warnings
    assert "5.0 days" in warning
    assert "--gpu t4" in warning
    assert "--epochs" in warning
    (elsewhere,) = recommend([forecast("base", days)], parse_gpu("t4"), WORK, is_free=True).warnings
    assert "--gpu" not in elsewhere


def test_named_models_are_taken_as_named_the_largest_that_fits():
    forecasts = [forecast("base", 60.0), forecast("small", 60.0), forecast("medium", 9e6)]
    assert recommend(forecasts, CPU, WORK, is_free=False).model == "whisper-small"


def test_the_line_has_epochs_time_memory_and_the_expectation():
    line = recommend([forecast("small", 6000.0)], parse_gpu("t4"), WORK, is_free=True).line
    assert line.startswith(
        "Train whisper-small on NVIDIA T4: 8 epochs in about 1 h 40 min, 2.0 of 16 GB; expect a "
        "WER of "
    )
    assert "Hindi" in line
    unknown = recommend([forecast("small", None)], parse_gpu("24"), WORK, is_free=True).line
    assert "8 epochs, 2.0 of 24 GB" in unknown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (45, "45 s"), (89, "89 s"), (720, "12 min"), (6000, "1 h 40 min"),
     (7200, "2 h"), (12 * 3600 + 600, "12 h"), (300_000, "3.5 days")],
)  # fmt: skip
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_every_published_result_has_a_source_and_a_known_size():
    for result in published_results():
        assert result.source
        assert named_size(result.model) is not None
        assert 0 < result.wer < 1
        assert result.zero_shot_wer is None or result.zero_shot_wer > result.wer


def test_the_nearest_results_make_the_range():
    expected = expect_wer("base", 0.7, is_known=False)
    assert expected.results[0].language == "Mboshi"
    assert (expected.low, expected.high) == (
        min(r.wer for r in expected.results), max(r.wer for r in expected.results)
    )  # fmt: skip
    assert not expected.is_far
    assert expect_wer("small", 113.0, is_known=True).results[0].language == "Pashto"


def test_a_range_from_other_amounts_of_data_says_so():
    little = expect_wer("base", 0.02, is_known=True)
    assert little.is_far
    assert little.advise().startswith("expect a worse WER than")
    much = replace(little, hours=1e6)
    assert much.advise().startswith("expect a better WER than")
