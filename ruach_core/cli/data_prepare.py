"""`ruach data prepare`: a corpus of any layout as one folder of wav files and tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ruach_core.cli.data_options import (
    choose_splits,
    load_language,
    pack_options,
    progress_line,
    split_options,
)
from ruach_core.errors import UserError

if TYPE_CHECKING:
    from ruach_core.data.prepare import PrepareReport
    from ruach_core.data.split_choice import NewSplits

_MAX_JOBS = 8


@click.command("prepare", short_help="Write a corpus as a folder of 16 kHz wav files and tables.")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--lang", required=True, metavar="CODE", help="Language; see ruach langs list.")
@click.option("--output", required=True, metavar="DIR", type=click.Path(path_type=Path),
              help="Folder to write; its own, outside SOURCE.")  # fmt: skip
@click.option("--splits", type=click.Choice(["keep", "new"]),
              help="The source's own splits, or new ones by --validation and --test.  [default: "
              "keep, or as DIR was last split]")  # fmt: skip
@split_options
@click.option("--min-duration", "min_duration_s", type=click.FloatRange(0), metavar="SECONDS",
              help="Reject shorter clips.  [default: 0.2, as training does]")  # fmt: skip
@click.option("--max-duration", "max_duration_s", type=click.FloatRange(0, 30, min_open=True),
              metavar="SECONDS",
              help="Reject longer clips.  [default: 30, Whisper's window]")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1, 64), help="Clips decoded at once.  [default: one "
              "a core]")  # fmt: skip
@pack_options
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def data_prepare(
    source: Path,
    *,
    lang: str,
    output: Path,
    splits: str | None,
    jobs: int | None,
    settings: tuple[str, ...],
    no_pack: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Write the corpus SOURCE as a folder that every run reads fast and without surprises.

    \b
    DIR/train/metadata.csv, DIR/train/audio/*.wav    16 kHz, mono, 16 bits; one file a clip
    DIR/validation/..., DIR/test/...                 where there are such splits
    DIR/rejected.csv                                 the rows left out, each with its reason
    DIR/dataset.json                                 title, licence, provenance, counts, hash

    SOURCE is only read. A run that was stopped goes on by the same command; one on what is
    prepared already does nothing, or only what changed in SOURCE.

    \b
    Examples:
        ruach data prepare recordings --lang am --output dataset/data
        ruach data prepare cv-corpus-am.tar.gz --lang am --output prepared --splits new
    """
    from ruach_core.config import DataConfig
    from ruach_core.data.parallel import usable_threads
    from ruach_core.data.prepare import prepare
    from ruach_core.data.prepared import read_record

    limits = {name: given.pop(name) for name in ("min_duration_s", "max_duration_s")}
    limits = {name: value for name, value in limits.items() if value is not None}
    new_splits = _choose(splits, given, read_record(output))
    plugins, normalizer = load_language(lang, settings, no_pack=no_pack)
    with progress_line() as on_progress:
        report = prepare(
            source,
            output,
            plugins,
            normalizer=normalizer,
            settings=DataConfig(**limits),
            new_splits=new_splits,
            n_threads=jobs or usable_threads(_MAX_JOBS),
            on_progress=on_progress,
        )
    if as_json:
        click.echo(json.dumps(_to_dict(report, output), ensure_ascii=False, indent=2))
        return
    for line in _lines(report, output):
        click.echo(line)


def _choose(
    splits: str | None, given: dict[str, Any], record: dict[str, Any] | None
) -> NewSplits | None:
    """The new splits, or None to keep the source's own.

    Raises:
        UserError: flags that only new splits have, without those.
    """
    from ruach_core.data.split_choice import recorded_splits

    known = recorded_splits(record)
    if splits == "new" or (splits is None and known is not None):
        return choose_splits(given, known)
    for name, value in given.items():
        if value is not None:
            raise UserError(f"--{name} is for new splits: give --splits new too")
    return None


def _lines(report: PrepareReport, output: Path) -> Iterator[str]:
    record: dict[str, Any] = report.record
    n_rejected = sum(record["rejected"].values())
    if report.is_unchanged:
        yield f"{output}: nothing to do, all {record['clips']} clips are prepared already"
        yield from (f"note: {note}" for note in report.notes)
        return
    yield (
        f"{output}: {record['clips']} clips, {record['hours']:.2f} h, {record['speakers']} "
        f"speakers; {report.n_decoded} decoded now, {report.n_changed} other rows new or changed, "
        f"{report.n_removed} gone from the source"
    )
    yield "splits: " + ", ".join(
        f"{name} {about['clips']} ({about['hours']:.2f} h)"
        for name, about in record["splits"].items()
    )
    if n_rejected:
        reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(record["rejected"].items()))
        yield f"rejected: {n_rejected} ({reasons}), see {output / 'rejected.csv'}"
    for note in report.notes:
        yield f"note: {note}"


def _to_dict(report: PrepareReport, output: Path) -> dict[str, Any]:
    return {
        "output": str(output),
        "unchanged": report.is_unchanged,
        "decoded": report.n_decoded,
        "changed": report.n_changed,
        "removed": report.n_removed,
        "notes": list(report.notes),
        "dataset": report.record,
    }
