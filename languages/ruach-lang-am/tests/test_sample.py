"""The bundled sample: small, disjoint, closed in vocabulary, and every clip is audible."""

from __future__ import annotations

import collections
import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile

PACK = Path(__file__).resolve().parents[1]
SAMPLE = PACK / "src" / "ruach_lang_am" / "sample"
SPLITS = ("train", "test")

HOMOPHONES = str.maketrans(
    "ሐሑሒሓሔሕሖኀኁኂኃኄኅኆሃሠሡሢሣሤሥሦዐዑዒዓዔዕዖኣፀፁፂፃፄፅፆ",
    "ሀሁሂሀሄህሆሀሁሂሀሄህሆሀሰሱሲሳሴስሶአኡኢአኤእኦአጸጹጺጻጼጽጾ",
)


@cache
def rows(split: str) -> list[dict[str, str]]:
    with (SAMPLE / split / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def words(split: str) -> collections.Counter[str]:
    return collections.Counter(
        word for row in rows(split) for word in row["transcription"].split(" ")
    )


def folded(sentence: str) -> str:
    letters = "".join(letter for letter in sentence if letter.isalpha() or letter == " ")
    return " ".join(letters.translate(HOMOPHONES).split())


def test_sample_is_small() -> None:
    n_bytes = sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file())
    assert 300_000 < n_bytes < 4_000_000


def test_sample_says_that_it_is_synthetic() -> None:
    readme = (SAMPLE / "README.md").read_text(encoding="utf-8")
    for needed in ("synthetic", "espeak-ng", "CC0", "make_sample.py"):
        assert needed in readme


@pytest.mark.parametrize(("split", "n_clips"), [("train", 120), ("test", 30)])
def test_metadata_lists_every_clip_once(split: str, n_clips: int) -> None:
    listed = [row["file_name"] for row in rows(split)]
    on_disk = {f"audio/{path.name}" for path in (SAMPLE / split / "audio").iterdir()}
    assert len(listed) == n_clips
    assert len(set(listed)) == n_clips
    assert set(listed) == on_disk


@pytest.mark.parametrize("split", SPLITS)
def test_metadata_is_what_the_script_reads(split: str) -> None:
    text = (PACK / "scripts" / "sample_sentences" / f"{split}.txt").read_text(encoding="utf-8")
    assert [row["transcription"] for row in rows(split)] == text.splitlines()


def test_no_sentence_twice_and_none_of_test_in_train() -> None:
    train = [folded(row["transcription"]) for row in rows("train")]
    test = [folded(row["transcription"]) for row in rows("test")]
    assert len(set(train)) == len(train)
    assert len(set(test)) == len(test)
    assert not set(train) & set(test)


def test_vocabulary_is_closed() -> None:
    train, test = words("train"), words("test")
    assert 30 <= len(train) <= 40
    assert {word: train[word] for word in test if train[word] < 5} == {}


@pytest.mark.parametrize("split", SPLITS)
def test_transcripts_are_ethiopic_words_with_single_spaces(split: str) -> None:
    # The Ethiopic letters U+1200..U+135A have no decomposition: letters alone are NFC.
    for row in rows(split):
        sentence = row["transcription"]
        assert sentence == " ".join(sentence.split())
        assert all(letter == " " or "ሀ" <= letter <= "ፚ" for letter in sentence)
        assert 3 <= len(sentence.split(" ")) <= 5
        # Whisper spends at most three tokens on a letter here and one on a space.
        assert sum(3 if letter != " " else 1 for letter in sentence) <= 60


def test_speakers_are_the_same_in_both_splits() -> None:
    train, test = ({row["speaker"] for row in rows(split)} for split in SPLITS)
    assert train == test
    assert len(train) == 6


@pytest.mark.parametrize("split", SPLITS)
def test_every_clip_decodes_and_is_heard(split: str) -> None:
    for row in rows(split):
        waveform, rate = soundfile.read(SAMPLE / split / row["file_name"], dtype="float32")
        assert rate == 16_000, row
        assert waveform.ndim == 1, row
        assert 0.5 <= len(waveform) / rate <= 6.0, row
        assert np.abs(waveform).max() < 0.99, row
        assert np.sqrt(np.mean(waveform**2)) > 0.02, row
