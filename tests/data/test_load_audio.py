from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ruach_core.data.audio import AudioError, load_audio, stream_audio
from ruach_core.data.mp3_index import has_whole_index
from ruach_core.errors import DataError

WAV_SUBTYPES = ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"]


def correlation(a, b):
    n = min(len(a), len(b))
    return float(np.corrcoef(a[:n], b[:n])[0, 1])


@pytest.mark.parametrize("subtype", WAV_SUBTYPES)
def test_wav_of_every_width(tmp_path, speech, subtype):
    wave = speech(1.0)
    soundfile.write(tmp_path / "a.wav", wave, 16_000, subtype=subtype)
    loaded = load_audio(tmp_path / "a.wav")
    assert loaded.dtype == np.float32
    assert loaded.shape == wave.shape
    assert np.abs(loaded - wave).max() < (0.01 if subtype == "PCM_U8" else 1e-4)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "least"),
    [
        ("a.mp3", "libmp3lame", 44_100, 0.97),
        ("a.ogg", "libvorbis", 44_100, 0.97),
        ("a.opus", "libopus", 48_000, 0.97),
        ("a.webm", "libopus", 48_000, 0.97),
        ("a.m4a", "aac", 44_100, 0.97),
        ("a.flac", "flac", 22_050, 0.999),
    ],
)
@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_compressed_formats_keep_length_and_place(
    tmp_path, speech, write_av, name, codec, rate, least, layout
):
    wave = speech(2.0, rate)
    write_av(tmp_path / name, wave, rate, codec, layout)
    soundfile.write(tmp_path / "plain.wav", wave, rate, subtype="FLOAT")
    plain = load_audio(tmp_path / "plain.wav")
    loaded = load_audio(tmp_path / name)
    assert loaded.ndim == 1
    assert abs(len(loaded) - 32_000) < 1700
    # A shift by a decoder's delay would destroy the correlation of noise.
    assert correlation(loaded, plain) > least


@pytest.mark.parametrize(
    ("name", "codec"), [("a.m4a", "aac"), ("a.webm", "libopus"), ("a.mp3", "libmp3lame")]
)
def test_segment_equals_that_part_of_the_whole(tmp_path, speech, write_av, name, codec):
    write_av(tmp_path / name, speech(6.0, 48_000), 48_000, codec)
    whole = load_audio(tmp_path / name)
    part = load_audio(tmp_path / name, start_s=3.0, end_s=4.5)
    assert abs(len(part) - 24_000) < 100
    best = max(correlation(part[2000:], whole[50_000 + k :]) for k in range(-40, 41))
    assert best > 0.97


def test_segment_of_wav_is_exact(tmp_path, speech):
    wave = speech(3.0)
    soundfile.write(tmp_path / "a.wav", wave, 16_000, subtype="FLOAT")
    part = load_audio(tmp_path / "a.wav", start_s=0.5, end_s=2.0)
    np.testing.assert_array_equal(part, wave[8_000:32_000])


def test_8_khz_stereo_is_averaged_and_resampled(tmp_path):
    t = np.arange(8_000) / 8_000
    left, right = np.sin(2 * np.pi * 440 * t), 0.5 * np.sin(2 * np.pi * 440 * t)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 8_000)
    loaded = load_audio(tmp_path / "a.wav")
    assert loaded.shape == (16_000,)
    expected = 0.75 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert np.abs(loaded - expected)[500:-500].max() < 0.01


def test_integers_stored_as_floats_are_scaled(tmp_path, speech):
    wave = speech(0.5) * 32_768
    soundfile.write(tmp_path / "a.wav", wave, 16_000, subtype="FLOAT")
    loaded = load_audio(tmp_path / "a.wav")
    assert np.abs(loaded).max() == pytest.approx(1.0)


def refused(path: Path, **options: float) -> AudioError:
    with pytest.raises(AudioError) as caught:
        load_audio(path, **options)
    assert isinstance(caught.value, DataError)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return caught.value


def test_missing_file_and_folder(tmp_path):
    assert refused(tmp_path / "no.wav").reason == "missing"
    assert refused(tmp_path).reason == "missing"


def test_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    assert refused(tmp_path / "pipe.wav").reason == "missing"


def test_file_without_bytes(tmp_path):
    (tmp_path / "a.wav").touch()
    assert refused(tmp_path / "a.wav").reason == "empty"


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_file_without_samples(tmp_path, name):
    soundfile.write(tmp_path / name, np.zeros(0, np.float32), 16_000)
    assert refused(tmp_path / name).reason == "empty"


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a", "a.raw", "a"])
def test_text_is_not_audio(tmp_path, name):
    (tmp_path / name).write_text("these are words, not sound\n" * 100)
    error = refused(tmp_path / name)
    assert error.reason == "unreadable"
    assert "not audio" in str(error)


@pytest.mark.parametrize(
    "text", ["ffconcat version 1.0\nfile 'real.m4a'\n", "#EXTM3U\n#EXTINF:1,\nreal.m4a\n"]
)
def test_play_list_cannot_pull_in_another_file(tmp_path, speech, write_av, text):
    write_av(tmp_path / "real.m4a", speech(1.0), 16_000, "aac")
    assert len(load_audio(tmp_path / "real.m4a"))
    (tmp_path / "list.wav").write_text(text)
    assert refused(tmp_path / "list.wav").reason == "unreadable"


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.m4a"])
def test_truncated_file(tmp_path, speech, write_av, name):
    if name == "a.m4a":
        write_av(tmp_path / name, speech(2.0), 16_000, "aac")
    else:
        soundfile.write(tmp_path / name, speech(2.0), 16_000)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    assert refused(tmp_path / name).reason == "unreadable"


def test_wav_that_lost_a_few_bytes_is_still_used(tmp_path, speech):
    soundfile.write(tmp_path / "a.wav", speech(2.0), 16_000)
    data = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "a.wav").write_bytes(data[:-501])
    assert 31_000 < len(load_audio(tmp_path / "a.wav")) < 32_000


def patched(path: Path, speech, offset: int, value: bytes) -> Path:
    soundfile.write(path, speech(2.0), 16_000)
    data = bytearray(path.read_bytes())
    data[offset : offset + len(value)] = value
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_wav_of_a_pipe_has_no_length_and_is_read(tmp_path, speech, size):
    path = patched(tmp_path / "a.wav", speech, 40, struct.pack("<I", size))
    assert len(load_audio(path)) == 32_000


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (24, struct.pack("<I", 0)),
        (24, struct.pack("<I", 0xFFFFFFF0)),
        (22, struct.pack("<H", 60_000)),
        (34, struct.pack("<H", 0)),
        (40, struct.pack("<I", 0x10000000)),
    ],
)
def test_wav_header_that_lies(tmp_path, speech, offset, value):
    path = patched(tmp_path / "a.wav", speech, offset, value)
    assert refused(path, max_duration_s=30).reason == "unreadable"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(tmp_path, speech, value):
    wave = speech(1.0)
    wave[777] = value
    soundfile.write(tmp_path / "a.wav", wave, 16_000, subtype="FLOAT")
    error = refused(tmp_path / "a.wav")
    assert error.reason == "unreadable"
    assert "NaN" in str(error)


def test_too_long_by_header_alone(tmp_path):
    # 10 hours by its header and a sparse file: decoding it would take gigabytes.
    n_bytes = 10 * 3600 * 16_000 * 2
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + n_bytes, b"WAVE", b"fmt ", 16, 1, 1, 16_000, 32_000,
        2, 16, b"data", n_bytes,
    )  # fmt: skip
    with (tmp_path / "a.wav").open("wb") as file:
        file.write(header)
        file.truncate(44 + n_bytes)
    error = refused(tmp_path / "a.wav", max_duration_s=30)
    assert error.reason == "too-long"
    assert "36000.00 s" in str(error)
    assert len(load_audio(tmp_path / "a.wav", start_s=35_000, end_s=35_001, max_duration_s=30))


@pytest.mark.parametrize(("name", "codec"), [("a.mp3", "libmp3lame"), ("a.m4a", "aac")])
def test_31_seconds_are_too_long(tmp_path, speech, write_av, name, codec):
    write_av(tmp_path / name, speech(31.0), 16_000, codec)
    assert refused(tmp_path / name, max_duration_s=30).reason == "too-long"
    assert len(load_audio(tmp_path / name)) > 490_000


def test_segment_outside_the_file(tmp_path, speech):
    soundfile.write(tmp_path / "a.wav", speech(2.0), 16_000)
    assert refused(tmp_path / "a.wav", start_s=5.0, end_s=6.0).reason == "empty"
    assert refused(tmp_path / "a.wav", start_s=1.0, end_s=6.0).reason == "unreadable"
    assert refused(tmp_path / "a.wav", start_s=1.0, end_s=1.0).reason == "empty"
    assert refused(tmp_path / "a.wav", start_s=float("nan")).reason == "empty"


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp3", "libmp3lame"), ("a.aac", "aac"), ("a.ogg", "libvorbis"), ("a.m4a", "aac")],
)
def test_segment_outside_a_compressed_file(tmp_path, speech, write_av, name, codec):
    path = tmp_path / name
    write_av(path, speech(31.0), 16_000, codec)
    late = refused(path, start_s=25.0, end_s=45.0)
    assert late.reason == "unreadable"
    assert late.detail.startswith("the segment ends at 45 s, the file at 31.")
    outside = refused(path, start_s=40.0, end_s=45.0)
    assert outside.reason == "empty"
    assert outside.detail.startswith("the segment starts at 40 s, the file ends ")
    assert len(load_audio(path, start_s=25.0, end_s=31.0)) == pytest.approx(6 * 16_000, abs=1_600)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_unreadable_by_permission(tmp_path, speech):
    soundfile.write(tmp_path / "a.wav", speech(1.0), 16_000)
    (tmp_path / "a.wav").chmod(0)
    assert refused(tmp_path / "a.wav").reason == "unreadable"


def test_bytes_that_are_damaged_at_random_never_raise_anything_else(tmp_path, speech, write_av):
    rng = np.random.default_rng(5)
    for name, codec in [
        ("a.wav", ""),
        ("a.flac", "flac"),
        ("a.ogg", "libvorbis"),
        ("a.m4a", "aac"),
    ]:
        path = tmp_path / name
        if codec:
            write_av(path, speech(0.5), 16_000, codec)
        else:
            soundfile.write(path, speech(0.5), 16_000)
        data = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(25):
            damaged = data.copy()
            where = rng.integers(0, min(len(data), 400), 8)
            damaged[where] = rng.integers(0, 256, 8)
            path.write_bytes(damaged.tobytes())
            try:
                loaded = load_audio(path, max_duration_s=30)
            except AudioError:
                continue
            assert np.isfinite(loaded).all()
            assert len(loaded) <= 30 * 16_000


@pytest.mark.parametrize("n_channels", [2, 9, 61])
@pytest.mark.parametrize("codec", ["ULAW", "FLOAT"])
def test_any_number_of_channels_is_averaged_while_streaming(tmp_path, n_channels, codec):
    """PyAV has room for the planes of 8 channels, and reads beside it for the others."""
    levels = np.linspace(0.1, 0.5, n_channels, dtype=np.float32)
    soundfile.write(tmp_path / "a.wav", np.tile(levels, (1600, 1)), 16_000, subtype=codec)
    streamed = np.concatenate(list(stream_audio(tmp_path / "a.wav")))
    assert streamed.shape == (1600,)
    assert streamed == pytest.approx(load_audio(tmp_path / "a.wav"), abs=1e-5)
    assert streamed[800] == pytest.approx(levels.mean(), rel=0.05)


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (20, struct.pack("<H", 0xE4)),  # a codec that FFmpeg knows by name alone
        (24, struct.pack("<I", 1)),  # resampling 1 Hz would make 16,000 samples of each
        (24, struct.pack("<I", 0xFFFFFFF0)),
        (22, struct.pack("<H", 600)),
    ],
)
def test_streaming_refuses_a_header_that_lies(tmp_path, speech, offset, value):
    path = patched(tmp_path / "a.wav", speech, offset, value)
    with pytest.raises(AudioError) as caught:
        list(stream_audio(path))
    assert caught.value.reason == "unreadable"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_streaming_takes_what_is_no_number_for_silence(tmp_path, speech, value):
    wave = speech(1.0)
    wave[777] = value
    soundfile.write(tmp_path / "a.wav", wave, 16_000, subtype="FLOAT")
    streamed = np.concatenate(list(stream_audio(tmp_path / "a.wav")))
    assert streamed[777] == 0
    assert np.isfinite(streamed).all()


def _mp3(seconds: int, level: float) -> bytes:
    noise = np.random.default_rng(seconds).standard_normal(seconds * 16_000) / 10
    file = io.BytesIO()
    soundfile.write(
        file, noise, 16_000, format="MP3", bitrate_mode="CONSTANT", compression_level=level
    )
    return file.getvalue()


@pytest.mark.parametrize("has_tag", [False, True], ids=["bare", "tagged"])
def test_joined_mp3_files_are_read_to_the_end(tmp_path: Path, has_tag: bool) -> None:
    path = tmp_path / "joined.mp3"
    tag = b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256) if has_tag else b""
    path.write_bytes(tag + _mp3(2, 0.0) + _mp3(6, 0.9))
    # The index in the first frame is of two seconds.
    assert soundfile.info(path).duration == pytest.approx(2, abs=0.1)
    assert len(load_audio(path)) / 16_000 == pytest.approx(8, abs=0.2)


def test_an_mp3_file_with_its_own_index_is_read_by_it(tmp_path: Path) -> None:
    path = tmp_path / "one.mp3"
    path.write_bytes(_mp3(5, 0.0))
    assert has_whole_index(path)
    assert len(load_audio(path)) == 5 * 16_000
