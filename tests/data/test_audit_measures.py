from __future__ import annotations

import numpy as np
import pytest
import soundfile
import soxr

from ruach_core.data.audit import measures
from ruach_core.data.audit.measures import estimate_snr, measure
from ruach_core.data.audit.records import RecordStore
from ruach_core.data.audit.relations import _find_copies
from ruach_core.types import Utterance

RATE = 16_000


def noise(n, seed=0):
    return np.random.default_rng(seed).standard_normal(n)


@pytest.fixture
def measured(tmp_path):
    def run(wave, rate=RATE, name="a.wav", subtype="PCM_16", **times):
        soundfile.write(tmp_path / name, wave, rate, subtype=subtype)
        return measure(Utterance("a", tmp_path / name, "", "train", **times))

    return run


@pytest.mark.parametrize("ratio_db", [5, 15, 30])
def test_signal_to_noise_of_bursts_in_noise(measured, ratio_db):
    n = 4 * RATE
    room = 0.003 * noise(n)
    bursts = np.where(np.arange(n) // (RATE // 2) % 2, 0.003 * 10 ** (ratio_db / 20), 0)
    # Signal and noise together, over noise.
    expected = 10 * np.log10(1 + 10 ** (ratio_db / 10))
    found = measured(room + bursts * noise(n, 1), subtype="FLOAT").snr_db
    assert found == pytest.approx(expected, abs=2)


def test_digital_silence_is_no_quiet_room(measured):
    n = 2 * RATE
    wave = 0.05 * noise(n)
    wave[: RATE // 2] = 0
    assert measured(wave).snr_db < 3
    assert np.isnan(estimate_snr(np.full(50, -150.0)))


def test_level_is_of_the_speech_alone(measured):
    speech = 0.1 * noise(RATE)
    padded = np.concatenate([np.zeros(2 * RATE), speech])
    assert measured(speech).level_db == pytest.approx(-20, abs=0.3)
    found = measured(padded)
    assert found.level_db == pytest.approx(-20, abs=0.3)
    assert found.speech_share == pytest.approx(1 / 3, abs=0.02)
    assert found.edge_s == pytest.approx(2, abs=0.05)


def test_clipping_is_seen_after_it_was_turned_down_and_a_sine_is_none(measured):
    sine = 0.9 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)
    clipped = np.clip(sine, -0.6, 0.6)
    assert measured(sine).clipped_share < 5e-4
    # A sine is beyond two thirds of its peak for 54 % of the time.
    share = 1 - 2 * np.arcsin(2 / 3) / np.pi
    assert measured(clipped).clipped_share == pytest.approx(share, abs=0.02)
    assert measured(0.3 * clipped).clipped_share == pytest.approx(share, abs=0.02)


def test_copies_in_another_format_or_padded_have_the_same_digest(measured):
    # Whole numbers: libsndfile's writers of wav and flac round in two ways.
    wave = np.rint(6_000 * noise(RATE)).astype(np.int16)
    first = measured(wave)
    assert measured(wave, name="b.flac").digest == first.digest
    assert measured(np.pad(wave, (99, 9))).digest == first.digest
    assert measured(0.2 * noise(RATE, 1)).digest != first.digest
    assert measured(np.zeros(RATE)).digest == 0


def test_the_cliff_of_a_telephone(measured):
    wave = 0.1 * noise(RATE)
    assert abs(measured(wave).cliff_db) < 3
    assert measured(soxr.resample(soxr.resample(wave, RATE, 8_000), 8_000, RATE)).cliff_db > 40
    assert np.isnan(measured(wave, rate=8_000).cliff_db)


def test_a_segment_is_measured_alone(measured):
    wave = np.concatenate([0.01 * noise(RATE), 0.1 * noise(RATE)])
    found = measured(wave, start_s=1.0, end_s=1.5)
    assert found.duration_s == 0.5
    assert found.level_db == pytest.approx(-20, abs=0.5)


@pytest.mark.parametrize("n", [1, 5, 319, 321])
def test_the_shortest_clips_have_measures(measured, n):
    found = measured(0.1 * noise(n))
    assert found.duration_s == n / RATE
    assert found.n_channels == 1


def test_channels(measured):
    wave = 0.1 * noise(RATE)
    same = measured(np.stack([wave, wave], axis=1))
    assert (same.n_channels, same.is_dead, same.is_opposite) == (2, False, False)
    assert measured(np.stack([wave, 0 * wave], axis=1)).is_dead
    assert measured(np.stack([wave, -wave], axis=1)).is_opposite


def test_few_samples_of_many_channels_are_compared(measured, monkeypatch):
    monkeypatch.setattr(measures, "_MAX_COMPARED", 8_000)
    wave = 0.1 * noise(RATE)
    late = np.where(np.arange(RATE) < RATE // 2, 0, -wave)
    assert measured(np.stack([wave, late], axis=1)).is_dead


def test_first_and_copy_of_each_digest():
    firsts, copies = _find_copies(np.array([5, 0, 7, 5, 0, 7, 7, 9], np.uint64))
    assert (firsts.tolist(), copies.tolist()) == ([0, 2, 2], [3, 5, 6])
    firsts, copies = _find_copies(np.zeros(0, np.uint64))
    assert len(firsts) == len(copies) == 0


def test_records_and_lines_come_back(tmp_path):
    text = "a\nb\x00\ud800\u2028" * 300
    with RecordStore() as store:
        for i in range(20_000):
            row = Utterance(
                f"c{i}", tmp_path / "a.wav", text[: 10 + i % 7], "train", row=f"row {i}"
            )
            store.add(line=store.write_line(row), n_chars=i)
        records = store.records()
        assert len(records) == store.n == 20_000
        assert records["n_chars"].tolist() == list(range(20_000))
        line = store.read_line(int(records["line"][12_345]))
        assert (line.id, line.row, line.transcript) == ("c12345", "row 12345", text[:14])
