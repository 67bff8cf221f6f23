"""`ruach train`: fine-tune, evaluate, export."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from ruach_core.cli.launching import NAMES, launcher_options, processes_to_start

if TYPE_CHECKING:
    from ruach_core.config import RunConfig

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


def _show_settings(ctx: click.Context, _: click.Parameter, is_asked: bool) -> None:
    if is_asked and not ctx.resilient_parsing:
        from ruach_core.config import setting_names

        for name, about in setting_names().items():
            click.echo(f"--{name}\n    {about}")
        ctx.exit()


def _dotted_flags(arguments: tuple[str, ...]) -> dict[str, str]:
    """`--section.name value` and `--section.name=value` as a mapping.

    Raises:
        click.UsageError: something else, or a setting without its value.
    """
    flags: dict[str, str] = {}
    words = list(arguments)
    while words:
        word = words.pop(0)
        name, has_value, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or "." not in name:
            raise click.UsageError(f"no such option or argument: {word} (see --help, --settings)")
        if not has_value:
            if not words:
                raise click.UsageError(f"{word} needs a value")
            value = words.pop(0)
        flags[name] = value
    return flags


def _setting(name: str, **kwargs: Any) -> Callable[..., Any]:
    return click.option(f"--{name}", default=None, **kwargs)


@click.command(
    help=_HELP, context_settings={"ignore_unknown_options": True, "allow_extra_args": True}
)
@click.option("--lang", default=None, metavar="CODE", help="Language; see ruach langs list.")
@_setting("data", metavar="DIR", help="Dataset folder.  [default: dataset/data]")
@_setting("model", metavar="NAME|PATH", help="Base model: auto, whisper-small, a folder ...")
@_setting("output", metavar="DIR", help="Model folder.  [default: models/whisper-CODE]")
@_setting("epochs", type=int, help="Passes over the training clips.")
@_setting("seed", type=int, help="Of everything random.")
@click.option("--config", "config_file", metavar="FILE", help="TOML file of settings.")
@click.option("--option", "pack_options", multiple=True, metavar="NAME=VALUE",
              help="An option of the language pack; see ruach langs info CODE.")  # fmt: skip
@click.option("--no-pack", is_flag=True, default=None,
              help="Train a language that has no pack, by core's safe normaliser.")  # fmt: skip
@_setting("whisper-language", metavar="CODE",
          help="Whisper's token to use, by default the pack's or the language's own.")  # fmt: skip
@_setting("language-init", type=click.Choice(["keep", "detect"]),
          help="How the token begins: as it is, or as a blend of what Whisper hears.")  # fmt: skip
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier run's folders.")
@launcher_options
@click.option("--settings", is_flag=True, is_eager=True, expose_value=False,
              callback=_show_settings, help="List every setting and exit.")  # fmt: skip
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
    from pathlib import Path

    from ruach_core.cli.language import parse_options
    from ruach_core.config import build_config, read_config_file

    given = {name: value for name, value in ctx.params.items() if name not in NAMES}
    config_file, pack_options = given.pop("config_file"), given.pop("pack_options")
    file = read_config_file(Path(config_file)) if config_file else {}
    if given["lang"] is None and "lang" not in file:
        raise click.UsageError("--lang CODE is missing (ruach langs list shows the codes)")
    resume, overwrite = given.pop("resume"), given.pop("overwrite")
    flags: dict[str, Any] = {
        "training.epochs": given.pop("epochs"),
        "training.language_init": given.pop("language_init"),
        **given,
        **_dotted_flags(tuple(ctx.args)),
    }
    flags.update({f"options.{name}": value for name, value in parse_options(pack_options).items()})
    return TrainRequest(build_config(file, flags), resume, overwrite)
