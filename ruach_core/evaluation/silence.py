"""Where nobody speaks: when a decoder writes nothing, and what a model writes all the same.

Whisper was trained on subtitles, and writes words for noise and for silence too. Clips of speech
can't show it, and a recording that starts with a pause suffers from it. What is decoded here is the
clips' own background, since that is the silence that the model will hear.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from ruach_core.data.waveforms import load_utterance
from ruach_core.features import FloatArray
from ruach_core.types import SAMPLING_RATE, Hypothesis, SilenceReport, TextNormalizer, Utterance

_MAX_NOISY = 11
_LENGTHS_S = (2.0, 5.0, 10.0)
_FRAME = 512
_QUIET_SHARE = 0.1
_SHOWN_CHARACTERS = 40
_NO_SPEECH_PROB = 0.6
_UNSURE_LOG_PROB = -1.0
_MOST_FOR_SPEECH = _NO_SPEECH_PROB / 2
_MIN_SPEECH_CLIPS = 5


def is_silence(
    no_speech_prob: float, log_prob: float, n_tokens: int, *, hears_silence: bool = False
) -> bool:
    """Whether a hypothesis is taken for none, since nobody speaks.

    Decoders keep Whisper from ending at once, so without this it always writes something. The rule
    and its thresholds are openai-whisper's and faster-whisper's defaults (arXiv 2212.04356, section
    4.5): the model holds silence for likely, and isn't sure of what it wrote. A model that has
    learnt a few sentences by heart is always sure, so of one that `tells_silence` only the first
    is asked.

    Args:
        no_speech_prob: of `<|nospeech|>` behind `<|startoftranscript|>`.
        log_prob: natural log-probability of the text's tokens and the end.
        n_tokens: of the text, without the end.
        hears_silence: whether the model was found to tell silence from speech.
    """
    if no_speech_prob <= _NO_SPEECH_PROB:
        return False
    return hears_silence or log_prob / (n_tokens + 1) < _UNSURE_LOG_PROB


def tells_silence(no_speech_probs: Sequence[float]) -> bool:
    """Whether a model never comes near to holding speech for silence.

    Then the probability alone decides, and costs no clip its words.

    Args:
        no_speech_probs: of `<|nospeech|>`, for clips of speech that the model wasn't trained on.

    Returns:
        Whether there are five clips at least, all below half of the threshold of `is_silence`.
    """
    return len(no_speech_probs) >= _MIN_SPEECH_CLIPS and max(no_speech_probs) < _MOST_FOR_SPEECH


def write_silent_clips(utterances: Sequence[Utterance], folder: Path) -> list[Utterance]:
    """Clips without speech, of 2, 5 and 10 s, the last of them digital silence.

    The others are `background_noise` of a third of the utterances, eleven at most, spread over the
    list. The same utterances give the same clips.

    Args:
        utterances: clips of speech, at least one.
        folder: gets a wav file for each.

    Raises:
        AudioError: an utterance can't be read.
    """
    n_noisy = min(-(-len(utterances) // 3), _MAX_NOISY)
    clips = []
    for i in range(n_noisy + 1):
        duration_s = _LENGTHS_S[i % len(_LENGTHS_S)]
        n_samples = round(duration_s * SAMPLING_RATE)
        waveform: FloatArray = np.zeros(n_samples, np.float32)
        if i < n_noisy:
            speech = load_utterance(utterances[i * len(utterances) // n_noisy])
            waveform = background_noise(speech, n_samples, np.random.default_rng(i))
        path = folder / f"silence-{i + 1}.wav"
        soundfile.write(path, waveform, SAMPLING_RATE, subtype="FLOAT")
        clips.append(Utterance(path.name, path, "", "test", duration_s=duration_s))
    return clips


def background_noise(speech: FloatArray, n_samples: int, rng: np.random.Generator) -> FloatArray:
    """Noise as loud and of the same colour as the quietest tenth of a clip's 32 ms frames.

    Only its spectrum is taken, so that no word of the clip is left in it.

    Args:
        speech: mono at 16 kHz, of shape (n,).
        n_samples: how long the noise is.
        rng: draws it.

    Returns:
        Shape (n_samples,), float32.
    """
    n_frames = len(speech) // _FRAME
    if not n_frames:
        return np.zeros(n_samples, np.float32)
    frames = speech[: n_frames * _FRAME].reshape(n_frames, _FRAME).astype(np.float64)
    powers = np.square(frames).mean(axis=1)
    is_quiet = powers <= np.quantile(powers, _QUIET_SHARE)
    spectra = np.abs(np.fft.rfft(frames[is_quiet] * np.hanning(_FRAME), axis=1))
    colour = np.sqrt(np.square(spectra).mean(axis=0))
    white = np.fft.rfft(rng.standard_normal(n_samples))
    places = np.linspace(0.0, len(colour) - 1, len(white))
    noise = np.fft.irfft(white * np.interp(places, np.arange(len(colour)), colour), n=n_samples)
    loudness = np.sqrt(powers[is_quiet].mean() / max(float(np.square(noise).mean()), 1e-30))
    return np.asarray(noise * loudness, dtype=np.float32)


def build_silence_report(
    clips: Sequence[Utterance], hypotheses: Sequence[Hypothesis], *, normalizer: TextNormalizer
) -> SilenceReport:
    """Count what was written for clips without speech.

    Words are counted in the `score` forms: a full stop alone is none.
    """
    texts = [normalizer.normalize(one.text, purpose="score") for one in hypotheses]
    return SilenceReport(
        n_clips=len(clips),
        duration_s=sum(clip.duration_s or 0.0 for clip in clips),
        n_words=sum(len(text.split()) for text in texts),
        texts=tuple(text for text in texts if text.split()),
    )


def silence_line(silence: SilenceReport) -> str:
    """What the model wrote where nobody speaks, in one line, with the first of it."""
    where = f"in {silence.duration_s:.0f} s without speech"
    if not silence.n_words:
        return f"no word invented {where}"
    first = silence.texts[0]
    shown = first if len(first) <= _SHOWN_CHARACTERS else f"{first[:_SHOWN_CHARACTERS]}..."
    words = "1 word" if silence.n_words == 1 else f"{silence.n_words} words"
    clips = f"{len(silence.texts)} of {silence.n_clips} clips"
    return f"{words} invented {where}, for {clips}: {shown!r}"
