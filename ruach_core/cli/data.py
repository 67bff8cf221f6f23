"""`ruach data`: look at a corpus, prepare it, review it, split it, cut long recordings."""

from __future__ import annotations

import click

from ruach_core.cli.lazy_group import LazyCommand, LazyGroup

_COMMANDS = {
    "check": LazyCommand(
        "ruach_core.cli.data_check:data_check",
        "Say what is wrong with a corpus: audio, texts, splits.",
    ),
    "prepare": LazyCommand(
        "ruach_core.cli.data_prepare:data_prepare",
        "Write a corpus as a folder of 16 kHz wav files and tables.",
    ),
    "review": LazyCommand(
        "ruach_core.cli.data_review:data_review",
        "Make a page on which to decide about suspicious clips.",
    ),
    "split": LazyCommand(
        "ruach_core.cli.data_split:data_split",
        "Divide a corpus into train, validation and test.",
    ),
    "segment": LazyCommand(
        "ruach_core.cli.data_segment:data_segment",
        "Cut long recordings with known texts into clips.",
    ),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def data() -> None:
    """Check, prepare, review and split a corpus; cut long recordings into one."""
