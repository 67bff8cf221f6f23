"""GPUs by name or gigabytes, and this machine."""

from __future__ import annotations

import pytest

from ruach_core.errors import UserError
from ruach_core.training import hardware
from ruach_core.training.hardware import known_gpus, parse_gpu, peak_tflops, this_machine


@pytest.mark.parametrize(
    ("given", "gib"),
    [("t4", 16), ("T4", 16), ("RTX 4090", 24), ("rtx-4090", 24), ("a100-40", 40), ("A100_80", 80),
     ("24", 24), ("24gb", 24), ("24 GiB", 24), ("7.5", 7.5), ("NVIDIA L4", 24)],
)  # fmt: skip
def test_a_gpu_by_name_or_gigabytes(given, gib):
    found = parse_gpu(given)
    assert found.memory_gib == gib
    assert found.is_gpu
    assert not found.is_here


def test_gigabytes_say_nothing_of_speed():
    assert parse_gpu("24").tflops is None
    assert parse_gpu("h100").tflops == 989


@pytest.mark.parametrize("given", ["", "0", "-3", "gtx", "banana", "a100"])
def test_an_unknown_gpu_names_the_known_ones(given):
    with pytest.raises(UserError, match=r"--gpu .*t4, .*h100.*--gpu 24"):
        parse_gpu(given)


def test_every_row_has_a_source_and_a_precision():
    assert len(known_gpus()) >= 9
    for gpu in known_gpus().values():
        assert gpu.source
        assert gpu.precision in ("bf16", "fp16")
        assert gpu.tflops


def test_this_machine_without_a_gpu(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = this_machine("float32")
    assert not found.is_gpu
    assert found.is_here
    assert found.precision == "float32"
    assert found.memory_bytes is None or found.memory_bytes > 2**28


def test_a_limit_on_the_process_counts(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("1073741824\n")
    (tmp_path / "none").write_text("max\n")
    limits = (tmp_path / "none", tmp_path / "absent", tmp_path / "memory.max")
    monkeypatch.setattr(hardware, "_CGROUP_LIMITS", limits)
    assert this_machine("float32").memory_gib == 1.0


def test_this_machine_with_a_gpu(monkeypatch):
    torch = pytest.importorskip("torch")

    class Properties:
        name = "NVIDIA A100-SXM4-80GB"
        total_memory = 79 * 2**30

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Properties())
    found = this_machine("bf16")
    assert (found.is_gpu, found.memory_gib, found.tflops) == (True, 79.0, 312.0)
    Properties.name = "Some Accelerator"
    assert this_machine("bf16").tflops is None


def test_a_drivers_name_finds_the_peak() -> None:
    assert peak_tflops("NVIDIA H100 80GB HBM3") == 989.0
    assert peak_tflops("NVIDIA H100 PCIe") == 756.0
    assert peak_tflops("NVIDIA L40S") == 362.0
    assert peak_tflops("NVIDIA A10G") == 70.0
    assert peak_tflops("AMD EPYC") is None
