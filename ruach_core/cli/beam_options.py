"""Options of the commands that decode with a beam."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def beam_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How wide the beam is, and who chooses among its hypotheses."""
    options = (
        click.option(
            "--beam-size",
            type=click.IntRange(1, 50),
            help="Hypotheses kept at each step; 1 is greedy, quicker and less accurate. By default "
            "5, or what the export's rescoring was tuned for.",
        ),
        click.option(
            "--no-rescoring",
            is_flag=True,
            help="Take the beam's own choice, though the export brings a CTC head or a language "
            "model.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
