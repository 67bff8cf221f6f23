from __future__ import annotations

import numpy as np
import pytest

from ruach_core.config import AugmentConfig
from ruach_core.data.audio import load_audio
from ruach_core.features import log_mel, pad_waveform
from ruach_core.models.special_tokens import SpecialTokens
from ruach_core.training.augment import change_speed, choose_speed
from ruach_core.training.batching import MicroBatch
from ruach_core.training.collate import IGNORED, Collator, decoder_ids
from ruach_core.training.packing import TrainingWindow

START, LANGUAGE, TRANSCRIBE, NO_TIMESTAMPS, END = 50258, 50334, 50359, 50363, 50257
TOKENS = SpecialTokens(
    whisper_language="am", start=START, language=LANGUAGE, transcribe=TRANSCRIBE,
    no_timestamps=NO_TIMESTAMPS, end=END, previous=50361, no_speech=50362,
)  # fmt: skip


def plain_ids(texts):
    """One text a window, without timestamps."""
    return decoder_ids([TrainingWindow.of_clip(i) for i in range(len(texts))], texts, TOKENS)


def test_exact_ids():
    inputs, targets = plain_ids([[10, 11, 12], [20]])
    assert inputs.tolist() == [
        [START, LANGUAGE, TRANSCRIBE, NO_TIMESTAMPS, 10, 11, 12],
        [START, LANGUAGE, TRANSCRIBE, NO_TIMESTAMPS, 20, END, END],
    ]
    assert targets.tolist() == [
        [LANGUAGE, TRANSCRIBE, NO_TIMESTAMPS, 10, 11, 12, END],
        [LANGUAGE, TRANSCRIBE, NO_TIMESTAMPS, 20, END, IGNORED, IGNORED],
    ]
    assert inputs.dtype == targets.dtype == np.int64


def test_the_end_is_learnt_though_padding_has_its_id():
    """Whisper pads with its end token: masking by id would leave no end to learn."""
    _, targets = plain_ids([[1] * n for n in range(1, 9)])
    assert ((targets == END).sum(axis=1) == 1).all()
    for row, n in zip(targets.tolist(), range(1, 9), strict=True):
        assert row[3 + n] == END
        assert set(row[4 + n :]) <= {IGNORED}


def test_targets_are_inputs_one_place_on():
    rng = np.random.default_rng(0)
    texts = [rng.integers(0, END, size=n).tolist() for n in (5, 1, 30, 12)]
    inputs, targets = plain_ids(texts)
    for input_ids, target_ids, text in zip(inputs.tolist(), targets.tolist(), texts, strict=True):
        n = 4 + len(text)
        assert [*input_ids[:n], END] == [START, *target_ids[:n]]
        assert input_ids[4:n] == text


@pytest.fixture
def utterances(tone):
    return [tone(0, 0.5), tone(1, 0.8), tone(2, 1.1)]


TEXTS = [[1, 2], [3, 4, 5, 6], [7]]


def collator(utterances, **options) -> Collator:
    return Collator(utterances, TEXTS, TOKENS, n_mels=80, **options)


def test_shapes_and_values_without_augmentation(utterances):
    tensors = collator(utterances)(MicroBatch.of_clips((2, 0), 24_000), 0)
    assert tensors.log_mel().shape == (2, 80, 150)
    assert str(tensors.log_mel().dtype) == "torch.float32"
    assert str(tensors.target_ids.dtype) == str(tensors.decoder_input_ids.dtype) == "torch.int64"
    # Float32 transforms differ a little where a pure tone leaves next to nothing in a band.
    # The waveform is padded, not the mel: silence isn't zero after the logarithm.
    expected = log_mel(pad_waveform(load_audio(utterances[2].audio), 24_000))
    np.testing.assert_allclose(tensors.log_mel()[0].numpy(), expected, atol=2e-3)
    inputs, targets = plain_ids([TEXTS[2], TEXTS[0]])
    np.testing.assert_array_equal(tensors.decoder_input_ids.numpy(), inputs)
    np.testing.assert_array_equal(tensors.target_ids.numpy(), targets)


def test_augmentation_is_a_function_of_seed_epoch_and_clip_alone(utterances):
    options = {"augment": AugmentConfig(speed=0), "seed": 7}
    alone = collator(utterances, **options)(MicroBatch.of_clips((1,), 24_000), 3).log_mel()[0]
    among = collator(utterances, **options)(MicroBatch.of_clips((0, 1, 2), 24_000), 3).log_mel()[1]
    np.testing.assert_array_equal(alone.numpy(), among.numpy())
    plain = collator(utterances)(MicroBatch.of_clips((1,), 24_000), 3).log_mel()[0]
    others = [
        collator(utterances, **options)(MicroBatch.of_clips((1,), 24_000), 4).log_mel()[0],
        collator(utterances, augment=AugmentConfig(speed=0), seed=8)(
            MicroBatch.of_clips((1,), 24_000), 3
        ).log_mel()[0],
        plain,
    ]
    assert all(not np.array_equal(alone.numpy(), other.numpy()) for other in others)
    # Only where the clip is: 0.8 s.
    np.testing.assert_array_equal(alone[:, 80:].numpy(), plain[:, 80:].numpy())


def test_augmentation_can_be_switched_off(utterances):
    off = collator(utterances, augment=AugmentConfig(spec_augment=False, speed=0), seed=7)
    np.testing.assert_array_equal(
        off(MicroBatch.of_clips((1,), 24_000), 0).log_mel().numpy(),
        collator(utterances)(MicroBatch.of_clips((1,), 24_000), 0).log_mel().numpy(),
    )


def test_a_clip_is_played_at_the_speed_of_its_epoch(utterances):
    augment = AugmentConfig(spec_augment=False)
    changed = collator(utterances, augment=augment, seed=7)
    waveform = load_audio(utterances[1].audio)
    speeds = set()
    for epoch in range(12):
        speed = choose_speed(utterances[1], augment, seed=7, epoch=epoch)
        speeds.add(speed)
        expected = log_mel(pad_waveform(change_speed(waveform, speed), 24_000))
        heard = changed(MicroBatch.of_clips((1,), 24_000), epoch).log_mel()[0].numpy()
        np.testing.assert_allclose(heard, expected, atol=2e-3)
    assert speeds == {0.9, 1.0, 1.1}


def test_a_part_of_a_file_is_cut_out(tone):
    from dataclasses import replace

    whole = tone(4, 3.0)
    part = replace(whole, start_s=1.0, end_s=2.0, duration_s=1.0)
    tensors = Collator([part], [[1]], TOKENS, n_mels=80)(MicroBatch.of_clips((0,), 16_000), 0)
    expected = log_mel(load_audio(whole.audio)[16_000:32_000])
    np.testing.assert_allclose(tensors.log_mel()[0].numpy(), expected, atol=2e-3)


def test_number_of_target_tokens_is_what_the_loss_counts(utterances):
    for indices in ((0,), (0, 1, 2), (2, 1)):
        tensors = collator(utterances)(MicroBatch.of_clips(indices, 24_000), 0)
        windows = MicroBatch.of_clips(indices, 24_000).windows
        n = collator(utterances).n_target_tokens(windows)
        assert n == int((tensors.target_ids != IGNORED).sum())
