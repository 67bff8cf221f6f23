"""Makes the bundled Amharic sample: synthetic speech by espeak-ng, for trying out the pipeline.

Run by hand, from anywhere: `python languages/ruach-lang-am/scripts/make_sample.py`. It needs the
program espeak-ng 1.51 (Debian 12: `apt-get install espeak-ng`) and, from core's dependencies,
numpy, soundfile, soxr and av. The same versions give the same bytes: nothing here is random.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr

SENTENCES = Path(__file__).resolve().parent / "sample_sentences"
SAMPLE = Path(__file__).resolve().parents[1] / "src" / "ruach_lang_am" / "sample"

SPEAKERS = ("am", "am+m3", "am+m4", "am+f1", "am+f2", "am+f4")
"""espeak-ng voices: the plain one and five variants; each is one `speaker` of the sample."""
SPEEDS = (140, 150, 160, 130, 170)
"""Words a minute."""
PITCHES = (50, 42, 58, 46, 54, 38, 62)
"""espeak-ng's own scale, 0 to 99."""
AMPLITUDE = 80
"""espeak-ng's own scale, 0 to 200; at 80 no voice reaches full scale."""

SAMPLING_RATE = 16_000
BIT_RATE = 24_000
TAIL_S = 0.15
"""Silence kept after the last sound, in seconds; espeak-ng adds about 0.4 s."""


@dataclass(frozen=True)
class Voice:
    """How one sentence is spoken."""

    speaker: str
    speed: int
    pitch: int


def main() -> None:
    """Make both splits, each written aside and then put in place."""
    if shutil.which("espeak-ng") is None:
        sys.exit("espeak-ng is not installed: run apt-get install espeak-ng (Debian, Ubuntu)")
    for split in ("train", "test"):
        sentences = (SENTENCES / f"{split}.txt").read_text(encoding="utf-8").splitlines()
        check_pronounced(sentences)
        with tempfile.TemporaryDirectory(dir=SAMPLE, prefix=f".{split}-") as aside:
            new = Path(aside) / split
            write_split(sentences, new)
            shutil.rmtree(SAMPLE / split, ignore_errors=True)
            new.replace(SAMPLE / split)
    n_bytes = sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file())
    sys.stdout.write(f"{SAMPLE}: {n_bytes / 1e6:.2f} MB\n")


def check_pronounced(sentences: list[str]) -> None:
    """Stop at a word that espeak-ng doesn't read as Amharic.

    It marks a word that it passes to another language's rules with that language's code in
    round brackets, and puts `_` between the letter names of a word that it spells out.
    """
    for word in sorted({word for sentence in sentences for word in sentence.split()}):
        command = ["espeak-ng", "-v", "am", "-q", "-x", word]
        phonemes = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        if not phonemes.strip() or "(" in phonemes or "_" in phonemes:
            sys.exit(f"espeak-ng doesn't read {word} as Amharic ({phonemes.strip()}): reword it")


def write_split(sentences: list[str], folder: Path) -> None:
    """Speak every sentence once and write `metadata.csv` and `audio/` under the folder."""
    (folder / "audio").mkdir(parents=True)
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["file_name", "transcription", "speaker"])
        for number, (sentence, voice) in enumerate(zip(sentences, voices(), strict=False), 1):
            name = f"audio/{number:03}.ogg"
            write_opus(speak(sentence, voice), folder / name)
            table.writerow([name, sentence, voice.speaker])


def voices() -> Iterator[Voice]:
    """Speakers in turn, with every speed and pitch for every speaker in the long run.

    6 speakers, 5 speeds and 7 pitches share no factor, so that no voice repeats within 210.
    """
    number = 0
    while True:
        yield Voice(
            SPEAKERS[number % len(SPEAKERS)],
            SPEEDS[number % len(SPEEDS)],
            PITCHES[number % len(PITCHES)],
        )
        number += 1


def speak(sentence: str, voice: Voice) -> np.ndarray:
    """The sentence as mono float32 at 16 kHz, shape (n_samples,), the silent tail cut."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        options = ["-v", voice.speaker, "-s", str(voice.speed), "-p", str(voice.pitch)]
        subprocess.run(
            ["espeak-ng", *options, "-a", str(AMPLITUDE), "-w", str(wav), sentence], check=True
        )
        waveform, rate = soundfile.read(wav, dtype="float32")
    heard = np.flatnonzero(np.abs(waveform) > 0.01)
    waveform = waveform[: heard[-1] + int(TAIL_S * rate)]
    resampled: np.ndarray = soxr.resample(waveform, rate, SAMPLING_RATE)
    return resampled


def write_opus(waveform: np.ndarray, path: Path) -> None:
    """Encode as Ogg/Opus; `bitexact` keeps the Ogg serial number and the vendor string fixed."""
    with av.open(path, "w", format="ogg", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libopus", rate=SAMPLING_RATE, layout="mono")
        stream.bit_rate = BIT_RATE
        pcm = np.clip(np.round(waveform * 32767), -32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm[np.newaxis, :], format="s16", layout="mono")
        frame.sample_rate = SAMPLING_RATE
        # Without a time the last page's position is wrong, and libsndfile refuses short files.
        frame.pts = 0
        frame.time_base = Fraction(1, SAMPLING_RATE)
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


if __name__ == "__main__":
    main()
