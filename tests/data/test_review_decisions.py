"""`review.csv` is carried out where a corpus is read, and what can't be is told."""

from __future__ import annotations

import csv
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruach_core.config import DataConfig
from ruach_core.data.audit.run import audit_corpus
from ruach_core.data.prepare import prepare
from ruach_core.data.read import read_corpus
from ruach_core.data.review.decisions import (
    COLUMNS,
    Review,
    guard,
    read_decisions,
    text_digest,
    unguard,
)
from ruach_core.errors import DataError
from ruach_core.plugins import Plugins
from ruach_core.sources import DataSources

TEXTS = [f"sentence {word}" for word in ("zero", "one", "two", "three", "four", "five", "six")]


@pytest.fixture(scope="module")
def plugins():
    return Plugins.load("qqq", use_pack=False)


@pytest.fixture
def source(tmp_path, write_split):
    folder = tmp_path / "mine"
    write_split(folder / "train", [(f"audio/{i}.wav", t, "p") for i, t in enumerate(TEXTS)])
    write_split(folder / "test", [("audio/0.wav", "another", "p")], seed=50)
    return folder


def decide(folder, *rows, columns=COLUMNS):
    with (folder / "review.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def row(i, decision, text="", *, source="mine", digest=None, note=""):
    digest = text_digest(TEXTS[i]) if digest is None else digest
    return (source, f"train/audio/{i}.wav", decision, text, digest, note)


def read(source, plugins, **more):
    normalizer = plugins.normalizer()
    settings = DataConfig()
    return read_corpus(source, plugins, normalizer=normalizer, settings=settings, seed=1, **more)


def test_clips_are_dropped_fixed_and_accepted(source, plugins):
    before = read(source, plugins)
    decide(source, row(1, "drop", note="only noise"), row(2, "fix", "mended"), row(3, "accept"))
    corpus = read(source, plugins)
    clips = {u.id: u for u in (*corpus.train, *corpus.validation)}
    assert "train/audio/1.wav" not in clips
    assert clips["train/audio/2.wav"].transcript == clips["train/audio/2.wav"].reference == "mended"
    (aside,) = corpus.set_aside
    assert (aside.reason, aside.detail) == ("dropped", "dropped in review: only noise")
    assert aside.row == "train/metadata.csv row 3"
    assert corpus.accepted == {"train/audio/3.wav"}
    (note,) = (note for note in corpus.notes if "review.csv" in note)
    assert note == (
        "review.csv of mine: 1 clip dropped (train/audio/1.wav), 1 text fixed "
        "(train/audio/2.wav), 1 accepted"
    )
    assert corpus.fingerprint != before.fingerprint


@pytest.mark.parametrize("rows", [[row(1, "drop")], [row(2, "fix", "mended")]])
def test_each_decision_makes_another_corpus(source, plugins, rows):
    """So a run that is resumed with other decisions is refused."""
    before = read(source, plugins).fingerprint
    decide(source, *rows)
    assert read(source, plugins).fingerprint != before


def test_what_no_longer_fits_is_told_and_not_applied(source, plugins):
    decide(source, row(1, "drop", digest="0" * 16), ("mine", "gone.wav", "accept", "", "", ""),
           row(2, "fix", "mended", digest="0" * 16))  # fmt: skip
    corpus = read(source, plugins)
    assert len(corpus.train) + len(corpus.validation) == len(TEXTS)
    (note,) = (note for note in corpus.notes if "review.csv" in note)
    assert "1 name a clip that isn't there (row 3: gone.wav)" in note
    assert "2 are about a text that has changed since (row 2: train/audio/1.wav)" in note
    assert "ruach data review" in note
    # A clip of a split that wasn't read may well be there.
    assert not any("isn't there" in n for n in read(source, plugins, splits=["test"]).notes)


def test_a_text_that_was_mended_in_the_source_needs_no_more(source, plugins):
    decide(source, row(2, "fix", TEXTS[2], digest="0" * 16))
    assert not any("review.csv" in note for note in read(source, plugins).notes)


def test_a_decision_without_a_digest_is_a_persons_own(source, plugins):
    decide(source, ("train/audio/1.wav", "drop"), columns=("file_name", "decision"))
    assert [item.reason for item in read(source, plugins).set_aside] == ["dropped"]


def test_each_source_takes_its_own_rows(source, plugins, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(source, other)
    rows = [row(1, "drop"), row(1, "accept", source="other")]
    decide(source, *rows)
    decide(other, *rows)
    corpus = read(DataSources.parse([str(source), str(other)]), plugins)
    assert [item.utterance_id for item in corpus.set_aside] == ["mine:train/audio/1.wav"]
    assert corpus.accepted == {"other:train/audio/1.wav"}


def test_a_file_about_another_corpus_is_told(source, plugins):
    decide(source, row(1, "drop", source="elsewhere"))
    corpus = read(source, plugins)
    assert not corpus.set_aside
    (note,) = (note for note in corpus.notes if "review.csv" in note)
    assert "elsewhere" in note
    assert "empty the column source" in note


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([row(1, "maybe")], COLUMNS, r"row 2: the decision is maybe, not accept, drop or fix"),
        ([row(0, "drop"), row(1, "fix", " ")], COLUMNS, r"row 3: a fix without a transcription"),
        ([row(0, "drop"), row(0, "accept")], COLUMNS, r"row 3: train/audio/0.wav is decided in ro"),
        ([("mine", "", "drop", "", "", "")], COLUMNS, r"row 2: names no clip in the column id"),
        ([("a", "b")], ("clip", "decision"), r"row 1: needs the columns id and decision; found cl"),
        ([("a",), ("b", "drop")], ("id", "decision"), r"row 2: 1 of 2 cells; lacks decision"),
    ],
)
def test_a_malformed_file_is_one_line_with_the_row(source, rows, columns, message):
    decide(source, *rows, columns=columns)
    with pytest.raises(DataError, match=message) as caught:
        Review.of(source, "mine")
    assert "\n" not in str(caught.value)
    assert str(source / "review.csv") in str(caught.value)


@given(st.text(alphabet="'=+-@\ta b", max_size=8))
def test_a_guarded_cell_comes_back(text):
    assert unguard(guard(text)) == text
    assert not guard(text).startswith(("=", "+", "-", "@", "\t"))


def test_right_to_left_text_and_marks_come_back(source):
    text = 'שָׁלוֹם, "a" - e\u0301'
    decide(source, row(1, "fix", text))
    (decision,) = read_decisions(source / "review.csv")
    assert decision.transcription == text


def test_a_check_shows_what_was_dropped_and_checks_what_was_fixed(source, plugins):
    decide(source, row(1, "drop"), row(2, "fix", TEXTS[3]))
    report = audit_corpus(source, plugins, normalizer=plugins.normalizer())
    found = {finding.check: finding for finding in report.findings}
    assert found["dropped-in-review"].n == 1
    assert found["dropped-in-review"].severity == "info"
    assert found["duplicate-sentences"].n == 1
    assert "unlisted-audio" not in found
    assert any("1 clip dropped" in note for note in report.notes)


def test_a_prepared_folder_follows_the_decisions(source, plugins, tmp_path):
    def run():
        return prepare(
            source, tmp_path / "out", plugins, normalizer=plugins.normalizer(),
            settings=DataConfig(), new_splits=None, n_threads=1,
        )  # fmt: skip

    state = {p: p.read_bytes() for p in source.rglob("*.*") if p.is_file()}
    run()
    decide(source, row(1, "drop"), row(2, "fix", "mended"))
    report = run()
    assert (report.record["clips"], report.record["rejected"]) == (len(TEXTS), {"dropped": 1})
    assert report.record["review"] == {"dropped": 1, "fixed": 1}
    assert report.n_decoded == 0
    table = (tmp_path / "out/train/metadata.csv").read_text(encoding="utf-8")
    assert "mended" in table
    assert TEXTS[1] not in table
    assert run().is_unchanged
    (source / "review.csv").unlink()
    assert run().record["clips"] == len(TEXTS) + 1
    assert {p: p.read_bytes() for p in source.rglob("*.*") if p.is_file()} == state
