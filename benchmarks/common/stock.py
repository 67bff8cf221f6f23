"""Decoding as everyone does it: plain faster-whisper in 30 s windows, without any Ruach code."""

from __future__ import annotations

from collections.abc import Iterable

from faster_whisper import WhisperModel

from ruach_core.types import Utterance

DEFAULT_LOG_PROB_THRESHOLD = -1.0
"""faster-whisper's own default."""


def decode_stock(
    model: WhisperModel,
    clips: Iterable[Utterance],
    *,
    language: str,
    beam_size: int,
    log_prob_threshold: float | None = DEFAULT_LOG_PROB_THRESHOLD,
) -> list[str]:
    """The text of each clip, without timestamps and without trying again at a temperature."""
    texts = []
    for clip in clips:
        segments, _ = model.transcribe(
            str(clip.audio), language=language, beam_size=beam_size, without_timestamps=True,
            condition_on_previous_text=False, temperature=0.0,
            log_prob_threshold=log_prob_threshold,
        )  # fmt: skip
        texts.append(" ".join(segment.text.strip() for segment in segments))
    return texts
