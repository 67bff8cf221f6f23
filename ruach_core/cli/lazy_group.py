"""Groups of commands that are imported when they run, not to be listed."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command is, `module:attribute`, and its summary in the group's help."""

    target: str
    summary: str

    def load(self) -> click.Command:
        """Import it."""
        module, _, attribute = self.target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


class LazyGroup(click.Group):
    """A group that knows each command's summary, and imports a command only to run it."""

    def __init__(self, *args: Any, lazy: Mapping[str, LazyCommand], **kwargs: Any) -> None:
        """Args: lazy: the commands by name, in the order of the help; the rest is click's."""
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        return self._lazy[cmd_name].load() if cmd_name in self._lazy else None

    def help_rows(self) -> list[tuple[str, str]]:
        """Name and summary of each command."""
        return [(name, command.summary) for name, command in self._lazy.items()]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the stored summaries."""
        with formatter.section("Commands"):
            formatter.write_dl(self.help_rows())
