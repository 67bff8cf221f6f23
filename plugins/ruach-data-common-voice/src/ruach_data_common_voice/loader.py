"""Common Voice: the release's own splits, or all its validated clips."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ruach_core.data.archive import looks_like_archive
from ruach_core.data.own_tables import has_own_tables
from ruach_core.data.table import BadRow, TableRow, read_table
from ruach_core.errors import DataError
from ruach_core.types import CorpusInfo, SetAside, Split, Utterance
from ruach_data_common_voice.archived import open_archive, peek
from ruach_data_common_voice.release import (
    CLIPS,
    LAYOUT,
    Release,
    describe,
    find_folder,
    first_bytes,
    has_rows,
    is_language_folder,
    language_folders,
    open_folder,
    read_columns,
)

_REQUIRED = ("path", "sentence")
_OWN_FIELDS = frozenset({"path", "sentence", "client_id"})
_JUDGES = ("dev", "test")


class CommonVoiceLoader:
    """Reads a release by its own splits: train.tsv, dev.tsv and test.tsv.

    Args:
        lang: the language that is asked for; it picks one where the source holds several.
    """

    name = "common-voice"
    train_table = "train"

    def __init__(self, lang: str) -> None:
        self._lang = lang

    def detect(self, source: Path) -> bool:
        """Whether it is the folder of a language, of a release, or a release's archive."""
        try:
            if has_own_tables(source):
                return False
            if source.is_dir():
                return is_language_folder(source) or bool(language_folders(source))
            is_archive = looks_like_archive(source) and source.is_file()
            return is_archive and peek(source) is not None
        except (OSError, DataError):
            return False

    def splits(self, source: Path) -> Sequence[Split]:
        """Train, and those of validation and test that have clips.

        Small languages have a dev.tsv or test.tsv with nothing but a header; such a split isn't
        one, and validation is held out of train.

        Raises:
            DataError: the source isn't a release of Common Voice or holds no clips.
        """
        return self._splits(source, self._open(source))

    def info(self, source: Path) -> CorpusInfo:
        """The release's number, date and language, from its folders' names; always CC0-1.0."""
        if not source.is_dir():
            return describe(*(peek(source) or (source.name, "")))
        folder = find_folder(source, self._lang).absolute()
        return describe(folder.parent.name, folder.name)

    def read(self, source: Path, split: Split) -> Iterator[Utterance | SetAside]:
        """The split's utterances in the table's order; see `DatasetLoader.read`."""
        release = self._open(source)
        brought = self._splits(source, release)
        if split not in brought:
            raise DataError(f"{source}: has no {split} split; it has {', '.join(brought)}")
        if split == brought[0]:
            yield from (replace(fault, split=split) for fault in release.faults)
        if split == "train":
            yield from self._read_train(release)
        else:
            yield from _read_table(release, "dev" if split == "validation" else "test", split)

    def _read_train(self, release: Release) -> Iterator[Utterance | SetAside]:
        if "train" in _find_filled(release):
            yield from _read_table(release, "train", "train")
        else:
            detail = (
                "has no clips, as with small languages; use the validated ones: "
                "--data common-voice-validated:PATH"
            )
            yield SetAside("train.tsv", "train", "missing", detail, "train.tsv")

    def _open(self, source: Path) -> Release:
        if not source.is_dir() and looks_like_archive(source):
            return open_archive(source, self._lang)
        return open_folder(find_folder(source, self._lang))

    def _splits(self, source: Path, release: Release) -> tuple[Split, ...]:
        tables = {"train": self.train_table, "validation": "dev", "test": "test"}
        filled = _find_filled(release)
        if not filled:
            raise DataError(f"{source}: none of its tables has a clip; give {LAYOUT}")
        if not filled & {"train", "validated"}:
            del tables["train"]
        splits: tuple[Split, ...] = ("train", "validation", "test")
        return tuple(
            split
            for split in splits
            if split in tables and (split == "train" or tables[split] in filled)
        )


class ValidatedLoader(CommonVoiceLoader):
    """Reads a release with all its validated clips as train.

    train.tsv has each sentence once, which leaves a small language with a fraction of its clips.
    Here train is validated.tsv without the clips of dev.tsv and test.tsv and without other clips
    of their speakers; validation and test are the release's own.
    """

    name = "common-voice-validated"
    train_table = "validated"

    def detect(self, source: Path) -> bool:
        """Never: a release is read by its own splits, unless this loader is named."""
        return False

    def _read_train(self, release: Release) -> Iterator[Utterance | SetAside]:
        if "validated" not in _find_filled(release):
            detail = "has no clips; read the release's own splits: --data common-voice:PATH"
            yield SetAside("validated.tsv", "train", "missing", detail, "validated.tsv")
            return
        clips: set[bytes] = set()
        speakers: set[bytes] = set()
        for table in _JUDGES:
            if table in release.tables:
                for row in _rows(release.tables[table], f"{table}.tsv"):
                    if isinstance(row, TableRow):
                        clips.add(_digest(_clip_name(row)))
                        speakers.add(_digest(row.cells.get("client_id", "").strip()))
        speakers.discard(_digest(""))
        for item in _read_table(release, "validated", "train", excluded=clips):
            if isinstance(item, Utterance) and _digest(item.speaker_id or "") in speakers:
                detail = "its speaker is in dev.tsv or test.tsv"
                yield SetAside(item.id, "train", "split-conflict", detail, item.row)
            else:
                yield item


def _find_filled(release: Release) -> set[str]:
    """The tables with more than a header; a small language's dev.tsv may have no more."""
    try:
        return {name for name, path in release.tables.items() if has_rows(path)}
    except OSError as error:
        raise DataError(f"{error.filename}: can't be read: {error.strerror or error}") from error


def _read_table(
    release: Release, table: str, split: Split, *, excluded: set[bytes] | None = None
) -> Iterator[Utterance | SetAside]:
    """The clips of a table, but for those whose names' digests are excluded."""
    seen: set[bytes] = set()
    for row in _rows(release.tables[table], f"{table}.tsv"):
        where = f"{table}.tsv row {row.number}"
        if isinstance(row, BadRow):
            yield SetAside(where, split, "bad-row", row.detail, where)
            continue
        clip = _clip_name(row)
        digest = _digest(clip)
        if excluded is not None and digest in excluded:
            continue
        if not clip:
            yield SetAside(where, split, "bad-row", "names no clip", where)
        elif digest in seen:
            detail = "the same clip as in an earlier row"
            yield SetAside(f"{CLIPS}/{clip}", split, "bad-row", detail, where)
        else:
            seen.add(digest)
            yield _to_utterance(release, row.cells, clip, split, where)


def _to_utterance(
    release: Release, cells: Mapping[str, str], clip: str, split: Split, where: str
) -> Utterance | SetAside:
    audio = release.find(clip)
    if isinstance(audio, SetAside):
        return replace(audio, split=split, row=where)
    return Utterance(
        id=f"{CLIPS}/{clip}",
        audio=audio,
        transcript=cells["sentence"],
        split=split,
        speaker_id=cells.get("client_id", "").strip() or None,
        row=where,
        attributes={
            name: text
            for name, cell in cells.items()
            if name not in _OWN_FIELDS and (text := cell.strip())
        },
    )


def _rows(path: Path, name: str) -> Iterator[TableRow | BadRow]:
    """A table's rows, with every column that its header names."""
    columns = dict.fromkeys(["path", "sentence", *filter(None, read_columns(first_bytes(path)))])
    fields = {column: (column,) for column in columns}
    return read_table(path, fields=fields, required=_REQUIRED, name=name)


def _clip_name(row: TableRow) -> str:
    """The clip's file name; the first releases leave the suffix out."""
    name = row.cells["path"].strip()
    return f"{name}.mp3" if name and "." not in name.rpartition("/")[2] else name


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]
