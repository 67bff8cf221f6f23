"""Clips as data addresses that a page of HTML plays without a file or a network."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import soundfile

from ruach_core.data.audio import load_audio
from ruach_core.errors import DataError
from ruach_core.types import SAMPLING_RATE


def encode_clip(path: Path, start_s: float | None, end_s: float | None, *, max_s: float) -> str:
    """The clip, mono at 16 kHz: Opus in Ogg, or 16-bit wav where libsndfile lacks Opus.

    Args:
        path: of the audio file.
        start_s: where the clip starts in it; None for its start.
        end_s: where it ends; None for its end.
        max_s: what is longer ends here.

    Returns:
        A `data:` address; empty where the audio can't be decoded.
    """
    first_s = start_s or 0.0
    last_s = min(first_s + max_s, first_s + max_s if end_s is None else end_s)
    try:
        wave = load_audio(path, start_s=start_s, end_s=_within(path, end_s, last_s))
    except (DataError, OSError):
        return ""
    wave = wave[: int(max_s * SAMPLING_RATE)]
    is_opus = "OPUS" in soundfile.available_subtypes("OGG")
    form, subtype, mime = ("OGG", "OPUS", "ogg") if is_opus else ("WAV", "PCM_16", "wav")
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, SAMPLING_RATE, format=form, subtype=subtype)
    return f"data:audio/{mime};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _within(path: Path, end_s: float | None, last_s: float) -> float | None:
    """Where to stop, or None for the file's own end where that comes before."""
    if end_s is not None:
        return last_s
    try:
        duration_s = float(soundfile.info(path).duration)
    except (RuntimeError, OSError, ValueError, TypeError):
        return None
    return last_s if last_s < duration_s else None
