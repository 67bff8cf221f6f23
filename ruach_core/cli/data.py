"""`ruach data`: look at a corpus, prepare it, review it, split it, cut long recordings.

A subcommand's module is imported when it runs, not for `ruach data --help`.
"""

from __future__ import annotations

import importlib

import click

_COMMANDS = {
    "check": (
        "ruach_core.cli.data_check:data_check",
        "Say what is wrong with a corpus: audio, texts, splits.",
    ),
    "prepare": (
        "ruach_core.cli.data_prepare:data_prepare",
        "Write a corpus as a folder of 16 kHz wav files and tables.",
    ),
    "review": (
        "ruach_core.cli.data_review:data_review",
        "Make a page on which to decide about suspicious clips.",
    ),
    "split": (
        "ruach_core.cli.data_split:data_split",
        "Divide a corpus into train, validation and test.",
    ),
    "segment": (
        "ruach_core.cli.data_segment:data_segment",
        "Cut long recordings with known texts into clips.",
    ),
}
"""Of each subcommand: where it is, and its summary."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in _COMMANDS.items()])


@click.group(cls=_LazyGroup)
def data() -> None:
    """Check, prepare, review and split a corpus; cut long recordings into one."""
