"""Writes a corpus as the canonical folder: 16 kHz mono wav, one table a split, what was rejected.

Clips are decoded in a few threads and recorded as they are written, so a run that is killed goes on
where it was, and a run on what is prepared already does nothing. The tables come last.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from ruach_core.blame import split_source
from ruach_core.data.arrange import arrange, recover
from ruach_core.data.assign import Assignment
from ruach_core.data.clip_cells import (
    clean_cell,
)
from ruach_core.data.parallel import in_parallel
from ruach_core.data.prepare_clips import ClipWriter
from ruach_core.data.prepare_state import STATE, PrepareState, disk_full
from ruach_core.data.prepared import (
    REJECTED,
    SPLITS,
    TABLE,
    Row,
    audio_path,
    read_record,
    write_record,
)
from ruach_core.data.read import write_set_aside
from ruach_core.data.review.decisions import Review
from ruach_core.data.split_choice import (
    KEPT,
    RECORDED_AS,
    NewSplits,
    SplitInput,
    are_made,
)
from ruach_core.errors import DataError, UserError
from ruach_core.packs import core_version
from ruach_core.sources import DataSources
from ruach_core.types import SAMPLING_RATE, Split, TextNormalizer

if TYPE_CHECKING:
    from ruach_core.blame import BlamedLoader
    from ruach_core.config import DataConfig
    from ruach_core.plugins import Plugins

_MAX_EXTRA = 100
"""Columns beside our own; a row stays far below what the reader of tables takes."""
OnProgress = Callable[[int, int, float], object]
"""Told how many rows are done, how many of them are set aside, and the seconds prepared."""


@dataclass(frozen=True, slots=True)
class PrepareReport:
    """What a run did.

    Attributes:
        n_decoded: clips that were decoded, because they are new or their audio is.
        n_changed: other rows that are new, or whose text, speaker, split or place changed.
        n_removed: rows that the source no longer has.
        is_unchanged: nothing was written, since all was there.
        record: `dataset.json`.
        notes: what a user should know, one line each.
    """

    n_decoded: int
    n_changed: int
    n_removed: int
    is_unchanged: bool
    record: dict[str, object]
    notes: tuple[str, ...]


def prepare(
    source: Path,
    output: Path,
    plugins: Plugins,
    *,
    normalizer: TextNormalizer,
    settings: DataConfig,
    new_splits: NewSplits | None,
    n_threads: int,
    on_progress: OnProgress | None = None,
) -> PrepareReport:
    """Write the corpus into `output`, or bring what is there up to date.

    Args:
        source: the folder (or whatever a loader knows); it is only read.
        output: a folder that is missing, empty, or was prepared before.
        plugins: gives the loader and the language.
        normalizer: tells which texts have nothing to say, and which are one sentence.
        settings: bounds on durations, as in training.
        new_splits: how to split; None keeps the source's own splits.
        n_threads: how many clips are decoded at once.
        on_progress: called after each row.

    Raises:
        DataError: the source can't be read as a whole, or not one of its clips can be used.
        UserError: the output can't be used, or its disk is full.
    """
    loader = plugins.find_dataset_loader(source)
    _check_output(source, output)
    try:
        output.mkdir(parents=True, exist_ok=True)
        with PrepareState(output) as state:
            recover(output)
            _remove_leftovers(output)
            work = ClipWriter(output, state, normalizer, settings)
            review = Review.of(source, DataSources.of(source).names[0])
            _read_all(work, state, loader, source, review, n_threads, on_progress)
            n_removed = state.forget_unseen()
            about = _describe(source, loader, plugins, normalizer, settings)
            about["review"] = {"dropped": len(review.dropped), "fixed": len(review.fixed)}
            return _finish(work, state, output, about, new_splits, n_removed, review.notes())
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(output) from error
        raise UserError(f"{output}: can't be written: {error.strerror or error}") from error


def _check_output(source: Path, output: Path) -> None:
    """Refuse an output that would touch the source or what someone else put there.

    Raises:
        UserError: such an output.
    """
    path = split_source(source)[1]
    inner, outer = Path(os.path.realpath(output)), Path(os.path.realpath(path))
    if path.exists() and (inner == outer or inner in outer.parents or outer in inner.parents):
        raise UserError(
            f"--output {output}: it and the source {path} must not be inside one another; "
            "give a folder elsewhere"
        )
    if output.exists() and not output.is_dir():
        raise UserError(f"--output {output}: is not a folder")
    if output.is_dir() and any(output.iterdir()):
        record = read_record(output)
        if record is not None and (earlier := _recorded_source(record)) != _source_name(source):
            raise UserError(
                f"--output {output}: was prepared from {earlier}, not from {_source_name(source)}; "
                "give another folder, or delete it first"
            )
        if record is None and not (output / STATE).is_file():
            raise UserError(
                f"--output {output}: holds files that ruach data prepare didn't write; give an "
                "empty folder"
            )


def _source_name(source: Path) -> str:
    """What the source is called, without the folders of this machine that it lies in."""
    path = split_source(source)[1]
    return path.resolve().name if path.exists() else str(path)


def _recorded_source(record: Mapping[str, object]) -> object:
    provenance = record.get("provenance")
    return provenance.get("source") if isinstance(provenance, dict) else None


def _remove_leftovers(output: Path) -> None:
    """Files that a killed run was writing."""
    for folder in (output, *(audio_path(output, split, "x").parent for split in SPLITS)):
        if folder.is_dir():
            with os.scandir(folder) as entries:
                names = [e.name for e in entries if e.name[0] == "." and e.name.endswith(".tmp")]
            for name in names:
                (folder / name).unlink(missing_ok=True)


def _read_all(
    work: ClipWriter,
    state: PrepareState,
    loader: BlamedLoader,
    source: Path,
    review: Review,
    n_threads: int,
    on_progress: OnProgress | None,
) -> None:
    rows = review.apply(
        row for split in loader.splits(source) for row in loader.read(source, split)
    )
    jobs = (work.plan(seq, row) for seq, row in enumerate(rows))
    for n_done, job in enumerate(in_parallel(work.decode, jobs, n_threads=n_threads), start=1):
        work.keep(job)
        if on_progress is not None:
            on_progress(n_done, work.n_rejected, work.seconds)
    if not work.seconds:
        first = next(state.rejected(), None)
        why = f" (first, {first.row or first.utterance_id}: {first.detail})" if first else ""
        raise DataError(f"{source}: not one clip can be used{why}; ruach data check says more")


def _describe(
    source: Path,
    loader: BlamedLoader,
    plugins: Plugins,
    normalizer: TextNormalizer,
    settings: DataConfig,
) -> dict[str, object]:
    """What `dataset.json` says before anything is counted; nothing of this machine."""
    info = loader.info(source)
    pack = plugins.pack
    return {
        "title": info.title,
        "license": info.license,
        "url": info.url,
        "lang": plugins.lang,
        "provenance": {
            "source": _source_name(source),
            "loader": loader.name,
            "loader_distribution": loader.distribution,
            "pack": f"{pack.distribution} {pack.version}" if pack else None,
            "normalizer": normalizer.name,
            "versions": {
                "ruach-core": core_version(),
                **{name: version(name) for name in ("soundfile", "av", "soxr", "numpy")},
            },
        },
        "settings": {
            "sampling_rate": SAMPLING_RATE,
            "min_duration_s": settings.min_duration_s,
            "max_duration_s": settings.max_duration_s,
        },
    }


def _finish(
    work: ClipWriter,
    state: PrepareState,
    output: Path,
    about: dict[str, object],
    new_splits: NewSplits | None,
    n_removed: int,
    told: Sequence[str],
) -> PrepareReport:
    """Write the tables and the record, unless they are there."""
    record = read_record(output) or {}
    is_known = (
        state.is_finished
        and all(record.get(name) == value for name, value in about.items())
        and are_made(record, new_splits)
        and all((output / split / TABLE).is_file() for split in record.get("splits", ()))
        and (output / REJECTED).is_file()
    )
    if is_known:
        return PrepareReport(work.n_decoded, 0, 0, not work.n_decoded, record, tuple(told))
    extra, left_out = _extra_columns(state)
    notes = [*told, *left_out]
    made = dict(KEPT)
    assignment = None
    if new_splits is not None:
        assignment = new_splits.assign(_split_input(state))
        made = new_splits.to_record(assignment)
        notes += assignment.notes
    summaries = arrange(output, _rows(state, assignment), extra)
    n_rejected: dict[str, int] = {}
    for item in state.rejected():
        n_rejected[item.reason] = n_rejected.get(item.reason, 0) + 1
    write_set_aside(output / REJECTED, state.rejected())
    write_record(output, {**about, RECORDED_AS: made, "rejected": n_rejected}, summaries)
    state.finish()
    done = read_record(output) or {}
    return PrepareReport(work.n_decoded, work.n_changed, n_removed, False, done, tuple(notes))


def _split_input(state: PrepareState) -> SplitInput:
    clips = SplitInput()
    for record in state.clips():
        clips.add(record.sentence, record.speaker, record.n_samples / SAMPLING_RATE)
    return clips


def _rows(state: PrepareState, assignment: Assignment | None) -> Iterator[tuple[Split, Row]]:
    """Each clip's split and its row of the table, in the source's order."""
    for i, record in enumerate(state.clips()):
        yield (
            record.split if assignment is None else assignment.splits[i],
            {
                **record.attributes,
                "file_name": f"audio/{record.name}",
                "transcription": record.transcription,
                "speaker": record.speaker,
                "duration_s": f"{record.n_samples / SAMPLING_RATE:.3f}",
                "source_id": clean_cell(record.id),
                "audio_sha256": record.audio_sha256,
            },
        )


def _extra_columns(state: PrepareState) -> tuple[list[str], list[str]]:
    """The source's other columns, and a note where there are too many."""
    found: dict[str, None] = {}
    for record in state.clips():
        found.update(dict.fromkeys(record.attributes))
    names = list(found)
    notes = []
    if len(names) > _MAX_EXTRA:
        notes.append(f"{len(names) - _MAX_EXTRA} of the source's {len(names)} columns left out")
    return names[:_MAX_EXTRA], notes
