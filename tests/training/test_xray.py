from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from ruach_core.errors import UserError
from ruach_core.models.special_tokens import SpecialTokens, WhisperTokenizer
from ruach_core.training.collate import IGNORED, decoder_ids
from ruach_core.training.packing import TrainingWindow
from ruach_core.training.xray import check_decoder_ids, show_first_batch

TOKENS = SpecialTokens(
    whisper_language="am", start=50258, language=50334, transcribe=50359, no_timestamps=50363,
    end=50257, previous=50361, no_speech=50362,
)  # fmt: skip
TEXTS = [[10, 11, 12], [20]]


def batch(texts: list[list[int]] = TEXTS) -> tuple[np.ndarray, np.ndarray]:
    windows = [TrainingWindow.of_clip(i) for i in range(len(texts))]
    return decoder_ids(windows, texts, TOKENS)


def refusal(inputs: np.ndarray, targets: np.ndarray) -> str:
    with pytest.raises(UserError) as caught:
        check_decoder_ids(inputs, targets, TOKENS)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_what_the_collator_makes_passes():
    check_decoder_ids(*batch(), TOKENS)


def test_doubled_start_is_refused():
    inputs, targets = batch()
    doubled = np.concatenate([inputs[:, :1], inputs], axis=1)
    shifted = np.concatenate([inputs[:, :1], targets], axis=1)
    assert "3 <|startoftranscript|>" in refusal(doubled, shifted)
    assert "2 <|startoftranscript|>" in refusal(doubled[:, :-1], targets)
    assert "clip 1" in refusal(inputs, np.where(targets == 10, TOKENS.start, targets))


def test_missing_or_late_start_is_refused():
    inputs, targets = batch()
    missing = inputs.copy()
    missing[1, 0] = TOKENS.end
    assert "clip 2: 0 <|startoftranscript|>" in refusal(missing, targets)
    late = inputs.copy()
    late[0, :2] = [TOKENS.language, TOKENS.start]
    assert "<|startoftranscript|>" in refusal(late, targets)


def test_wrong_language_is_refused():
    inputs, targets = batch()
    inputs[1, 1] = 50259
    message = refusal(inputs, targets)
    assert "clip 2" in message
    assert "50259" in message
    assert "<|am|>" in message


def test_other_task_and_timestamps_are_refused():
    inputs, targets = batch()
    inputs[0, 2] = TOKENS.transcribe - 1  # <|translate|>
    assert "prompt" in refusal(inputs, targets)
    inputs, targets = batch()
    inputs[0, 3] = 10
    assert "prompt" in refusal(inputs, targets)


def test_empty_text_is_refused():
    assert "clip 2: the text is empty" in refusal(*batch([[1], []]))


def test_missing_end_is_refused():
    inputs, targets = batch()
    masked = np.where(targets == TOKENS.end, IGNORED, targets)
    assert "<|endoftext|>" in refusal(inputs, masked)


def test_all_masked_is_refused():
    inputs, targets = batch()
    targets[0] = IGNORED
    assert "clip 1" in refusal(inputs, targets)


@pytest.fixture
def prepared(setting):
    """What the lines on a batch are written with."""
    tokenizer = WhisperTokenizer.read(setting.model_dir)
    return SimpleNamespace(tokenizer=tokenizer, tokens=SpecialTokens.of(tokenizer, "en"))


@pytest.mark.slow
def test_windows_with_speech_are_shown_where_every_pass_holds_a_silent_one(setting, prepared):
    loop = setting.loop(**{"training.batch_size": 64, "augment.silence_share": 1.0})
    passes = [micro for batch in loop._plan.batches(0) for micro in batch.micro_batches]
    assert not any(all(window.indices for window in micro.windows) for micro in passes)
    shown, _ = show_first_batch(loop, loop._plan, prepared, loop._console)
    assert shown.windows
    assert all(window.indices for window in shown.windows)
    assert f"first batch: {len(shown.windows)} clips" in loop._console.lines[0]


@pytest.mark.slow
def test_what_is_timed_is_what_was_shown_where_memory_has_no_room(setting, prepared, monkeypatch):
    loop = setting.loop()
    loss = loop.updater.loss

    def little_memory(tensors):
        if len(tensors.waveforms) > 1:
            raise MemoryError
        return loss(tensors)

    monkeypatch.setattr(loop.updater, "loss", little_memory)
    shown, _ = show_first_batch(loop, loop._plan, prepared, loop._console)
    assert len(shown.windows) == 1


def test_too_long_is_refused():
    check_decoder_ids(*batch([[1] * 444]), TOKENS)
    assert "449 decoder positions" in refusal(*batch([[1] * 445]))
