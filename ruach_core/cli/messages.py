"""What the commands say in the same way: errors, numbers of things, colour."""

from __future__ import annotations

import os
import sys

import click


def complain(message: object) -> None:
    """Write an error in one line on standard error."""
    click.echo(f"ruach: error: {' '.join(str(message).split())}", err=True)


def plural(n: int, noun: str) -> str:
    """`1 clip`, `2 clips`."""
    return f"{n} {noun}{'s' if n != 1 else ''}"


def has_color() -> bool:
    """Whether standard output is a terminal that wants colours (no-color.org)."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
