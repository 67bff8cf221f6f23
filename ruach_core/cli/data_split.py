"""`ruach data split`: train, validation and test that share no sentence, and no speaker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ruach_core.cli.data_options import choose_splits, load_language, pack_options, split_options
from ruach_core.cli.table import format_table
from ruach_core.errors import UserError

if TYPE_CHECKING:
    from ruach_core.data.splitting import SplitResult

_HEADING = ("SPLIT", "CLIPS", "SHARE", "HOURS", "SPEAKERS", "SENTENCES", "MIN s", "10%", "50%",
            "90%", "MAX s")  # fmt: skip


@click.command("split", short_help="Divide a corpus into train, validation and test.")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--lang", metavar="CODE",
              help="Language; a prepared folder has its own.")  # fmt: skip
@split_options
@click.option("--output", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
              help="Where the splits of a source that isn't prepared go.  [default: "
              "split.csv]")  # fmt: skip
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Write nothing.")
@pack_options
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def data_split(
    source: Path,
    *,
    lang: str | None,
    output: Path | None,
    is_dry_run: bool,
    settings: tuple[str, ...],
    no_pack: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Divide SOURCE so that no two splits share a sentence, nor a speaker where that can be.

    A folder that ruach data prepare wrote gets new tables; its clips are not decoded again. For any
    other source the splits are written as a table with the columns utterance_id and split, for your
    own programs: ruach train doesn't read it, and ruach data prepare makes a folder divided so.

    Which split a clip is in follows from a hash of its speakers or its sentence, so new clips leave
    the old ones where they are. Speakers and durations are balanced by chance, and corrected only
    where a part of the corpus misses its share by half: an exact balance would move old clips.
    """
    from ruach_core.data.prepared import read_record
    from ruach_core.data.split_choice import recorded_splits
    from ruach_core.data.splitting import split_prepared, split_source_rows

    record = read_record(source)
    wanted = choose_splits(given, recorded_splits(record))
    plugins, normalizer = load_language(_lang(lang, record), settings, no_pack=no_pack)
    if record is not None and output is not None:
        raise UserError(f"--output: {source} is a prepared folder, its own tables are written")
    table = None if is_dry_run else output or Path("split.csv")
    try:
        if record is not None:
            result = split_prepared(source, normalizer, wanted, is_dry_run=is_dry_run)
        else:
            result = split_source_rows(source, plugins, normalizer, wanted, table=table)
    except OSError as error:
        where = source if record is not None else table
        reason = error.strerror or error
        raise UserError(
            f"{where}: can't be written ({reason}); mend that and run it again"
        ) from error
    if as_json:
        click.echo(json.dumps(_to_dict(result), ensure_ascii=False, indent=2))
        return
    for line in _lines(result):
        click.echo(line)


def _lang(lang: str | None, record: dict[str, Any] | None) -> str:
    found = lang or (record or {}).get("lang")
    if not isinstance(found, str):
        raise click.UsageError("--lang CODE is missing (ruach langs list shows the codes)")
    return found


def _summaries(result: SplitResult) -> Iterator[dict[str, Any]]:
    from ruach_core.data.prepared import SPLITS, duration_quantiles_s

    clips = result.clips
    for split in SPLITS:
        mine = [i for i, own in enumerate(result.assignment.splits) if own == split]
        durations_s = [clips.durations_s[i] for i in mine]
        yield {
            "split": split,
            "clips": len(mine),
            "share": len(mine) / len(clips.sentences),
            "hours": sum(durations_s) / 3600,
            "speakers": len({clips.speakers[i] for i in mine} - {None}),
            "sentences": len({clips.sentences[i] for i in mine}),
            "duration_quantiles_s": duration_quantiles_s(durations_s),
        }


def _lines(result: SplitResult) -> Iterator[str]:
    rows = []
    for about in _summaries(result):
        quantiles = [f"{q:.1f}" for q in about["duration_quantiles_s"]] or ["-"] * 5
        rows.append(
            (
                about["split"],
                str(about["clips"]),
                f"{about['share']:.1%}",
                f"{about['hours']:.2f}",
                str(about["speakers"]),
                str(about["sentences"]),
                *quantiles,
            )
        )
    yield format_table(_HEADING, rows)
    for note in result.assignment.notes:
        yield f"note: {note}"
    if result.n_left_out:
        yield f"note: {result.n_left_out} rows without a usable text are in no split"
    done = f"written: {result.written}" if result.written else "dry run: nothing was written"
    yield f"{result.n_moved} of {len(result.clips.sentences)} clips change their split; {done}"
    if result.written and not result.written.is_dir():
        yield (
            "Training doesn't read this table: ruach data prepare with the same options makes a "
            "folder that is divided so"
        )


def _to_dict(result: SplitResult) -> dict[str, Any]:
    return {
        "splits": list(_summaries(result)),
        "disjoint": result.assignment.disjoint,
        "moved": result.n_moved,
        "left_out": result.n_left_out,
        "notes": list(result.assignment.notes),
        "written": str(result.written) if result.written else None,
    }
