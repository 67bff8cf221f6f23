from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
import soundfile

Wave = npt.NDArray[np.float32]


@pytest.fixture
def speech() -> Callable[..., Wave]:
    """Noise-like audio with a silent start, of a given length and rate."""

    def make(duration_s: float = 1.0, rate: int = 16_000, seed: int = 0) -> Wave:
        rng = np.random.default_rng(seed)
        noise = rng.standard_normal(int(duration_s * rate) + rate // 50)
        smooth = np.convolve(noise, np.hanning(rate // 1000 + 2), "valid")[: int(duration_s * rate)]
        smooth[: rate // 20] = 0
        return (0.5 * smooth / np.abs(smooth).max()).astype(np.float32)

    return make


@pytest.fixture
def write_av() -> Callable[..., None]:
    """Encodes audio with FFmpeg: `write_av(path, wave, rate, codec)`."""

    def write(path: Path, wave: Wave, rate: int, codec: str, layout: str = "mono") -> None:
        if codec == "libvorbis":  # PyAV's own FFmpeg can't write it
            data = np.tile(wave, (1 if layout == "mono" else 2, 1)).T
            soundfile.write(path, data, rate, format="OGG", subtype="VORBIS")
            return
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=rate, layout=layout)
            data = np.tile(wave, (1 if layout == "mono" else 2, 1)).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(data), "fltp", layout)
            frame.sample_rate = rate
            # Without times the muxer can't note the encoder's delay.
            frame.pts, frame.time_base = 0, Fraction(1, rate)
            size = stream.codec_context.frame_size or 1024
            fifo = av.AudioFifo()
            fifo.write(av.AudioResampler(stream.format, layout, rate).resample(frame)[0])
            while piece := fifo.read(size, partial=True):
                container.mux(stream.encode(piece))
            container.mux(stream.encode(None))

    return write


@pytest.fixture
def write_split(speech: Callable[..., Wave]) -> Callable[..., Path]:
    """Writes a split folder of rows (file_name, transcription[, speaker]), with their audio."""

    def write(
        folder: Path, rows: Sequence[Sequence[str]], *, seed: int = 0, audio: bool = True
    ) -> Path:
        (folder / "audio").mkdir(parents=True, exist_ok=True)
        header = ["file_name", "transcription", "speaker"][: len(rows[0])]
        with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        for i, row in enumerate(rows):
            if audio:
                soundfile.write(folder / row[0], speech(0.5, seed=seed + i), 16_000)
        return folder

    return write
