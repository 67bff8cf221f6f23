"""Several sources read as one corpus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ruach_core.config import DataConfig
from ruach_core.data.corpus import Corpus
from ruach_core.data.read import read_corpus
from ruach_core.errors import DataError
from ruach_core.plugins import Plugins
from ruach_core.sources import DataSources
from ruach_core.training.preparation import source_lines

Write = Callable[..., Path]


class Plain:
    name = "plain"

    def normalize(self, text: str, *, purpose: str) -> str:
        return " ".join(text.split())


def read(*texts: str | Path, **settings: Any) -> Corpus:
    return read_corpus(
        DataSources.parse(str(text) for text in texts), Plugins.load(None), normalizer=Plain(),
        settings=DataConfig(**settings), seed=42,
    )  # fmt: skip


def rows(n: int, prefix: str, speakers: int = 2) -> Sequence[tuple[str, str, str]]:
    return [(f"audio/{i}.wav", f"{prefix} {i}", f"p{i % speakers}") for i in range(n)]


@pytest.fixture
def two(tmp_path: Path, write_split: Write) -> tuple[Path, Path]:
    """Source a has a test split, b its own validation split."""
    write_split(tmp_path / "a/train", rows(20, "a"))
    write_split(tmp_path / "a/test", rows(3, "at"), seed=100)
    write_split(tmp_path / "b/train", rows(10, "b"), seed=200)
    write_split(tmp_path / "b/validation", rows(2, "bv"), seed=300)
    return tmp_path / "a", tmp_path / "b"


def test_ids_speakers_and_rows_name_their_source(two: tuple[Path, Path]) -> None:
    a, b = two
    corpus = read(a, f"{b}:0.5")
    everything = [*corpus.train, *corpus.validation, *corpus.test]
    assert len(everything) == 35
    assert len({u.id for u in everything}) == 35
    assert {u.id.partition(":")[0] for u in everything} == {"a", "b"}
    assert {u.speaker_id for u in everything} == {"a:p0", "a:p1", "b:p0", "b:p1"}
    assert {(u.source, u.weight) for u in everything} == {("a", 1.0), ("b", 0.5)}
    assert corpus.train[0].row.startswith("a: train/metadata.csv row ")
    assert [(p.name, p.weight, p.loader, p.splits) for p in corpus.parts] == [
        ("a", 1.0, "folder", ("train", "test")), ("b", 0.5, "folder", ("train", "validation")),
    ]  # fmt: skip


def test_a_split_is_held_out_only_where_there_is_none(two: tuple[Path, Path]) -> None:
    corpus = read(*two)
    assert {u.transcript for u in corpus.validation if u.source == "b"} == {"bv 0", "bv 1"}
    held_out = [u for u in corpus.validation if u.source == "a"]
    assert 1 <= len(held_out) <= 3
    assert {u.split for u in corpus.validation} == {"validation"}
    assert sum(u.source == "b" for u in corpus.train) == 10
    notes = "\n".join(corpus.notes)
    assert "a: validation: " in notes
    assert "b: no test split; the test figures are the other sources'" in notes


def test_one_source_is_read_as_ever(two: tuple[Path, Path]) -> None:
    a, _ = two
    alone = read(a)
    by_path = read_corpus(a, Plugins.load(None), normalizer=Plain(), settings=DataConfig(), seed=42)
    assert alone == by_path
    assert alone.train[0].id.startswith("train/audio/")
    assert {(u.source, u.weight) for u in alone.train} == {("", 1.0)}
    weighted = read(f"{a}:0.5")
    assert weighted.fingerprint == alone.fingerprint
    assert {u.weight for u in weighted.train} == {0.5}


def test_the_held_out_share_is_of_all_sources_together(tmp_path: Path, write_split: Write) -> None:
    write_split(tmp_path / "a", rows(40, "a"))
    write_split(tmp_path / "b", rows(20, "b"), seed=100)
    corpus = read(tmp_path / "a", tmp_path / "b", max_validation=3)
    assert len(corpus.validation) <= 3
    assert {u.source for u in corpus.validation} == {"a", "b"}


def test_what_is_held_out_of_one_is_not_in_the_other(tmp_path: Path, write_split: Write) -> None:
    write_split(tmp_path / "a", rows(20, "same"))
    write_split(tmp_path / "b", [*rows(15, "same"), *rows(20, "b")[15:]], seed=100)
    corpus = read(tmp_path / "a", tmp_path / "b")
    train = {u.transcript for u in corpus.train}
    assert corpus.validation
    assert not train & {u.transcript for u in corpus.validation}
    assert not any("leak" in note for note in corpus.notes)


def test_leaks_between_sources_are_noted(tmp_path: Path, write_split: Write) -> None:
    write_split(tmp_path / "a/train", rows(8, "a"))
    write_split(tmp_path / "a/test", rows(4, "t"), seed=100)
    # b has a train clip of a, and c two test clips.
    write_split(tmp_path / "b", [*rows(1, "a"), *rows(6, "b")[1:]])
    write_split(tmp_path / "c", [*rows(2, "t"), *rows(9, "c")[2:]], seed=100)
    notes = "\n".join(read(tmp_path / "a", tmp_path / "b", tmp_path / "c").notes)
    assert "2 sentences of test (2 of 4 clips from a) are also in train (2 clips from c)" in notes
    assert "4 train clips from c are recordings that are also in test" in notes
    assert "train clips from b are recordings that an earlier source has too" in notes


def test_what_each_source_gives_is_said(two: tuple[Path, Path]) -> None:
    a, b = two
    corpus = read(a, f"{b}:0.5")
    n_a = sum(u.source == "a" for u in corpus.train)
    assert source_lines(corpus, corpus.train) == [
        f"source     a: {n_a} train clips, weight 1: about {n_a} drawn an epoch, "
        f"{n_a / (n_a + 5):.0%} of all",
        f"source     b: 10 train clips, weight 0.5: about 5 drawn an epoch, {5 / (n_a + 5):.0%} of "
        "all",
    ]
    alone = read(a)
    assert source_lines(alone, alone.train) == []


def test_a_bad_row_says_which_source(two: tuple[Path, Path]) -> None:
    a, b = two
    (b / "train/audio/0.wav").write_bytes(b"")
    (aside,) = read(a, b).set_aside
    assert aside.utterance_id == "b:train/audio/0.wav"
    assert aside.row == "b: train/metadata.csv row 2"


def test_sources_that_give_nothing(tmp_path: Path, write_split: Write) -> None:
    write_split(tmp_path / "a", rows(8, "a"))
    write_split(tmp_path / "b", rows(3, "b"), audio=False)
    assert "b: none of its clips can be trained on" in read(tmp_path / "a", tmp_path / "b").notes
    with pytest.raises(DataError, match="no such dataset"):
        read(tmp_path / "a", tmp_path / "absent:0.5")
    write_split(tmp_path / "c", rows(3, "c"), audio=False)
    with pytest.raises(DataError, match="only 0 of 6 train clips") as caught:
        read(tmp_path / "b", tmp_path / "c")
    assert "\n" not in str(caught.value)
