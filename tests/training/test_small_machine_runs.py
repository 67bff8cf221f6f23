"""The whole pipeline with what smaller machines use: killed, resumed, exported, read elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

BASE = (
    "--epochs", "2", "--training.batch_size", "1", "--training.precision", "float32",
    "--training.checkpoint_minutes", "0", "--training.log_steps", "1",
)  # fmt: skip
LORA = ("--training.lora_rank", "4", "--training.gradient_checkpointing", "true")
CACHED = ("--training.freeze_encoder", "true", "--training.cache_encoder", "true")


def history(folder: Path) -> list[dict[str, Any]]:
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return [{k: v for k, v in f.items() if k != "eval_runtime"} for f in record["history"]]


@pytest.mark.parametrize(
    ("flags", "package", "says"),
    [(LORA, "peft", "LoRA: rank 4"), (CACHED, "accelerate", "Encoder frozen")],
)
def test_killed_and_resumed_it_ends_like_an_unbroken_run(new_ruach, flags, package, says):
    pytest.importorskip(package)
    unbroken = new_ruach()
    whole = unbroken.run(*BASE, *flags)
    assert whole.status == 0, whole.err
    assert says in whole.out

    broken = new_ruach()
    run = broken.start(*BASE, *flags)
    run.wait_for("{'loss'", n=3)
    assert run.kill().status == -9
    ended = broken.run(*BASE, *flags, "--resume")
    assert ended.status == 0, ended.err
    assert "resumed from checkpoint-" in ended.out

    name = "whisper-qaa-sample"
    for folder in (name, f"{name}-ct2"):
        for path in (unbroken.models / folder).iterdir():
            if path.name not in ("run.json", "README.md"):
                other = (broken.models / folder / path.name).read_bytes()
                assert other == path.read_bytes(), path.name
    assert history(broken.models / name) == history(unbroken.models / name)
    assert broken.written() == {name, f"{name}-ct2"}
    check_elsewhere(unbroken.models / name, unbroken.models / f"{name}-ct2")


def check_elsewhere(model: Path, export: Path) -> None:
    """transformers and CTranslate2 find a plain Whisper of the base model's size."""
    import ctranslate2
    from transformers import WhisperForConditionalGeneration

    loaded, report = WhisperForConditionalGeneration.from_pretrained(
        model, output_loading_info=True
    )
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert not any("lora" in name for name in loaded.state_dict())
    assert ctranslate2.models.Whisper(str(export)).is_multilingual


def test_a_run_with_caching_says_what_it_leaves_out(ruach):
    refused = ruach.run(*BASE, *CACHED, "--augment.speed", "0.2")
    assert refused.status == 1
    assert "augment.speed" in refused.error
    assert ruach.written() == set()
