"""Common Voice releases in their real layout: folders, the folder above, and archives."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruach_data_common_voice import archived, hooks
from ruach_data_common_voice.loader import CommonVoiceLoader, ValidatedLoader
from ruach_data_common_voice.release import LAYOUT, choose_language

from ruach_core.config import DataConfig
from ruach_core.data.audio import load_audio
from ruach_core.data.extraction import AudioCache
from ruach_core.data.read import read_corpus
from ruach_core.errors import DataError
from ruach_core.plugins import Plugins
from ruach_core.types import CorpusInfo, DatasetLoader, SetAside, Utterance

RELEASE = "cv-corpus-17.0-2024-03-15"
COLUMNS = [
    "client_id", "path", "sentence_id", "sentence", "sentence_domain", "up_votes", "down_votes",
    "age", "gender", "accents", "variant", "locale", "segment",
]  # fmt: skip
OLD_COLUMNS = ["client_id", "path", "sentence", "up_votes", "down_votes", "age", "gender", "accent"]
LOADER = CommonVoiceLoader("am")
VALIDATED = ValidatedLoader("am")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RUACH_CACHE", str(tmp_path / "cache"))


def mp3() -> bytes:
    """Half a second of sound."""
    file = io.BytesIO()
    tone = 0.3 * np.sin(np.arange(24_000) * 0.05)
    soundfile.write(file, tone, 48_000, format="MP3", subtype="MPEG_LAYER_III")
    return file.getvalue()


SOUND = mp3()


def row(number, speaker, sentence="", **cells):
    return {
        "client_id": speaker, "path": f"common_voice_am_{number}.mp3",
        "sentence": sentence or f"ሰላም {number}", "up_votes": "2", "down_votes": "0",
        "locale": "am", **cells,
    }  # fmt: skip


def table(rows, columns=COLUMNS):
    lines = [columns, *([r.get(column, "") for column in columns] for r in rows)]
    return "".join("\t".join(cells) + "\n" for cells in lines)


SPLITS = {
    "train": [row(1, "s1", age="twenties", sentence_id="ab12"), row(2, "s2")],
    "dev": [row(3, "s3")],
    "test": [row(4, "s4")],
}
# s3's second clip is of a speaker in dev.
VALIDATED_ROWS = [*SPLITS["train"], row(3, "s3"), row(4, "s4"), row(5, "s3"), row(6, "s5")]
OTHER_FILES = {
    "invalidated.tsv": table([row(8, "s8")]), "other.tsv": table([row(9, "s9")]),
    "reported.tsv": "sentence\tsentence_id\tlocale\treason\n",
    "clip_durations.tsv": "clip\tduration[ms]\ncommon_voice_am_1.mp3\t500\n",
    "unvalidated_sentences.tsv": "sentence_id\tsentence\n",
}  # fmt: skip


def contents(splits=SPLITS, validated=VALIDATED_ROWS, columns=COLUMNS, clips=range(1, 10)):
    """The files of a release, by their path inside the language's folder."""
    files = {f"clips/common_voice_am_{n}.mp3": SOUND for n in clips}
    files |= {f"{name}.tsv": table(rows, columns).encode() for name, rows in splits.items()}
    if validated is not None:
        files["validated.tsv"] = table(validated, columns).encode()
    return files | {name: text.encode() for name, text in OTHER_FILES.items()}


def unpacked(folder: Path, files=None) -> Path:
    for name, content in (files or contents()).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def packed(path: Path, files=None, *, root=f"{RELEASE}/am", first="clips", extra=()) -> Path:
    """An archive as it is downloaded; `first` says whether clips or tables come first."""
    files = files or contents()
    names = sorted(files, key=lambda name: (name.startswith("clips") != (first == "clips"), name))
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tar:
        for name in names:
            info = tarfile.TarInfo(f"{root}/{name}")
            info.size = len(files[name])
            tar.addfile(info, io.BytesIO(files[name]))
        for info in extra:
            tar.addfile(info)
    return path


def read(source, split="train", loader=LOADER):
    return list(loader.read(source, split))


def facts(items):
    return [(i.id, i.transcript, i.split, i.speaker_id, i.row, dict(i.attributes)) for i in items]


def test_are_dataset_loaders():
    assert all(isinstance(loader, DatasetLoader) for loader in hooks.ruach_dataset_loaders("am"))


def test_folder_of_a_language(tmp_path):
    folder = unpacked(tmp_path / RELEASE / "am")
    assert LOADER.detect(folder)
    assert LOADER.splits(folder) == ("train", "validation", "test")
    first, second = read(folder)
    assert first == Utterance(
        id="clips/common_voice_am_1.mp3",
        audio=folder / "clips/common_voice_am_1.mp3",
        transcript="ሰላም 1",
        split="train",
        speaker_id="s1",
        row="train.tsv row 2",
        attributes={
            "up_votes": "2", "down_votes": "0", "locale": "am", "age": "twenties",
            "sentence_id": "ab12",
        },
    )  # fmt: skip
    assert second.speaker_id == "s2"
    assert [u.id for u in read(folder, "validation")] == ["clips/common_voice_am_3.mp3"]
    assert [u.split for u in read(folder, "test")] == ["test"]
    assert len(load_audio(first.audio)) == 8_000


def test_old_columns_and_names_without_a_suffix(tmp_path):
    rows = [{**row(1, "s1", accent="Gondar"), "path": "common_voice_am_1"}, row(2, "s2")]
    files = contents({"train": rows, "dev": [], "test": []}, columns=OLD_COLUMNS)
    folder = unpacked(tmp_path / "am", files)
    first, _ = read(folder)
    assert (first.audio.is_file(), first.attributes["accent"]) == (True, "Gondar")


def test_columns_of_a_later_release_are_kept(tmp_path):
    files = contents({"train": [row(1, "s1", mood="calm")]}, columns=[*COLUMNS, "mood"])
    assert read(unpacked(tmp_path / "am", files))[0].attributes["mood"] == "calm"


def test_folder_above_with_the_language_in_it(tmp_path):
    unpacked(tmp_path / "am")
    unpacked(tmp_path / "sv-SE")
    assert LOADER.detect(tmp_path)
    assert read(tmp_path)[0].audio.parent.parent == tmp_path / "am"
    assert read(tmp_path, loader=CommonVoiceLoader("sv"))[0].audio.parts[-3] == "sv-SE"
    with pytest.raises(DataError, match=r"holds no yo \(am, sv-SE\); give the language's own"):
        CommonVoiceLoader("yo").splits(tmp_path)
    with pytest.raises(DataError, match="holds no und"):
        CommonVoiceLoader("und").splits(tmp_path)


def test_which_language_is_meant():
    names = ["zh-CN", "zh-TW", "am"]
    assert choose_language(Path("x"), names, "ZH-cn") == "zh-CN"
    with pytest.raises(DataError, match=r"holds several for zh \(zh-CN, zh-TW\)"):
        choose_language(Path("x"), names, "zh")
    assert choose_language(Path("x"), ["am"], "und") == "am"


@pytest.mark.parametrize("first", ["clips", "tables"])
@pytest.mark.parametrize("name", ["am.tar", "am.tar.gz"])
def test_archive_gives_what_the_folder_gives(tmp_path, name, first):
    folder = unpacked(tmp_path / RELEASE / "am")
    archive = packed(tmp_path / name, first=first)
    assert LOADER.detect(archive)
    assert LOADER.splits(archive) == ("train", "validation", "test")
    for split in LOADER.splits(folder):
        assert facts(read(archive, split)) == facts(read(folder, split))
    assert read(archive)[0].audio.read_bytes() == SOUND
    assert LOADER.info(archive) == LOADER.info(folder)
    assert read(archive)[0].audio.is_relative_to(tmp_path / "cache")


def test_archive_without_a_folder_in_it(tmp_path):
    archive = packed(tmp_path / f"{RELEASE}-am.tar", root=".")
    assert LOADER.detect(archive)
    assert all(isinstance(item, Utterance) for item in read(archive))
    assert LOADER.info(archive).title == "Common Voice 17.0 (2024-03-15)"


def test_title_and_licence(tmp_path):
    am = CorpusInfo(
        "Common Voice 17.0 (2024-03-15), am", "CC0-1.0", "https://commonvoice.mozilla.org"
    )
    assert LOADER.info(unpacked(tmp_path / RELEASE / "am")) == am
    assert LOADER.info(tmp_path / RELEASE) == am
    archive = packed(tmp_path / "x.tar", root="cv-corpus-7.0-singleword/am")
    assert LOADER.info(archive).title == "Common Voice 7.0 singleword, am"
    assert LOADER.info(unpacked(tmp_path / "mine/am")).title == "Common Voice, am"


def test_second_reading_does_not_open_the_archive(tmp_path, monkeypatch):
    archive = packed(tmp_path / "am.tar.gz")
    before = facts(read(archive))
    monkeypatch.setattr(archived, "read_archive", None)
    assert facts(read(archive)) == before


def test_reading_that_was_cut_off_is_taken_up(tmp_path):
    archive = packed(tmp_path / "am.tar.gz")
    before = facts(read(archive))
    note = AudioCache(archive).folder / "common-voice.json"
    read(archive)[0].audio.unlink()
    note.write_text('{"version"')
    assert facts(read(archive)) == before


def test_clip_that_has_gone_from_the_cache(tmp_path):
    archive = packed(tmp_path / "am.tar.gz")
    read(archive)[0].audio.unlink()
    item = read(archive)[0]
    assert (item.reason, item.row) == ("missing", "train.tsv row 2")
    assert "delete" in item.detail


@pytest.mark.parametrize("first", ["clips", "tables"])
def test_archive_cut_short(tmp_path, first):
    archive = packed(tmp_path / "am.tar", first=first)
    with tarfile.open(archive) as tar:
        last = tar.getmembers()[-1]
    os.truncate(archive, last.offset_data + 10)
    assert LOADER.detect(archive)
    if first == "clips":
        # The last table is validated.tsv.
        assert LOADER.splits(archive) == ("train", "validation", "test")
    damage, *rest = read(archive)
    assert (damage.reason, damage.split) == ("unreadable", "train")
    assert "damaged" in damage.detail
    assert [type(item) for item in rest] == [Utterance] * 2
    assert all(isinstance(item, Utterance) for item in read(archive, "validation"))


def test_archive_cut_before_its_tables(tmp_path):
    archive = packed(tmp_path / "am.tar")
    os.truncate(archive, 2 * (512 + len(SOUND)))
    assert LOADER.detect(archive)
    with pytest.raises(DataError, match=r"am\.tar: the archive is damaged .* fetch it again"):
        LOADER.splits(archive)


def link(name, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def test_hostile_members(tmp_path):
    root = f"{RELEASE}/am"
    twice = tarfile.TarInfo(f"{root}/train.tsv")
    extra = [
        link(f"{root}/clips/common_voice_am_7.mp3", "/etc/passwd"),
        tarfile.TarInfo("../../clips/common_voice_am_7.mp3"), tarfile.TarInfo("/clips/x.mp3"),
        twice, tarfile.TarInfo(f"{root}/clips/._common_voice_am_1.mp3"),
    ]  # fmt: skip
    archive = packed(tmp_path / "am.tar", extra=extra)
    items = read(archive)
    assert [i.reason for i in items if isinstance(i, SetAside)] == [
        "bad-row", "outside-folder", "outside-folder", "bad-row",
    ]  # fmt: skip
    assert items[0].row == f"am.tar {root}/clips/common_voice_am_7.mp3"
    assert len([i for i in items if isinstance(i, Utterance)]) == 2
    assert all(isinstance(i, Utterance) for i in read(archive, "validation"))
    assert {path.name for path in tmp_path.iterdir()} == {"am.tar", "cache"}


def test_thousands_of_bad_members_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(archived, "_MAX_FAULTS", 3)
    extra = [link(f"l{i}", "/etc/passwd") for i in range(10)]
    items = [i for i in read(packed(tmp_path / "am.tar", extra=extra)) if isinstance(i, SetAside)]
    assert len(items) == 4
    assert "7 more members" in items[-1].detail


def test_archive_with_two_languages(tmp_path):
    archive = tmp_path / "both.tar"
    files = {f"am/{n}": c for n, c in contents().items()}
    packed(archive, files | {f"fr/{n}": c for n, c in contents().items()}, root=RELEASE)
    assert len(read(archive)) == 2
    with pytest.raises(DataError, match=r"holds no yo \(am, fr\)"):
        read(archive, loader=CommonVoiceLoader("yo"))


@pytest.mark.parametrize("is_archive", [True, False])
def test_rows_that_can_not_be_used(tmp_path, is_archive):
    rows = [
        row(1, "s1"), row(1, "s1"), {**row(2, "s2"), "path": "../../outside.mp3"},
        {**row(2, "s2"), "path": ""}, {**row(2, "s2"), "path": "/etc/passwd"},
        {**row(2, "s2"), "sentence": "NUL \0"}, row(2, "", 'a "quoted word'),
    ]  # fmt: skip
    files = contents({"train": rows, "dev": [], "test": []})
    source = packed(tmp_path / "am.tar", files) if is_archive else unpacked(tmp_path / "am", files)
    items = read(source)
    assert [i.reason for i in items if isinstance(i, SetAside)] == [
        "bad-row", "outside-folder", "bad-row", "outside-folder", "bad-row",
    ]  # fmt: skip
    assert [i.row for i in items] == [f"train.tsv row {n}" for n in range(2, 9)]
    assert (items[-1].transcript, items[-1].speaker_id) == ('a "quoted word', None)


def test_links_out_of_the_clips_folder(tmp_path):
    folder = unpacked(tmp_path / "am")
    clip = folder / "clips/common_voice_am_1.mp3"
    clip.unlink()
    clip.symlink_to("/etc/passwd")
    assert [getattr(i, "reason", "") for i in read(folder)] == ["outside-folder", ""]


@pytest.mark.parametrize(("in_archive", "in_table"), [("e\u0301", "\u00e9"), ("\u00e9", "e\u0301")])
def test_unicode_form_of_clip_names(tmp_path, in_archive, in_table):
    files = contents({"train": [{**row(1, "s1"), "path": f"{in_table}.mp3"}]})
    archive = packed(tmp_path / "am.tar", files | {f"clips/{in_archive}.mp3": SOUND})
    (utterance,) = read(archive)
    assert utterance.audio.read_bytes() == SOUND


def test_byte_order_mark_and_windows_line_breaks(tmp_path):
    files = contents()
    files["train.tsv"] = b"\xef\xbb\xbf" + files["train.tsv"].replace(b"\n", b"\r\n")
    files["dev.tsv"] = files["dev.tsv"].decode().encode("utf-16")
    folder = unpacked(tmp_path / "am", files)
    assert [u.attributes["locale"] for u in read(folder)] == ["am", "am"]
    assert read(folder, "validation")[0].attributes["locale"] == "am"


def test_split_with_a_header_alone_is_none(tmp_path):
    folder = unpacked(tmp_path / "am", contents({**SPLITS, "dev": []}))
    assert LOADER.splits(folder) == ("train", "test")
    with pytest.raises(DataError, match="has no validation split; it has train, test"):
        read(folder, "validation")


@pytest.mark.parametrize("splits", [{**SPLITS, "train": []}, {}])
def test_train_without_clips_names_the_other_loader(tmp_path, splits):
    # The second is how the releases between two full ones ("delta") are.
    folder = unpacked(tmp_path / "am", contents(splits))
    assert LOADER.splits(folder)[0] == "train"
    (item,) = read(folder)
    assert "common-voice-validated:PATH" in item.detail


@pytest.mark.parametrize("is_archive", [True, False])
def test_validated_clips_as_train(tmp_path, is_archive):
    source = packed(tmp_path / "am.tar") if is_archive else unpacked(tmp_path / "am")
    assert not VALIDATED.detect(source)
    assert VALIDATED.splits(source) == ("train", "validation", "test")
    items = read(source, loader=VALIDATED)
    used = [i for i in items if isinstance(i, Utterance)]
    assert [u.id[-5:] for u in used] == ["1.mp3", "2.mp3", "6.mp3"]
    assert used[-1].row == "validated.tsv row 7"
    (conflict,) = (i for i in items if isinstance(i, SetAside))
    assert (conflict.reason, conflict.row) == ("split-conflict", "validated.tsv row 6")
    for split in ("validation", "test"):
        assert facts(read(source, split, VALIDATED)) == facts(read(source, split))


def test_validated_without_splits_is_all_train(tmp_path):
    folder = unpacked(tmp_path / "am", contents({}))
    assert VALIDATED.splits(folder) == ("train",)
    assert len(read(folder, loader=VALIDATED)) == 6


def test_validated_keeps_clips_without_a_speaker(tmp_path):
    splits = {"dev": [row(1, "")], "test": [row(2, "s2")]}
    folder = unpacked(tmp_path / "am", contents(splits, [row(1, ""), row(3, "")]))
    assert [u.id for u in read(folder, loader=VALIDATED)] == ["clips/common_voice_am_3.mp3"]


def test_validated_is_missing(tmp_path):
    folder = unpacked(tmp_path / "am", contents(validated=None))
    assert "--data common-voice:PATH" in read(folder, loader=VALIDATED)[0].detail


def test_other_layouts_are_not_taken(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train/metadata.csv").write_text("client_id,path,sentence\na,b,c\n")
    assert not LOADER.detect(tmp_path)
    (tmp_path / "clips").mkdir()
    (tmp_path / "train.tsv").write_text("file_name\ttranscription\na.wav\tx\n")
    assert not LOADER.detect(tmp_path)
    (tmp_path / "x.tar").write_bytes(b"no archive")
    assert not LOADER.detect(tmp_path / "x.tar")
    assert not LOADER.detect(tmp_path / "none")
    shard = packed(tmp_path / "s.tar", {"0001.mp3": SOUND, "0001.txt": b"x"}, root="clips")
    assert not LOADER.detect(shard)


@pytest.mark.parametrize("name", ["none", "none.tar.gz", "empty", "file.txt"])
def test_sources_that_are_none(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").touch()
    with pytest.raises(DataError) as raised:
        LOADER.splits(tmp_path / name)
    assert "\n" not in str(raised.value)
    assert str(tmp_path / name) in str(raised.value)
    assert LAYOUT in str(raised.value) or "No such file" in str(raised.value)


def test_table_that_may_not_be_read(tmp_path, monkeypatch):
    folder = unpacked(tmp_path / "am")
    really_open = Path.open

    def refuse(path, *arguments, **options):
        if path.name == "test.tsv":
            raise PermissionError(13, "Permission denied", str(path))
        return really_open(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    assert LOADER.detect(folder)
    with pytest.raises(DataError, match=r"test\.tsv: can't be read: Permission denied"):
        LOADER.splits(folder)


@settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(st.characters(exclude_characters="\0\r\n\t\x85\u2028\u2029", codec="utf-8")))
def test_any_sentence_comes_back(tmp_path, sentence):
    folder = unpacked(tmp_path / "am", contents({"train": [row(1, "s1", f"x{sentence}")]}))
    assert read(folder)[0].transcript == f"x{sentence}"


@settings(
    deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=300))
def test_any_bytes_in_a_table(tmp_path, content):
    files = contents()
    files["train.tsv"] += content
    folder = unpacked(tmp_path / "am", files)
    with contextlib.suppress(DataError):
        assert all(isinstance(i, Utterance | SetAside) for i in read(folder))


def test_whole_corpus_through_the_hook(tmp_path):
    archive = packed(tmp_path / "am.tar.gz")
    plugins = Plugins.load("am", use_pack=False)  # the plugin is installed
    for source, n_train in ((archive, 2), (Path(f"common-voice-validated:{archive}"), 3)):
        corpus = read_corpus(
            source, plugins, normalizer=plugins.normalizer(), settings=DataConfig(), seed=1
        )
        sizes = [len(part) for part in (corpus.train, corpus.validation, corpus.test)]
        assert sizes == [n_train, 1, 1]
        assert "validation" in corpus.parts[0].splits
