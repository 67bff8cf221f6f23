"""`ruach train`: fine-tune, evaluate, export."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ruach_core.cli.launching import NAMES, launcher_options, processes_to_start
from ruach_core.cli.run_settings import (
    ACCEPTS_SETTINGS,
    common_options,
    data_option,
    lang_option,
    read_settings,
    setting,
    settings_option,
)

if TYPE_CHECKING:
    from ruach_core.config import RunConfig

_HELP = """Fine-tune Whisper for a language, measure it honestly and export it.

\b
DIR holds train/metadata.csv and test/metadata.csv, each with the columns
file_name,transcription (and, better, speaker), and their audio:
    dataset/data/train/metadata.csv    dataset/data/train/audio/0001.wav ...
    dataset/data/test/metadata.csv     dataset/data/test/audio/0001.wav ...
With no dataset in place, the sample bundled with the language pack is used.
--data may be repeated; a weight says how often each training clip of a source is drawn in an
epoch: 0.5 in every second one, 2 twice in each.

\b
Examples:
    ruach train --lang am
    ruach train --lang am --data recordings --model whisper-small --epochs 10
    ruach train --lang am --data recordings --data read-speech:0.5
    ruach train --lang am --resume
    ruach train --lang xyz --no-pack --data recordings
    ruach train --lang am --window.policy full --training.batch_size 16

\b
Several GPUs of this machine are all used. Several machines, each with its number:
    ruach train --lang am --launcher torchrun --nnodes 2 --node-rank 0 \\
        --master-addr HOST0 --master-port 29500
In a Slurm job of 2 machines with 4 GPUs each:
    #SBATCH --nodes 2 --ntasks-per-node 4 --gpus-per-node 4
    srun ruach train --lang am --launcher slurm

Every setting can be given as --SECTION.NAME VALUE or in a TOML file (--config);
--settings lists them all.
"""


@click.command(help=_HELP, context_settings=ACCEPTS_SETTINGS)
@lang_option()
@data_option()
@setting("model", metavar="NAME|PATH", help="Base model: auto, whisper-small, a folder ...")
@setting("output", metavar="DIR", help="Model folder.  [default: models/whisper-CODE]")
@common_options
@setting("language-init", type=click.Choice(["keep", "detect"]),
         help="How the token begins: as it is, or as a blend of what Whisper hears.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier run's folders.")
@launcher_options
@settings_option()
@click.pass_context
def train(ctx: click.Context, /, **_: Any) -> None:
    """Fine-tune Whisper on a folder of clips and transcripts."""
    request = _request(ctx)
    shape = processes_to_start(ctx.params)
    if shape is not None:
        from ruach_core.training.launch import launch

        ctx.exit(launch(shape, sys.argv[1:]))

    from ruach_core.training.console import Console
    from ruach_core.training.ranks import ElsewhereError
    from ruach_core.training.run import train as run_training

    try:
        run_training(request.config, Console(), resume=request.resume, overwrite=request.overwrite)
    except ElsewhereError as error:
        ctx.exit(error.exit_code)


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """What the arguments of `ruach train` ask for."""

    config: RunConfig
    resume: bool
    overwrite: bool


def parse_arguments(arguments: Sequence[str]) -> TrainRequest:
    """What `ruach train` would do with the arguments, for another command that launches it.

    Raises:
        click.UsageError: wrong arguments, or one that says who starts the processes.
        UserError: a setting that is unknown or out of range.
    """
    with train.make_context("ruach train", list(arguments)) as ctx:
        for name in NAMES:
            if ctx.params[name] is not None:
                option = f"--{name.replace('_', '-')}"
                raise click.UsageError(f"{option} is for ruach train itself", ctx)
        return _request(ctx)


def _request(ctx: click.Context) -> TrainRequest:
    given = {name: value for name, value in ctx.params.items() if name not in NAMES}
    config_file, pack_options = given.pop("config_file"), given.pop("pack_options")
    resume, overwrite = given.pop("resume"), given.pop("overwrite")
    given["training.epochs"] = given.pop("epochs")
    given["training.language_init"] = given.pop("language_init")
    config = read_settings(ctx, config_file=config_file, pack_options=pack_options, named=given)
    return TrainRequest(config, resume, overwrite)
