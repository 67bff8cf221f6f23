"""`ruach data review`: a page on which a person decides about the clips that a run suspects."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ruach_core.errors import UserError
from ruach_core.files import write_text

if TYPE_CHECKING:
    from ruach_core.data.review.collect import Collected
    from ruach_core.plugins import Plugins
    from ruach_core.sources import DataSources

_DEFAULT_PAGE = Path("review.html")


@click.command("review", short_help="Make a page on which to decide about suspicious clips.")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", "data", multiple=True, metavar="DIR",
              help="The run's data; repeat it as there.  [default: dataset/data]")  # fmt: skip
@click.option("--output", "page", metavar="FILE", default=_DEFAULT_PAGE, show_default=True,
              type=click.Path(path_type=Path, dir_okay=False), help="The page.")  # fmt: skip
@click.option("--limit", metavar="N", type=click.IntRange(min=1),
              help="Show the N most suspicious clips.  [default: all in the table]")  # fmt: skip
@click.option("--lang", "code", metavar="CODE",
              help="Language of the texts; by default that of the model.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Write what the page shows as JSON.")
def data_review(
    model: Path,
    *,
    data: tuple[str, ...],
    page: Path,
    limit: int | None,
    code: str | None,
    as_json: bool,
) -> None:
    """Make a page on which a person hears the clips that a run found suspicious, and decides.

    MODEL is the folder that ruach train wrote, or a table suspicious.csv. The page is one HTML
    file, works without a network and with the keyboard alone, and keeps what was decided until it
    is saved as review.csv. Put that into the corpus' folder: the next ruach train, data check and
    data prepare drop, fix and accept the clips by it. The corpus itself is never changed.

    \b
    Examples:
        ruach data review models/whisper-am
        ruach data review models/whisper-am --data recordings --limit 50
        ruach train --lang am --data recordings --overwrite
    """
    from ruach_core.data.review.collect import collect_clips
    from ruach_core.data.review.page import render_review_page
    from ruach_core.data.review.suspicious import SUSPICIOUS, read_suspicious
    from ruach_core.plugins import Plugins

    table = model / SUSPICIOUS if model.is_dir() else model
    if not table.is_file():
        raise UserError(
            f"{table}: no such table; give the folder of a model that ruach train wrote, with "
            "evaluation.review_clips above 0"
        )
    run = _read_run(table.parent)
    lang = code or run.get("lang")
    plugins = Plugins.load(lang, use_pack=bool(code or run.get("pack")))
    sources = _choose_sources(data, plugins, is_sample=bool(run.get("is_sample")))
    ranking = read_suspicious(table)[:limit]
    collected = collect_clips(ranking, sources, plugins)
    made = render_review_page(
        collected.clips,
        collected.kept,
        title=f"{table.absolute().parent.name}: suspicious clips",
        lang=lang or "und",
        notes=_notes(collected),
    )
    write_text(page, made.html)
    about = _about(page, sources, collected, made.n_shown)
    if as_json:
        click.echo(json.dumps(about, ensure_ascii=False, indent=2))
        return
    for note in _notes(collected):
        click.echo(f"note: {note}")
    left_out = f", {about['left_out']} left out for its size" if about["left_out"] else ""
    click.echo(
        f"{page}: {made.n_shown} clips, {about['decided']} of them decided already{left_out}"
    )
    if about["save_as"]:
        where = f"save its review.csv as {' and '.join(about['save_as'])}"
    else:
        where = "to keep decisions make a folder of the corpus first: ruach data prepare"
    click.echo(f"Open it in a browser, and {where}")


def _read_run(folder: Path) -> dict[str, Any]:
    """What `run.json` beside the table says; nothing where a run is unfinished."""
    try:
        content = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _choose_sources(data: tuple[str, ...], plugins: Plugins, *, is_sample: bool) -> DataSources:
    from ruach_core.config import DEFAULT_DATA
    from ruach_core.sources import DataSources

    if data:
        return DataSources.parse(data)
    if is_sample and plugins.sample:
        return DataSources.of(plugins.sample.folder)
    if not DEFAULT_DATA.exists():
        raise UserError(f"{DEFAULT_DATA}: no such folder; give the data of the run with --data")
    return DataSources.of(DEFAULT_DATA)


def _notes(collected: Collected) -> list[str]:
    missing = collected.missing
    if not missing:
        return []
    return [
        f"{len(missing)} clips are left out, as the data no longer has them (the first is "
        f"{missing[0].id})"
    ]


def _about(page: Path, sources: DataSources, collected: Collected, n_shown: int) -> dict[str, Any]:
    from ruach_core.data.review.decisions import review_path

    paths = [review_path(source.path) for _, source in sources]
    clips = collected.clips[:n_shown]
    return {
        "page": str(page),
        "shown": n_shown,
        "left_out": len(collected.clips) - n_shown,
        "missing": len(collected.missing),
        "decided": sum(clip.decision is not None for clip in clips),
        "save_as": [str(path) for path in paths if path],
        "clips": [asdict(clip.clip) for clip in clips],
    }
