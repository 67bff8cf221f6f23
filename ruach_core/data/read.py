"""Reads a data source whole: every clip decoded once, faulty ones set aside, splits settled."""

from __future__ import annotations

import csv
import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ruach_core.data.audio import AudioError, Waveform, load_audio
from ruach_core.data.corpus import Clip, Corpus, CorpusPart, describe_leaks, fingerprint
from ruach_core.data.parallel import in_parallel
from ruach_core.data.review.decisions import Review
from ruach_core.data.split import hold_out
from ruach_core.errors import DataError
from ruach_core.files import write_aside
from ruach_core.sources import DataSources
from ruach_core.types import (
    SAMPLING_RATE,
    SetAside,
    SetAsideReason,
    Split,
    TextNormalizer,
    Utterance,
)

if TYPE_CHECKING:
    from ruach_core.config import DataConfig
    from ruach_core.plugins import Plugins

SILENCE_DBFS = -60.0
"""A clip whose highest sample, without its mean, is below this holds no speech."""
MIN_TRAIN = 2
_THREADS = 2

OnProgress = Callable[[str, int, int], None]
"""Told the stage ("read"), how many clips are done, and of how many."""


def read_corpus(
    source: Path | DataSources,
    plugins: Plugins,
    *,
    normalizer: TextNormalizer,
    settings: DataConfig,
    seed: int,
    splits: Sequence[Split] | None = None,
    on_progress: OnProgress | None = None,
) -> Corpus:
    """Read, decode, audit, normalise and split a data source, or several as one.

    A clip that is missing, unreadable, empty, silent (peak under `SILENCE_DBFS`), too long or too
    short, or that has no transcript, is set aside; so is a row that can't be read. Where the
    source has no validation split, one is held out of train, never of test (see `hold_out`).
    Decisions of a `review.csv` in a source's folder are carried out (see `data.review.decisions`).

    Args:
        source: the folder (or whatever a loader knows), or several of them.
        plugins: gives the loader.
        normalizer: fills `reference` by its `target` form; its `score` form tells sentences apart.
        settings: bounds on durations and the size of the validation split.
        seed: chooses the clips held out.
        splits: read only these, few clips or none as they may hold, and hold nothing out; by
            default all.
        on_progress: called after each clip.

    Raises:
        DataError: the source can't be read as a whole, or fewer than 2 train clips are usable.
    """
    sources = DataSources.of(source) if isinstance(source, Path) else source
    reviews = [Review.of(one.path, name) for name, one in sources]
    parts, rows = _list_rows(sources, plugins, splits, reviews)
    clips: dict[Split, list[Clip]] = {"train": [], "validation": [], "test": []}
    set_aside: list[SetAside] = []
    texts = (_normalize(row, normalizer) for row in rows)
    for n_done, item in enumerate(
        in_parallel(_Audit(settings), texts, n_threads=_THREADS), start=1
    ):
        if isinstance(item, SetAside):
            set_aside.append(item)
        else:
            clips[item.utterance.split].append(item)
        if on_progress is not None:
            on_progress("read", n_done, len(rows))
    notes = [note for review in reviews for note in review.notes(is_whole=splits is None)]
    if splits is None:
        _check_enough(sources, clips["train"], rows, set_aside)
        if not all("validation" in part.splits for part in parts):
            notes += _hold_out_validation(sources, parts, clips, set_aside, settings, seed)
        notes += _describe_parts(parts, clips)
    notes += describe_leaks(clips)
    if splits is None and not clips["test"]:
        notes.append(
            "no test split" + (" left" if any("test" in part.splits for part in parts) else "")
            + ": validation reports too, and flatters, since it also chooses the best epoch"
        )  # fmt: skip
    return Corpus(
        source=sources,
        parts=tuple(parts),
        train=tuple(clip.utterance for clip in clips["train"]),
        validation=tuple(clip.utterance for clip in clips["validation"]),
        test=tuple(clip.utterance for clip in clips["test"]),
        set_aside=tuple(set_aside),
        fingerprint=fingerprint(itertools.chain(*clips.values())),
        notes=tuple(notes),
        accepted=frozenset(
            identity if sources.is_one else f"{review.name}:{identity}"
            for review in reviews
            for identity in review.accepted
        ),
    )


def write_set_aside(path: Path, items: Iterable[SetAside]) -> None:
    """Write the clips that were set aside as CSV, in one move; a header alone where there are none.

    Raises:
        OSError: the folder can't be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)

    def write(beside: Path) -> None:
        # File names may hold bytes that aren't UTF-8; they are shown escaped.
        with beside.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["utterance_id", "split", "reason", "detail", "row"])
            for item in items:
                writer.writerow([item.utterance_id, item.split, item.reason, item.detail, item.row])
            file.flush()
            os.fsync(file.fileno())

    write_aside(path, write)


def count_reasons(items: Iterable[SetAside]) -> str:
    """How many were set aside for which reason, most first: "3 missing, 1 silent"."""
    counts = Counter(item.reason for item in items)
    return ", ".join(f"{n} {reason}" for reason, n in counts.most_common())


def find_fault(waveform: Waveform, settings: DataConfig) -> tuple[SetAsideReason, str] | None:
    """Why a clip takes no part, by its samples (shape (n_samples,), 16 kHz); None where it may."""
    duration_s = len(waveform) / SAMPLING_RATE
    if duration_s < settings.min_duration_s:
        return "too-short", f"{duration_s:.3f} s, shorter than {settings.min_duration_s:g} s"
    if (level := _peak_dbfs(waveform)) < SILENCE_DBFS:
        return "silent", f"highest sample at {level:.0f} dBFS, below {SILENCE_DBFS:.0f}"
    return None


def _normalize(row: Utterance | SetAside, normalizer: TextNormalizer) -> Clip | SetAside:
    """Fill the reference; for the main thread alone, as plugins need not be thread-safe."""
    if isinstance(row, SetAside):
        return row
    reference = normalizer.normalize(row.transcript, purpose="target")
    sentence = normalizer.normalize(row.transcript, purpose="score")
    if not reference.strip() or not sentence.strip():
        is_blank = not row.transcript.strip()
        detail = "the transcript is empty" if is_blank else "nothing left after normalisation"
        return _aside(row, "no-transcript", detail)
    return Clip(replace(row, reference=reference), sentence)


class _Audit:
    """Decodes one clip and judges it; usable in several threads."""

    def __init__(self, settings: DataConfig) -> None:
        self._settings = settings
        # Segments of one recording share its file, which is hashed once.
        self._digests: dict[Path, bytes] = {}

    def __call__(self, clip: Clip | SetAside) -> Clip | SetAside:
        if isinstance(clip, SetAside):
            return clip
        row, settings = clip.utterance, self._settings
        try:
            waveform = load_audio(
                row.audio,
                start_s=row.start_s,
                end_s=row.end_s,
                max_duration_s=settings.max_duration_s,
            )
            if (fault := find_fault(waveform, settings)) is not None:
                return _aside(row, *fault)
            digest = self._digest(row.audio)
        except AudioError as error:
            return _aside(row, error.reason, error.detail)
        except OSError as error:
            return _aside(row, "unreadable", f"can't be read: {error.strerror or error}")
        duration_s = len(waveform) / SAMPLING_RATE
        return replace(clip, utterance=replace(row, duration_s=duration_s), digest=digest)

    def _digest(self, path: Path) -> bytes:
        if path not in self._digests:
            with path.open("rb") as file:
                self._digests[path] = hashlib.file_digest(file, "sha256").digest()
        return self._digests[path]


def _aside(utterance: Utterance, reason: SetAsideReason, detail: str) -> SetAside:
    return SetAside(utterance.id, utterance.split, reason, detail, utterance.row)


def _peak_dbfs(waveform: Waveform) -> float:
    # A constant offset is as silent as zeros.
    peak = float(np.abs(waveform - waveform.mean(dtype=np.float64)).max())
    return 20.0 * float(np.log10(peak)) if peak > 1e-10 else -200.0


def _check_enough(
    source: DataSources,
    train: Sequence[Clip],
    rows: Sequence[Utterance | SetAside],
    set_aside: Sequence[SetAside],
) -> None:
    if len(train) >= MIN_TRAIN:
        return
    n_rows = sum(row.split == "train" for row in rows)
    mine = [item for item in set_aside if item.split == "train"]
    why = ""
    if mine:
        first = mine[0]
        why = f": {count_reasons(mine)} (first, {first.row or first.utterance_id}: {first.detail})"
    raise DataError(
        f"{source}: only {len(train)} of {n_rows} train clips can be used{why}; "
        f"training needs at least {MIN_TRAIN}"
    )


def _hold_out_validation(
    source: DataSources,
    parts: Sequence[CorpusPart],
    clips: dict[Split, list[Clip]],
    set_aside: list[SetAside],
    settings: DataConfig,
    seed: int,
) -> list[str]:
    """Move the clips that are held out from train to validation; what was done, as notes.

    Each source that brings no validation split gives its share of one.
    """
    train = clips["train"]
    tested = {clip.sentence for clip in clips["test"]}
    lacking = [part.name for part in parts if "validation" not in part.splits]
    n_all = sum(clip.utterance.source in lacking for clip in train)
    notes: list[str] = []
    validation: set[int] = set()
    conflicts: set[int] = set()
    for name in lacking:
        mine = [i for i, clip in enumerate(train) if clip.utterance.source == name]
        if not mine:
            continue
        held = hold_out(
            [train[i].sentence for i in mine],
            [train[i].utterance.speaker_id for i in mine],
            share=settings.validation_share,
            at_most=max(1, settings.max_validation * len(mine) // n_all),
            seed=seed,
            avoid=tested.union(clip.sentence for clip in train if clip.utterance.source != name),
        )
        notes.append(f"{name}: {held.note}" if name else held.note)
        validation |= {mine[i] for i in held.validation}
        conflicts |= {mine[i] for i in held.conflicts}
    if not validation and not clips["validation"]:
        raise DataError(
            f"{source}: all {len(train)} train clips have the same sentence, so no validation "
            "split can be held out; add other sentences or a validation split"
        )
    clips["train"] = [clip for i, clip in enumerate(train) if i not in validation | conflicts]
    clips["validation"] += [
        replace(clip, utterance=replace(clip.utterance, split="validation"))
        for i, clip in enumerate(train)
        if i in validation
    ]
    set_aside += [
        _aside(
            train[i].utterance,
            "split-conflict",
            "its speaker is held out for validation, its sentence is in train or test",
        )
        for i in sorted(conflicts)
    ]
    return notes


def _list_rows(
    sources: DataSources,
    plugins: Plugins,
    splits: Sequence[Split] | None,
    reviews: Sequence[Review],
) -> tuple[list[CorpusPart], list[Utterance | SetAside]]:
    """Each source by its loader, and the rows of all of them as their reviews leave them."""
    parts: list[CorpusPart] = []
    rows: list[Utterance | SetAside] = []
    for (source_name, source), review in zip(sources, reviews, strict=True):
        loader = plugins.find_dataset_loader(source.path)
        brought = [s for s in loader.splits(source.path) if splits is None or s in splits]
        if not brought:
            raise DataError(f"{source.path}: has no {' or '.join(splits or ['train'])} split")
        name = "" if sources.is_one else source_name
        info = loader.info(source.path)
        parts.append(CorpusPart(name, source.weight, loader.name, info, tuple(brought)))
        for split in brought:
            rows += [
                _of_source(row, name, source.weight)
                for row in review.apply(loader.read(source.path, split))
            ]
    return parts, rows


def _of_source(row: Utterance | SetAside, name: str, weight: float) -> Utterance | SetAside:
    """The row as one of several sources' has it: no other source has its id or its speaker."""
    where = f"{name}: {row.row}" if name and row.row else row.row
    if isinstance(row, SetAside):
        identity = f"{name}:{row.utterance_id}" if name else row.utterance_id
        return replace(row, utterance_id=identity, row=where)
    if not name:
        return row if weight == 1.0 else replace(row, weight=weight)
    speaker_id = None if row.speaker_id is None else f"{name}:{row.speaker_id}"
    return replace(
        row, id=f"{name}:{row.id}", speaker_id=speaker_id, row=where, source=name, weight=weight
    )


def _describe_parts(parts: Sequence[CorpusPart], clips: dict[Split, list[Clip]]) -> list[str]:
    """Notes on the sources that lack what the others have."""
    notes = []
    for part in parts if len(parts) > 1 else ():
        has = {s for s in clips for clip in clips[s] if clip.utterance.source == part.name}
        if "train" not in has:
            notes.append(f"{part.name}: none of its clips can be trained on")
        if "test" not in has and clips["test"]:
            notes.append(f"{part.name}: no test split; the test figures are the other sources'")
    return notes
