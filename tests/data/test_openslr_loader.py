"""OpenSLR's crowd-sourced corpora: tables without a header, clips in several kinds of places."""

from __future__ import annotations

import pytest

from ruach_core.default_plugins.loaders.openslr import OpenSLRLoader
from ruach_core.errors import DataError
from ruach_core.plugins import Plugins
from ruach_core.types import CorpusInfo, DatasetLoader, SetAside, Utterance

LOADER = OpenSLRLoader()
YORUBA = "yof_00295_00024634964"


def put(root, *clips):
    for clip in clips:
        (root / clip).parent.mkdir(parents=True, exist_ok=True)
        (root / clip).touch()
    return root


def table(folder, *rows, name="line_index.tsv"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return folder


def read(source, split="train"):
    return list(LOADER.read(source, split))


def reasons(rows):
    return [row.reason if isinstance(row, SetAside) else "ok" for row in rows]


def test_a_line_index(tmp_path):
    put(table(tmp_path, f'{YORUBA}\tÀwọn "ọmọ'), f"{YORUBA}.wav")
    assert isinstance(LOADER, DatasetLoader)
    assert Plugins.load(None).find_dataset_loader(tmp_path).name == "openslr"
    assert LOADER.splits(tmp_path) == ("train",)
    assert read(tmp_path) == [
        Utterance(
            id=f"{YORUBA}.wav",
            audio=tmp_path / f"{YORUBA}.wav",
            transcript='Àwọn "ọmọ',
            split="train",
            speaker_id="yof_00295",
            row="line_index.tsv row 1",
        )
    ]


@pytest.mark.parametrize(
    ("row", "clip", "speaker"),
    [
        ("khm_0308_0011865648\t\tតើ", "wavs/khm_0308_0011865648.wav", "khm_0308"),
        ("line_1\towner\tinternal\ttext", "wavs/line_1.wav", None),
        ("mrt_01523_00028548203.wav\ttext", "mr_in_female/mrt_01523_00028548203.wav", "mrt_01523"),
        ("a\ttext", "{odd} *name/a.flac", None),
    ],
)
def test_kinds_of_line_index(tmp_path, row, clip, speaker):
    put(table(tmp_path, row), clip)
    (found,) = read(tmp_path)
    assert (found.id, found.speaker_id) == (clip, speaker)
    assert found.transcript == row.rpartition("\t")[2]


@pytest.mark.parametrize(
    "clip", ["data/00/00a1.flac", "asr_javanese_0/data/00/00a1.flac", "00/00a1.flac", "00a1.flac"]
)
def test_a_table_with_speakers(tmp_path, clip):
    put(table(tmp_path, "00a1\t1e3\tsampeyan", name="utt_spk_text.tsv"), clip)
    (found,) = read(tmp_path)
    assert (found.id, found.speaker_id, found.transcript) == (clip, "1e3", "sampeyan")


def test_parts_of_a_corpus(tmp_path):
    put(table(tmp_path / "yo_ng_male", "yom_1_1\tone"), "yom_1_1.wav")
    put(table(tmp_path / "yo_ng_female", "yof_1_1\ttwo"), "yof_1_1.wav")
    assert LOADER.detect(tmp_path)
    assert [row.id for row in read(tmp_path)] == [
        "yo_ng_female/yof_1_1.wav",
        "yo_ng_male/yom_1_1.wav",
    ]
    both = tmp_path / "both"
    for sex in ("male", "female"):
        put(table(both, f"{sex}\tx", name=f"line_index_{sex}.tsv"), f"{sex}.wav")
    assert [row.row for row in read(both)] == [
        "line_index_female.tsv row 1", "line_index_male.tsv row 1",
    ]  # fmt: skip


def test_a_clip_of_two_tables_is_used_once(tmp_path):
    put(table(tmp_path, "a\tone", "b\ttwo"), "a.wav", "b.wav", "c.wav")
    table(tmp_path, "b\ttwo again", "c\tthree", name="line_index_male.tsv")
    rows = read(tmp_path)
    assert reasons(rows) == ["ok", "ok", "bad-row", "ok"]
    assert (rows[2].detail, rows[2].row) == (
        "also in line_index.tsv row 2", "line_index_male.tsv row 1",
    )  # fmt: skip


def test_rows_that_cannot_be_used(tmp_path):
    outside = put(tmp_path / "outside", "a.wav")
    corpus = put(tmp_path / "corpus", "link.wav", "good.wav")
    (corpus / "link.wav").unlink()
    (corpus / "link.wav").symlink_to(outside / "a.wav")
    rows = ["good\tx", "none", "\tx", "../outside/a\tx", "link\tx", "good\ty", "a\tb\tc\td\te",
            "n\0l\tx", f"{'x' * 300}\tx", "gone\tx"]  # fmt: skip
    found = read(table(corpus, *rows))
    assert reasons(found) == [
        "ok", "bad-row", "bad-row", "outside-folder", "outside-folder", "bad-row", "bad-row",
        "bad-row", "unreadable", "ok",
    ]  # fmt: skip
    assert all(row.row == f"line_index.tsv row {i}" for i, row in enumerate(found, start=1))
    assert found[5].detail == "same file as in row 1"
    # Where a clip should be is told when it is opened.
    assert found[-1].audio == corpus / "gone.wav"
    assert reasons(read(table(tmp_path / "s", "a\tb", name="utt_spk_text.tsv"))) == ["bad-row"]


def test_other_sources(tmp_path):
    assert not LOADER.detect(tmp_path)
    assert not LOADER.detect(tmp_path / "none")
    assert not LOADER.detect(tmp_path / "a\0b")
    assert not LOADER.detect(table(tmp_path / "words", "no tabs here"))
    with pytest.raises(DataError, match=r"has no such table; expected DIR/line_index\.tsv"):
        read(tmp_path / "none")
    table(tmp_path, "a\tb")
    with pytest.raises(DataError, match="has no test split"):
        read(tmp_path, "test")


def test_licence(tmp_path):
    assert LOADER.info(tmp_path) == CorpusInfo()
    (tmp_path / "LICENSE").write_text("Attribution-ShareAlike 4.0 International", encoding="utf-8")
    assert LOADER.info(tmp_path).license == "CC-BY-SA-4.0"
    (tmp_path / "dataset.json").write_text('{"license": "CC0-1.0"}', encoding="utf-8")
    assert LOADER.info(tmp_path).license == "CC0-1.0"


def test_it_streams(tmp_path):
    (tmp_path / "line_index.tsv").write_bytes(b"a\tone\n" + b"\xe9\tx\n" * 3)
    rows = LOADER.read(tmp_path, "train")
    assert isinstance(next(rows), Utterance)
    with pytest.raises(DataError, match="row 2: not UTF-8, like 3 of 4 rows"):
        list(rows)
