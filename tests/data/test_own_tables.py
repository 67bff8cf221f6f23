"""A person's own metadata tables come before whatever other layout lies beside or below them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ruach_core.data.own_tables import has_own_tables
from ruach_core.plugins import Plugins
from ruach_core.types import Utterance


def write(path: Path, content: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def openslr(source: Path) -> None:
    write(source / "raw/line_index.tsv", "raw_1\traw\n")


def kaldi(source: Path) -> None:
    write(source / "kaldi/wav.scp", "raw raw.wav\n")
    write(source / "kaldi/text", "raw raw\n")


def fleurs(source: Path) -> None:
    write(source / "am_et/train.tsv", "1\traw.wav\tRaw\traw\tr a w\t9\tMALE\n")


def ljspeech(source: Path) -> None:
    write(source / "metadata.csv", "raw|raw|raw\n")
    write(source / "wavs/raw.wav")


def common_voice(source: Path) -> None:
    write(source / "am/train.tsv", "client_id\tpath\tsentence\nx\traw.mp3\traw\n")
    write(source / "am/clips/raw.mp3")


def webdataset(source: Path) -> None:
    with tarfile.open(source / "original.tar.gz", "w:gz") as archive:
        for name in ("raw.wav", "raw.txt"):
            info = tarfile.TarInfo(name)
            info.size = 3
            archive.addfile(info, io.BytesIO(b"raw"))


def elan(source: Path) -> None:
    write(source / "raw.eaf", "<ANNOTATION_DOCUMENT/>")


def textgrid(source: Path) -> None:
    write(source / "raw/raw.TextGrid")


def hf(source: Path) -> None:
    write(source / "raw/train.parquet", "PAR1")


LAYOUTS = {
    "openslr": openslr, "kaldi": kaldi, "fleurs": fleurs, "ljspeech": ljspeech,
    "common-voice": common_voice, "webdataset": webdataset, "elan": elan, "textgrid": textgrid,
    "hf": hf,
}  # fmt: skip


@pytest.mark.parametrize("split", ["train", "Test"])
@pytest.mark.parametrize(("name", "lay_out"), LAYOUTS.items())
def test_tables_of_splits_come_first(
    tmp_path: Path, name: str, lay_out: Callable[[Path], None], split: str
) -> None:
    lay_out(tmp_path)
    plugins = Plugins.load(None)
    if name not in {loader.name for loader in plugins.dataset_loaders()}:
        pytest.skip(f"needs the plugin with the loader {name}")
    assert plugins.find_dataset_loader(tmp_path).name == name
    write(tmp_path / split / "metadata.tsv", "file_name\ttranscription\na.wav\tmine\n")
    assert plugins.find_dataset_loader(tmp_path).name == "folder"
    assert plugins.find_dataset_loader(Path(f"{name}:{tmp_path}")).name == name


@pytest.mark.parametrize("lay_out", [openslr, kaldi, fleurs, webdataset, common_voice])
def test_one_table_for_all_comes_first(tmp_path: Path, lay_out: Callable[[Path], None]) -> None:
    lay_out(tmp_path)
    write(tmp_path / "metadata.jsonl", '{"file_name": "a.wav", "text": "mine"}\n')
    assert Plugins.load(None).find_dataset_loader(tmp_path).name == "folder"


def test_a_named_loader_reads_beside_the_tables(tmp_path: Path) -> None:
    openslr(tmp_path)
    write(tmp_path / "train/metadata.csv", "file_name,transcription\na.wav,mine\n")
    source = Path(f"openslr:{tmp_path}")
    (row,) = Plugins.load(None).find_dataset_loader(source).read(source, "train")
    assert isinstance(row, Utterance)
    assert row.transcript == "raw"


def test_what_has_none(tmp_path: Path) -> None:
    write(tmp_path / "other/metadata.csv")
    for name in (".", "none", "other/metadata.csv"):
        assert not has_own_tables(tmp_path / name)
