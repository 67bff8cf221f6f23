"""`ruach train`: fine-tune, evaluate, export."""

from __future__ import annotations

from typing import Any

import click

from ruach_core.cli.run_settings import (
    ACCEPTS_SETTINGS,
    common_options,
    lang_option,
    read_settings,
    setting,
    settings_option,
)

_HELP = """Fine-tune Whisper for a language, measure it honestly and export it.

\b
DIR holds train/metadata.csv and test/metadata.csv, each with the columns
file_name,transcription (and, better, speaker), and their audio:
    dataset/data/train/metadata.csv    dataset/data/train/audio/0001.wav ...
    dataset/data/test/metadata.csv     dataset/data/test/audio/0001.wav ...
With no dataset in place, the sample bundled with the language pack is used.

\b
Examples:
    ruach train --lang am
    ruach train --lang am --data recordings --model whisper-small --epochs 10
    ruach train --lang am --resume
    ruach train --lang xyz --no-pack --data recordings
    ruach train --lang am --window.policy full --training.batch_size 16

Every setting can be given as --SECTION.NAME VALUE or in a TOML file (--config);
--settings lists them all.
"""


@click.command(help=_HELP, context_settings=ACCEPTS_SETTINGS)
@lang_option()
@setting("data", metavar="DIR", help="Dataset folder.  [default: dataset/data]")
@setting("model", metavar="NAME|PATH", help="Base model: auto, whisper-small, a folder ...")
@setting("output", metavar="DIR", help="Model folder.  [default: models/whisper-CODE]")
@common_options
@setting("language-init", type=click.Choice(["keep", "detect"]),
         help="How the token begins: as it is, or as a blend of what Whisper hears.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier run's folders.")
@settings_option()
@click.pass_context
def train(
    ctx: click.Context,
    /,
    *,
    config_file: str | None,
    pack_options: tuple[str, ...],
    resume: bool,
    overwrite: bool,
    epochs: int | None,
    language_init: str | None,
    **named: Any,
) -> None:
    """Fine-tune Whisper on a folder of clips and transcripts."""
    from ruach_core.training.console import Console
    from ruach_core.training.run import train as run_training

    named |= {"training.epochs": epochs, "training.language_init": language_init}
    config = read_settings(ctx, config_file=config_file, pack_options=pack_options, named=named)
    run_training(config, Console(), resume=resume, overwrite=overwrite)
