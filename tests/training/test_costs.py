"""The memory model and the operations, against figures that were found in other ways."""

from __future__ import annotations

import json
import struct

import pytest

from ruach_core.config import TrainingConfig
from ruach_core.errors import UserError
from ruach_core.training.costs import (
    Footprint,
    choose_micro_batch_s,
    count_parameters,
    model_sizes,
    named_size,
    size_of,
)

GIB = 2**30


def size(name: str):
    found = named_size(name)
    assert found is not None
    return found


def footprint(name: str, precision: str = "bf16", **training: object) -> Footprint:
    return Footprint.of(size(name), TrainingConfig.model_validate(training), precision)


def test_sizes_are_openais_with_their_parameters():
    # The model cards' own numbers, in millions.
    cards = {"tiny": 39, "base": 74, "small": 244, "medium": 769, "large-v3": 1550,
             "large-v3-turbo": 809}  # fmt: skip
    assert {s.name: round(s.n_parameters / 1e6) for s in model_sizes()} == pytest.approx(
        cards, rel=0.04
    )


@pytest.mark.parametrize(
    ("name", "gflops", "attention"),
    # Linear layers counted at 30 s and 100 labels, and the encoder's attention by its formula:
    # 4 T^2 d a layer forward, 2.5 times that backward, T = 1,500 positions.
    [("tiny", 96, 384 * 4), ("base", 236, 512 * 6), ("small", 993, 768 * 12),
     ("medium", 3445, 1024 * 24), ("large-v3", 7136, 1280 * 32)],
)  # fmt: skip
def test_operations_of_a_full_window(name, gflops, attention):
    expected = gflops + 3.5 * 4 * 1500**2 * attention / 1e9
    assert size(name).gflops(30.0, 100) == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize(
    ("name", "mib"),
    # Counted on other windows and without the gradients of the logits: 10 bytes a word and label.
    [("tiny", 146), ("base", 267), ("small", 744), ("medium", 1929), ("large-v3", 3193),
     ("large-v3-turbo", 2597)],
)  # fmt: skip
def test_memory_of_a_full_window(name, mib):
    expected = mib + 100 * 51_865 * 10 / 2**20
    assert size(name).clip_bytes(30.0, 100, precision="bf16") / 2**20 == pytest.approx(
        expected, rel=0.05
    )


@pytest.mark.parametrize(
    ("name", "gib", "window_s", "windows"),
    [("small", 16, 30, 13), ("small", 8, 30, 3), ("base", 16, 30, 48), ("base", 24, 30, 77),
     ("small", 24, 30, 23), ("small", 16, 10, 34), ("medium", 24, 30, 4), ("medium", 80, 30, 31),
     ("large-v3", 80, 30, 15), ("large-v3-turbo", 24, 30, 3)],
)  # fmt: skip
def test_windows_that_fit_known_gpus(name, gib, window_s, windows):
    fits = footprint(name).largest_batch(gib * GIB, window_s, 100)
    # The known figures leave the logits' gradients out, which weigh most in small models.
    assert windows * 0.75 - 1 <= fits <= windows + 1


def test_large_models_do_not_fit_small_gpus():
    for name, gib in (("medium", 12), ("large-v3", 24), ("large-v3-turbo", 16)):
        assert footprint(name).largest_batch(gib * GIB, 30.0, 100) == 0


@pytest.mark.parametrize("name", [s.name for s in model_sizes()])
def test_more_memory_never_gives_a_smaller_pass(name):
    for is_gpu in (False, True):
        passes = [
            choose_micro_batch_s(footprint(name), gib * GIB, is_gpu=is_gpu)
            for gib in (1, 4, 8, 12, 16, 24, 40, 80, 141)
        ]
        assert passes == sorted(passes)
        assert passes[0] == 30.0  # a full window must go through


def test_passes_on_a_processor_are_bounded_and_on_a_gpu_are_not():
    exact = footprint("base", "float32")
    assert choose_micro_batch_s(exact, 64 * GIB, is_gpu=False) == 60.0
    assert choose_micro_batch_s(footprint("base"), 64 * GIB, is_gpu=True) > 600
    assert choose_micro_batch_s(exact, None, is_gpu=False) == 60.0


def test_costlier_texts_give_smaller_passes():
    few, many = (
        choose_micro_batch_s(footprint("small"), 16 * GIB, is_gpu=True, tokens_per_second=rate)
        for rate in (5.0, 25.0)
    )
    assert many < few


def test_costs_grow_with_window_text_and_size():
    for small, large in zip(model_sizes()[:-1], model_sizes()[1:-1], strict=False):
        assert small.gflops(5.0, 50) < large.gflops(5.0, 50)
    base = size("base")
    grid = [base.gflops(w, n) for n in (4, 20, 100, 448) for w in (0.3, 2.0, 3.3, 10.0, 30.0)]
    assert grid == sorted(grid[:5]) + sorted(grid[5:10]) + sorted(grid[10:15]) + sorted(grid[15:])
    assert min(grid) > 0
    assert base.gflops(3.3, 4) < base.gflops(3.3, 100)


def test_float32_takes_more_for_clips_and_keeps_no_second_copy_of_the_weights():
    exact, half = footprint("base", "float32"), footprint("base", "bf16")
    assert exact.model_bytes < half.model_bytes
    assert exact.clip_bytes(3.0, 30) > half.clip_bytes(3.0, 30)


@pytest.mark.parametrize(
    ("name", "rank", "millions"),
    # Four attention projections (two attentions in the decoder) and two layers of four widths.
    [("tiny", 8, 0.54), ("base", 32, 4.33), ("small", 32, 12.98), ("medium", 32, 34.60)],
)
def test_lora_trains_its_adapters_alone(name, rank, millions):
    lora = TrainingConfig.model_validate({"lora_rank": rank})
    assert size(name).count_trained(lora) / 1e6 == pytest.approx(millions, rel=0.01)
    decoder_only = TrainingConfig.model_validate({"lora_rank": rank, "freeze_encoder": True})
    assert size(name).count_trained(decoder_only) == pytest.approx(millions * 26e6 / 44, rel=0.01)


def test_a_frozen_encoder_leaves_the_decoder():
    # The model cards' totals without the encoders': 20.6 of 72.6 million parameters with base.
    frozen = TrainingConfig.model_validate({"freeze_encoder": True})
    assert size("base").count_trained(frozen) / 1e6 == pytest.approx(72.6 - 20.6, rel=0.01)
    assert size("base").count_trained(TrainingConfig.model_validate({})) == 72_593_920


@pytest.mark.parametrize(
    "settings",
    [{"lora_rank": 32}, {"optimizer": "adamw8bit"}, {"freeze_encoder": True},
     {"gradient_checkpointing": True}],
)  # fmt: skip
def test_settings_for_smaller_machines_make_room(settings):
    saving, usual = footprint("medium", **settings), footprint("medium")
    saved = (usual.model_bytes - saving.model_bytes) / GIB
    assert saved >= 0
    assert saving.clip_bytes(30.0, 100) <= usual.clip_bytes(30.0, 100)
    passes = [
        choose_micro_batch_s(one, 24 * GIB, is_gpu=True, tokens_per_second=8)
        for one in (saving, usual)
    ]
    assert passes[0] > passes[1]


def test_lora_on_medium_fits_a_t4():
    lora = footprint("medium", "fp16", lora_rank=32)
    assert 4.5 < lora.model_bytes / GIB < 6.0
    assert lora.largest_batch(16 * GIB, 30.0, 100) >= 2
    assert footprint("medium", "fp16").largest_batch(16 * GIB, 30.0, 100) == 0


@pytest.mark.parametrize(
    ("given", "name"),
    [("whisper-small", "small"), ("openai/whisper-small", "small"), ("small", "small"),
     ("turbo", "large-v3-turbo"), ("openai/whisper-large-v2", "large-v3"),
     ("whisper-large-v3-turbo", "large-v3-turbo")],
)  # fmt: skip
def test_names_of_sizes(given, name):
    assert size(given).name == name


def test_other_names_are_no_size():
    assert named_size("someone/whisper-small-xx") is None
    assert named_size("auto") is None


def test_a_model_of_another_size_costs_in_proportion():
    small = size("small")
    other = size_of(round(1.5 * small.n_parameters))
    assert other.name == "small"
    assert other.gflops(5.0, 30) == pytest.approx(1.5 * small.gflops(5.0, 30), rel=1e-3)
    assert size_of(small.n_parameters).gflops(5.0, 30) == small.gflops(5.0, 30)


def test_parameters_are_read_from_the_header(tmp_path):
    header = {
        "__metadata__": {"format": "pt"},
        "model.a": {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]},
        "proj_out.weight": {"dtype": "F32", "shape": [5, 4], "data_offsets": [48, 128]},
        "model.b": {"dtype": "F16", "shape": [2], "data_offsets": [128, 132]},
    }
    content = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(content)) + content)
    assert count_parameters(tmp_path) == 14
    path.write_bytes(b"\xff" * 8 + b"nothing of the kind")
    with pytest.raises(UserError, match=r"model\.safetensors: no safetensors file"):
        count_parameters(tmp_path)


def test_parameters_of_a_whole_model(tiny_whisper):
    from transformers import WhisperForConditionalGeneration

    model = WhisperForConditionalGeneration.from_pretrained(tiny_whisper)
    assert count_parameters(tiny_whisper) == sum(p.numel() for p in model.parameters())
