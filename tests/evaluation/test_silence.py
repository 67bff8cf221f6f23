from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ruach_core.data.waveforms import load_utterance
from ruach_core.evaluation.silence import (
    background_noise,
    build_silence_report,
    is_silence,
    silence_line,
    tells_silence,
    write_silent_clips,
)
from ruach_core.types import SAMPLING_RATE, Hypothesis, Purpose, SilenceReport, Utterance

NOISE_LEVEL = 0.003


class _Normalizer:
    name = "toy 1"

    def normalize(self, text: str, *, purpose: Purpose) -> str:
        return text.replace(".", "").strip() if purpose == "score" else text


def _speech(*, cutoff_hz: float = 8_000.0) -> np.ndarray:  # type: ignore[type-arg]
    """A loud tone of 1 s between two pauses of 0.5 s, over noise below a frequency."""
    rng = np.random.default_rng(3)
    spectrum = np.fft.rfft(rng.standard_normal(2 * SAMPLING_RATE))
    spectrum[np.fft.rfftfreq(2 * SAMPLING_RATE, 1 / SAMPLING_RATE) > cutoff_hz] = 0
    noise = np.fft.irfft(spectrum)
    waveform = noise / noise.std() * NOISE_LEVEL
    seconds = np.arange(SAMPLING_RATE) / SAMPLING_RATE
    waveform[SAMPLING_RATE // 2 : 3 * SAMPLING_RATE // 2] += 0.5 * np.sin(440 * 6.283 * seconds)
    return waveform.astype(np.float32)


def _power_above(waveform: np.ndarray, hertz: float) -> float:  # type: ignore[type-arg]
    power = np.abs(np.fft.rfft(waveform)) ** 2
    is_above = np.fft.rfftfreq(len(waveform), 1 / SAMPLING_RATE) > hertz
    return float(power[is_above].sum() / power.sum())


@pytest.mark.parametrize("cutoff_hz", [1_000.0, 8_000.0])
def test_background_is_as_loud_and_of_the_colour_of_the_pauses(cutoff_hz: float) -> None:
    speech = _speech(cutoff_hz=cutoff_hz)
    noise = background_noise(speech, 5 * SAMPLING_RATE, np.random.default_rng(1))
    assert noise.dtype == np.float32
    assert len(noise) == 5 * SAMPLING_RATE
    assert noise.std() == pytest.approx(NOISE_LEVEL, rel=0.2)
    wanted = _power_above(speech[: SAMPLING_RATE // 2], 2_000.0)
    assert _power_above(noise, 2_000.0) == pytest.approx(wanted, abs=0.05)


def test_background_has_nothing_of_the_tone() -> None:
    noise = background_noise(_speech(), 5 * SAMPLING_RATE, np.random.default_rng(1))
    power = np.abs(np.fft.rfft(noise)) ** 2
    hertz = np.fft.rfftfreq(len(noise), 1 / SAMPLING_RATE)
    near = power[(hertz > 430) & (hertz < 450)].mean()
    assert near < 3 * power.mean()


@pytest.mark.parametrize("n_samples", [0, 1, 511])
def test_background_of_almost_nothing_is_silence(n_samples: int) -> None:
    noise = background_noise(np.ones(n_samples, np.float32), 800, np.random.default_rng(1))
    assert not noise.any()
    assert len(noise) == 800


def test_background_of_digital_silence_is_silence() -> None:
    noise = background_noise(np.zeros(16_000, np.float32), 800, np.random.default_rng(1))
    assert not noise.any()


@pytest.mark.parametrize(("n_utterances", "n_clips"), [(1, 2), (3, 2), (4, 3), (33, 12), (500, 12)])
def test_silent_clips_are_few_and_the_same_each_time(
    tmp_path: Path, n_utterances: int, n_clips: int
) -> None:
    audio = tmp_path / "speech.wav"
    soundfile.write(audio, _speech(), SAMPLING_RATE)
    utterances = [Utterance("speech.wav", audio, "text", "test", duration_s=2.0)] * n_utterances
    folders = [tmp_path / "one", tmp_path / "two"]
    found = []
    for folder in folders:
        folder.mkdir()
        clips = write_silent_clips(utterances, folder)
        assert [clip.duration_s for clip in clips] == ([2.0, 5.0, 10.0] * 4)[:n_clips]
        found.append([load_utterance(clip) for clip in clips])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [bool(waveform.any()) for waveform in found[0]] == [True] * (n_clips - 1) + [False]


def _report(*texts: str) -> SilenceReport:
    clips = [
        Utterance(f"{i}.wav", Path("x.wav"), "", "test", duration_s=5.0) for i in range(len(texts))
    ]
    hypotheses = [Hypothesis(clip.id, text) for clip, text in zip(clips, texts, strict=True)]
    return build_silence_report(clips, hypotheses, normalizer=_Normalizer())


def test_a_full_stop_is_no_word() -> None:
    report = _report("", ".", " . ")
    assert (report.n_clips, report.duration_s, report.n_words, report.texts) == (3, 15.0, 0, ())
    assert silence_line(report) == "no word invented in 15 s without speech"


def test_words_on_silence_are_counted_and_shown() -> None:
    report = _report("", "Thank you.", "I")
    assert (report.n_words, report.texts) == (3, ("Thank you", "I"))
    line = "3 words invented in 15 s without speech, for 2 of 3 clips: 'Thank you'"
    assert silence_line(report) == line
    assert silence_line(_report("Amen")).startswith("1 word invented in 5 s")
    assert "'" + "la " * 13 + "l...'" in silence_line(_report("la " * 200))


@pytest.mark.parametrize(
    ("heard", "said"),
    [((0.9, -3.0, 1), True), ((0.9, -1.5, 1), False), ((0.5, -9.0, 1), False)],
)
def test_silence_is_likely_and_the_text_unsure(heard: tuple[float, float, int], said: bool) -> None:
    assert is_silence(*heard) is said


def test_a_model_that_tells_silence_is_not_asked_how_sure_it_is() -> None:
    assert is_silence(0.9, -0.1, 9, hears_silence=True)
    assert not is_silence(0.5, -90.0, 9, hears_silence=True)


@pytest.mark.parametrize(
    ("no_speech_probs", "said"),
    [([0.0, 0.1, 0.0, 0.0, 0.29], True), ([0.0, 0.1, 0.0, 0.0, 0.31], False), ([0.0] * 4, False),
     ([], False)],
)  # fmt: skip
def test_silence_is_told_where_no_speech_comes_near_it(
    no_speech_probs: list[float], said: bool
) -> None:
    assert tells_silence(no_speech_probs) is said


@pytest.mark.slow
def test_both_decoders_write_nothing_for_noise(
    whisper_base_export: Path, spoken: list[tuple[str, Path]], tmp_path: Path
) -> None:
    from ruach_core.evaluation.ct2_decode import Ct2Recognizer
    from ruach_core.evaluation.torch_decode import TorchRecognizer
    from ruach_core.models.ctranslate2_import import convert_ctranslate2_model
    from ruach_core.training.preparation import load_model

    noise = np.random.default_rng(0).standard_normal(5 * SAMPLING_RATE) * 10 ** (-30 / 20)
    soundfile.write(tmp_path / "noise.wav", noise, SAMPLING_RATE)
    clips = [
        Utterance(path.name, path, "", "test", duration_s=soundfile.info(path).duration)
        for path in (tmp_path / "noise.wav", spoken[0][1])
    ]
    by_ct2 = Ct2Recognizer(whisper_base_export, language="en", compute_type="float32")
    folder = tmp_path / "model"
    convert_ctranslate2_model(whisper_base_export, folder)
    by_torch = TorchRecognizer(
        load_model(folder, by_ct2.tokens, []), by_ct2.tokenizer, by_ct2.tokens,
        max_new_tokens=60, window_margin_s=1.0,
    )  # fmt: skip
    texts = [hypothesis.text for hypothesis in by_ct2.decode_utterances(clips, window="trim")]
    assert texts[0] == ""
    assert len(texts[1].split()) > 2
    assert [hypothesis.text for hypothesis in by_torch.decode(clips, window="trim")] == texts


@pytest.mark.slow
def test_a_model_that_hears_silence_writes_nothing_there_however_sure(
    whisper_base_export: Path, spoken: list[tuple[str, Path]], tmp_path: Path
) -> None:
    from ruach_core.evaluation.ct2_decode import Ct2Recognizer

    soundfile.write(tmp_path / "zeros.wav", np.zeros(5 * SAMPLING_RATE), SAMPLING_RATE)
    clips = [
        Utterance(path.name, path, "", "test", duration_s=soundfile.info(path).duration)
        for path in (tmp_path / "zeros.wav", spoken[0][1])
    ]
    texts = {}
    for hears_silence in (False, True):
        recognizer = Ct2Recognizer(
            whisper_base_export, language="en", compute_type="float32", hears_silence=hears_silence
        )
        (zeros,), (speech,) = recognizer.decode_nbest(clips, window="full")
        assert zeros.no_speech_prob > 0.6
        assert speech.no_speech_prob < 0.3
        texts[hears_silence] = (zeros.text, speech.text)
    # Whisper's best-known invention, of which it is sure.
    assert texts[False][0] == "you"
    assert texts[True] == ("", texts[False][1])
