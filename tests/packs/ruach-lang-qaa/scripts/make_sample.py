"""Makes the toy pack's sample: one tone a word, nine clips. Run by hand.

It needs numpy, soundfile and av from core's dependencies; the same versions give the same bytes.
"""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile

SAMPLE = Path(__file__).resolve().parents[1] / "src" / "ruach_lang_qaa" / "sample"
TONES_HZ = {"ba": 220, "be": 330, "bi": 440, "bo": 660, "bu": 880, "na": 1320}
WORD_S = 0.25
CLIPS = {
    "train": [
        ("01.wav", 16_000, "Ba be.", "one"),
        ("02.flac", 16_000, "Bi bo na.", "two"),
        ("03.flac", 16_000, "Bu ba.", "one"),
        ("04.ogg", 16_000, "Na be bo.", "two"),
        ("05.ogg", 16_000, "Bo bu bi.", "one"),
        ("06.wav", 8_000, "Be na.", "two"),
    ],
    "test": [
        ("01.wav", 8_000, "Ba bi.", "one"),
        ("02.flac", 16_000, "Bo be na.", "two"),
        ("03.ogg", 16_000, "Bu be.", "one"),
    ],
}


def main() -> None:
    """Write both splits over what is there."""
    for split, clips in CLIPS.items():
        folder = SAMPLE / split
        (folder / "audio").mkdir(parents=True, exist_ok=True)
        with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["file_name", "transcription", "speaker"])
            for name, rate, text, speaker in clips:
                table.writerow([f"audio/{name}", text, speaker])
                write_clip(folder / "audio" / name, speak(text, rate, speaker=speaker), rate)


def speak(text: str, rate: int, *, speaker: str) -> np.ndarray:
    """Mono float64, shape (n_samples,): a fading tone with two overtones for every word."""
    time_s = np.arange(int(WORD_S * rate)) / rate
    fade = np.minimum(1, np.minimum(time_s, WORD_S - time_s) / 0.02)
    overtone = 0.5 if speaker == "one" else 0.2
    words = []
    for word in text.lower().rstrip(".").split():
        phase = 2 * np.pi * TONES_HZ[word] * time_s
        words.append(0.4 * fade * (np.sin(phase) + overtone * np.sin(2 * phase)))
    return np.concatenate(words)


def write_clip(path: Path, waveform: np.ndarray, rate: int) -> None:
    """Encode by the file's ending."""
    if path.suffix != ".ogg":
        soundfile.write(path, waveform, rate, subtype="PCM_16")
        return
    # `bitexact` fixes the Ogg serial number, which is random otherwise.
    with av.open(path, "w", format="ogg", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libopus", rate=rate, layout="mono")
        stream.bit_rate = 24_000
        pcm = np.round(waveform * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm[np.newaxis, :], format="s16", layout="mono")
        frame.sample_rate = rate
        # Without a time the last page's position is wrong, and libsndfile refuses short files.
        frame.pts = 0
        frame.time_base = Fraction(1, rate)
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


if __name__ == "__main__":
    main()
