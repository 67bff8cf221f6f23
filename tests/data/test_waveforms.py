from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ruach_core.data.audio import AudioError
from ruach_core.data.waveforms import WaveformStore, load_utterance
from ruach_core.types import Utterance


@pytest.fixture
def clips(tmp_path: Path) -> list[Utterance]:
    rng = np.random.default_rng(0)
    made = []
    for n in range(70):
        path = tmp_path / f"{n}.wav"
        wave = rng.uniform(-1.2, 1.2, size=1_000 + 7 * n)
        soundfile.write(path, wave, 16_000, subtype="FLOAT" if n % 2 else "PCM_16")
        made.append(Utterance(path.name, path, "a", "train", duration_s=len(wave) / 16_000))
    return made


def test_what_is_read_is_what_was_decoded(tmp_path, clips):
    done: list[int] = []
    store = WaveformStore.build(tmp_path / "a.int16", clips, fingerprint="x",
                                on_progress=done.append)  # fmt: skip
    assert sum(done) == len(clips)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(store.read, clips))
    for n, (utterance, waveform) in enumerate(zip(clips, found, strict=True)):
        expected = load_utterance(utterance)
        assert waveform.dtype == np.float32
        if n % 2 == 0:  # 16 bits already
            np.testing.assert_array_equal(waveform, expected)
        np.testing.assert_allclose(waveform, np.clip(expected, -1, 1), atol=2**-15)


def test_a_whole_file_of_the_same_corpus_is_used_again(tmp_path, clips):
    path = tmp_path / "a.int16"
    WaveformStore.build(path, clips, fingerprint="x").close()
    for utterance in clips:
        utterance.audio.unlink()
    again = WaveformStore.build(path, clips, fingerprint="x")
    assert len(again.read(clips[3])) == 1_021
    with pytest.raises(AudioError):
        WaveformStore.build(path, clips, fingerprint="y")


def test_a_damaged_file_is_made_anew(tmp_path, clips):
    path = tmp_path / "a.int16"
    store = WaveformStore.build(path, clips, fingerprint="x")
    expected = store.read(clips[5])
    path.write_bytes(path.read_bytes()[:-2])
    np.testing.assert_array_equal(
        WaveformStore.build(path, clips, fingerprint="x").read(clips[5]), expected
    )
    path.with_suffix(".json").write_text("{", encoding="utf-8")
    np.testing.assert_array_equal(
        WaveformStore.build(path, clips, fingerprint="x").read(clips[5]), expected
    )
