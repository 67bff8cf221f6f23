"""`ruach plugins list`: what is plugged in, who brought it, and what is wrong with it."""

from __future__ import annotations

import json

import click

from ruach_core.cli.table import format_table


@click.group()
def plugins() -> None:
    """List what is plugged in."""


@plugins.command("list", short_help="List plugins, packs and commands, with their hooks.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.option("--all", "show_all", is_flag=True, help="Show core's own plugins too.")
def plugins_list(*, as_json: bool, show_all: bool) -> None:
    """Each plugin, language pack and command: distribution, version, hooks and status.

    Plugins and packs are imported to see their hooks; one that can't be is a row.
    """
    from ruach_core.plugins import survey_plugins

    records = [record for record in survey_plugins() if show_all or record.kind != "core"]
    if as_json:
        rows = [
            {
                "name": record.name,
                "kind": record.kind,
                "distribution": record.distribution,
                "version": record.version,
                "hooks": list(record.hooks),
                "status": record.status,
                "problem": record.problem,
            }
            for record in records
        ]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    heading = ("NAME", "KIND", "DISTRIBUTION", "VERSION", "HOOKS", "STATUS")
    click.echo(
        format_table(
            heading,
            [
                (
                    record.name,
                    record.kind,
                    record.distribution,
                    record.version,
                    " ".join(hook.removeprefix("ruach_") for hook in record.hooks) or "-",
                    f"invalid: {record.problem}" if record.problem else record.status,
                )
                for record in records
            ],
        )
    )
