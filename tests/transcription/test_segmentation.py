from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruach_core.transcription import segmentation
from ruach_core.transcription.segmentation import (
    Chunk,
    iter_chunks,
    merge_regions,
    split_at_quiet,
)
from ruach_core.types import SAMPLING_RATE


def _seconds(*regions: tuple[float, float]) -> list[tuple[int, int]]:
    return [(round(a * SAMPLING_RATE), round(b * SAMPLING_RATE)) for a, b in regions]


def test_short_regions_join_a_close_neighbor() -> None:
    regions = _seconds((0, 1), (1.5, 4), (4.6, 9), (12, 13))
    merged = merge_regions(regions, max_chunk_s=15, join_below_s=2)
    assert merged == _seconds((0, 4), (4.6, 9), (12, 13))


def test_regions_join_only_up_to_the_longest_chunk() -> None:
    regions = _seconds((0, 1), (1.5, 4), (4.6, 9))
    assert merge_regions(regions, max_chunk_s=3, join_below_s=9) == regions
    assert merge_regions(regions, max_chunk_s=9, join_below_s=99) == _seconds((0, 9))
    assert merge_regions(regions, max_chunk_s=8, join_below_s=99) == _seconds((0, 4), (4.6, 9))


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 12)), max_size=30), st.floats(0.1, 40))
def test_merging_keeps_order_and_all_speech(
    steps: list[tuple[float, float]], join_below_s: float
) -> None:
    regions, end = [], 0
    for gap_s, length_s in steps:
        start = end + round(gap_s * SAMPLING_RATE)
        end = start + round(length_s * SAMPLING_RATE)
        regions.append((start, end))
    merged = merge_regions(regions, max_chunk_s=15, join_below_s=join_below_s)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(merged))
    assert all(end - start <= 15 * SAMPLING_RATE for start, end in merged)
    for start, end in regions:
        assert any(first <= start and end <= last for first, last in merged)


def test_split_at_quiet_cuts_in_the_pause() -> None:
    generator = np.random.default_rng(0)
    waveform = generator.normal(0, 0.1, 25 * SAMPLING_RATE).astype(np.float32)
    for pause_s in (8.5, 17.2):
        waveform[round(pause_s * SAMPLING_RATE) :][: SAMPLING_RATE // 5] *= 0.001
    regions = split_at_quiet(waveform, max_chunk_s=10)
    assert regions[0][0] == 0
    assert regions[-1][1] == len(waveform)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(regions))
    assert regions[0][1] / SAMPLING_RATE == pytest.approx(8.6, abs=0.11)
    assert regions[1][1] / SAMPLING_RATE == pytest.approx(17.3, abs=0.11)


@given(st.integers(0, 100_000), st.floats(1, 4))
def test_split_at_quiet_covers_everything(n_samples: int, max_chunk_s: float) -> None:
    regions = split_at_quiet(np.zeros(n_samples, dtype=np.float32), max_chunk_s=max_chunk_s)
    assert sum(end - start for start, end in regions) == n_samples
    assert all(0 < end - start <= max_chunk_s * SAMPLING_RATE + 1 for start, end in regions)


def _collect(pieces: list[np.ndarray], **options: object) -> list[Chunk]:
    return [chunk for group in iter_chunks(pieces, **options) for chunk in group]  # type: ignore[arg-type]


def test_silence_and_nothing_have_no_chunks() -> None:
    assert _collect([]) == []
    assert _collect([np.zeros(0, dtype=np.float32)]) == []
    assert _collect([np.zeros(5 * SAMPLING_RATE, dtype=np.float32)]) == []


def test_a_short_clip_is_decoded_whole_but_timed_by_its_speech(
    waveforms: list[np.ndarray],
) -> None:
    silence = np.zeros(2 * SAMPLING_RATE, dtype=np.float32)
    clip = np.concatenate([silence, waveforms[0], silence])
    (chunk,) = _collect([clip[:7000], clip[7000:]])
    assert len(chunk.waveform) == len(clip)
    assert chunk.start_s == 0.0
    assert chunk.speech_start_s == pytest.approx(2.0, abs=0.4)
    assert chunk.speech_end_s == pytest.approx(2.0 + len(waveforms[0]) / SAMPLING_RATE, abs=0.5)


def _recording(waveforms: list[np.ndarray], n: int) -> tuple[np.ndarray, list[float]]:
    parts: list[np.ndarray] = []
    starts_s, end = [], 0
    for i in range(n):
        pause = np.zeros(round((1.5 + i % 3) * SAMPLING_RATE), dtype=np.float32)
        starts_s.append((end + len(pause)) / SAMPLING_RATE)
        parts += [pause, waveforms[i % len(waveforms)]]
        end += len(pause) + len(parts[-1])
    return np.concatenate(parts), starts_s


def test_sentences_of_a_long_recording_get_their_own_times(waveforms: list[np.ndarray]) -> None:
    recording, starts_s = _recording(waveforms, 9)
    chunks = _collect([recording])
    assert len(chunks) == 9
    for chunk, start_s in zip(chunks, starts_s, strict=True):
        assert chunk.speech_start_s == pytest.approx(start_s, abs=0.4)
        assert chunk.start_s == chunk.speech_start_s


@pytest.mark.parametrize("block_s", [17.6, 18.6, 19.6, 20.0])
def test_blocks_give_the_same_chunks_as_the_whole(
    waveforms: list[np.ndarray], monkeypatch: pytest.MonkeyPatch, block_s: float
) -> None:
    recording, _ = _recording(waveforms, 14)
    whole = _collect([recording])
    monkeypatch.setattr(segmentation, "_BLOCK_S", block_s)
    n_read = []

    def pieces() -> Iterator[np.ndarray]:
        for start in range(0, len(recording), 4096):
            n_read.append(start)
            yield recording[start : start + 4096]

    groups = iter_chunks(pieces())
    first = next(groups)
    assert n_read[-1] < len(recording) / 2, "the stream must not be read ahead"
    chunks = [*first, *(chunk for group in groups for chunk in group)]
    assert len(chunks) == len(whole)
    for chunk, expected in zip(chunks, whole, strict=True):
        assert chunk.speech_start_s == pytest.approx(expected.speech_start_s, abs=0.25)
        assert chunk.speech_end_s == pytest.approx(expected.speech_end_s, abs=0.25)
        offset = round(chunk.start_s * SAMPLING_RATE)
        assert np.array_equal(chunk.waveform, recording[offset : offset + len(chunk.waveform)])


def test_blocks_without_voice_activity_lose_no_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmentation, "_BLOCK_S", 20.0)
    waveform = np.random.default_rng(0).normal(0, 0.1, 95 * SAMPLING_RATE).astype(np.float32)
    pieces = [waveform[i : i + 50_000] for i in range(0, len(waveform), 50_000)]
    chunks = _collect(pieces, use_vad=False, max_chunk_s=7.0)
    assert np.array_equal(np.concatenate([chunk.waveform for chunk in chunks]), waveform)
    assert all(len(chunk.waveform) <= 7 * SAMPLING_RATE for chunk in chunks)


def test_unbroken_speech_is_cut(waveforms: list[np.ndarray]) -> None:
    speech = np.concatenate([w[2_000:-4_000] for w in waveforms] * 4)
    chunks = _collect([speech], max_chunk_s=6.0)
    assert max(len(chunk.waveform) for chunk in chunks) <= 6.1 * SAMPLING_RATE
    covered_s = sum(len(chunk.waveform) for chunk in chunks) / SAMPLING_RATE
    assert covered_s > 0.9 * len(speech) / SAMPLING_RATE


def test_find_speech_ignores_noise(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.02, 5 * SAMPLING_RATE).astype(np.float32)
    assert segmentation.find_speech(noise, max_region_s=15) == []
