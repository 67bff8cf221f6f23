"""Webdataset shards: tar files in which the members of one key are a clip and its text."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from ruach_core.data.archive import ArchiveFault, ArchiveMember, looks_like_archive, read_archive
from ruach_core.data.extraction import AudioCache
from ruach_core.data.own_tables import has_own_tables
from ruach_core.errors import DataError
from ruach_core.types import CorpusInfo, SetAside, SetAsideReason, Split, Utterance
from ruach_data_webdataset.sample import AUDIO, MAX_TEXT_BYTES, TEXT, Sample, split_key
from ruach_data_webdataset.shards import find_shards, list_shards

_PEEK_MEMBERS = 200
_PEEK_BYTES = 64 << 20
"""How far into a shard its first clip with text is looked for."""
_MAX_WAITING = 100_000
_MAX_WAITING_CHARS = 1 << 26
"""Keys, and their text, that wait for their other members; beyond this the oldest are given up."""


class WebdatasetLoader:
    """Reads tar shards, each in one pass; audio is kept in the cache.

    Members of a key that don't stand together are brought together, in whatever order they come.
    """

    name = "webdataset"

    def detect(self, source: Path) -> bool:
        """Whether the first shard has, near its start, a key with both sound and text."""
        try:
            if has_own_tables(source):
                return False
            if source.is_dir():
                first = next(list_shards(source), None)
            else:
                first = source if looks_like_archive(source) and source.is_file() else None
            return first is not None and _has_pair(first)
        except (OSError, DataError):
            return False

    def splits(self, source: Path) -> Sequence[Split]:
        """The splits that have shards, by the names of folders and files; else train.

        Raises:
            DataError: there are no shards.
        """
        shards = find_shards(source)
        return tuple(split for split in get_args(Split) if shards[split])

    def info(self, source: Path) -> CorpusInfo:
        """Nothing: the layout has no place for it."""
        return CorpusInfo()

    def read(self, source: Path, split: Split) -> Iterator[Utterance | SetAside]:
        """The split's utterances in the order of shards and members; see `DatasetLoader.read`."""
        shards = find_shards(source)[split]
        if not shards:
            raise DataError(f"{source}: has no shards of a {split} split")
        for shard in shards:
            name = shard.name if shard == source else shard.relative_to(source).as_posix()
            yield from _Shard(shard, name, split).read()


def _has_pair(shard: Path) -> bool:
    kinds: dict[str, set[bool]] = {}
    n_bytes = 0
    for n_seen, member in enumerate(read_archive(shard)):
        if isinstance(member, ArchiveMember):
            n_bytes += member.n_bytes
            key, kind = split_key(member.name) or ("", "")
            if kind in AUDIO or kind in TEXT:
                kinds.setdefault(key, set()).add(kind in AUDIO)
                if len(kinds[key]) == 2:
                    return True
        if n_seen >= _PEEK_MEMBERS or n_bytes > _PEEK_BYTES:
            break
    return False


class _Shard:
    """One pass over a shard."""

    def __init__(self, path: Path, name: str, split: Split) -> None:
        self._path = path
        self._name = name
        self._split = split
        self._cache = AudioCache(path)
        self._waiting: OrderedDict[str, Sample] = OrderedDict()
        self._n_chars = 0
        self._done: set[bytes] = set()

    def read(self) -> Iterator[Utterance | SetAside]:
        """The shard's clips, each once the next key begins."""
        current = ""
        for member in read_archive(self._path):
            if isinstance(member, ArchiveFault):
                yield self._aside(member.name, member.reason, member.detail)
                continue
            key, kind = split_key(member.name) or ("", "")
            if not key or not (kind in AUDIO or kind in TEXT):
                continue
            if key != current:
                yield from self._finish(current)
                yield from self._give_up_oldest()
                current = key
            if _digest(key) in self._done:
                detail = "its key is done with: it is in the shard twice, the first one is used"
                yield self._aside(member.name, "bad-row", detail)
                continue
            sample = self._waiting.setdefault(key, Sample())
            if member.name in sample.names:
                detail = "twice in the shard, the first one is used"
                yield self._aside(member.name, "bad-row", detail)
            elif not sample.problem:
                sample.names.add(member.name)
                self._add(sample, member, kind)
        for key in list(self._waiting):
            yield from self._finish(key, is_last=True)

    def _add(self, sample: Sample, member: ArchiveMember, kind: str) -> None:
        """Take a member into its sample, or note there why it can't be."""
        self._n_chars -= sample.n_chars
        if kind in AUDIO:
            if sample.audio is not None:
                sample.problem = (
                    f"two audio members ({_tail(sample.audio[0])}, {_tail(member.name)}): a key "
                    "ends at the first dot of the file name"
                )
            elif (path := member.save(self._cache)) is not None:
                sample.audio = (member.name, path)
        elif member.n_bytes > MAX_TEXT_BYTES:
            sample.problem = f"its .{kind} has {member.n_bytes} bytes: not one clip's text"
        elif (content := member.read()) is not None:
            sample.add_text(kind, content)
        self._n_chars += sample.n_chars

    def _finish(self, key: str, *, is_last: bool = False) -> Iterator[Utterance | SetAside]:
        """A key's clip, or why there is none; nothing while its other members may still come."""
        sample = self._waiting.get(key)
        if sample is None or not (is_last or sample.problem or sample.is_whole):
            return
        del self._waiting[key]
        self._n_chars -= sample.n_chars
        self._done.add(_digest(key))
        if sample.problem:
            yield self._aside(key, "bad-row", sample.problem)
        elif sample.audio is None:
            yield self._aside(key, "missing", "no audio member in the shard")
        elif sample.transcript is None:
            detail = "no .txt, and no .json with text, in the shard"
            yield self._aside(key, "no-transcript", detail)
        else:
            name, path = sample.audio
            yield Utterance(
                id=f"{self._name}/{name}",
                audio=path,
                transcript=sample.transcript,
                split=self._split,
                speaker_id=sample.speaker_id,
                row=f"{self._name} {key}",
                attributes=sample.attributes,
            )

    def _give_up_oldest(self) -> Iterator[Utterance | SetAside]:
        while len(self._waiting) > _MAX_WAITING or self._n_chars > _MAX_WAITING_CHARS:
            yield from self._finish(next(iter(self._waiting)), is_last=True)

    def _aside(self, name: str, reason: SetAsideReason, detail: str) -> SetAside:
        identity = f"{self._name}/{name}" if name else self._name
        return SetAside(identity, self._split, reason, detail, f"{self._name} {name}".strip())


def _tail(name: str) -> str:
    return name.rpartition("/")[2].partition(".")[2]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()[:16]
