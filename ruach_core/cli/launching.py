"""The options of `ruach train` that say who starts a run's processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ruach_core.training.launch import Shape

_OPTIONS = (
    click.option("--launcher", type=click.Choice(["local", "torchrun", "slurm"]),
                 help="Who starts the processes.  [default: local, or who did it]"),
    click.option("--nproc", "--nproc-per-node", type=click.IntRange(1), metavar="N",
                 help="Processes on this machine.  [default: one a GPU]"),
    click.option("--nnodes", type=click.IntRange(1), metavar="N", help="Machines (torchrun)."),
    click.option("--node-rank", type=click.IntRange(0), metavar="N",
                 help="Which machine this is, from 0 (torchrun)."),
    click.option("--master-addr", metavar="HOST", help="Machine 0 (torchrun)."),
    click.option("--master-port", type=click.IntRange(1, 65_535), metavar="PORT",
                 help="A free port of machine 0 (torchrun)."),
)  # fmt: skip
NAMES = ("launcher", "nproc", "nnodes", "node_rank", "master_addr", "master_port")
"""What the options are called in `ctx.params`."""


def launcher_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def processes_to_start(parameters: Mapping[str, Any]) -> Shape | None:
    """The processes that the options ask for; None where this one is to train.

    With Slurm, the variables of a launcher are set from Slurm's.

    Raises:
        click.UsageError: options that don't go together, or that come too late.
        UserError: `--launcher slurm` without srun.
    """
    from ruach_core.training import launch
    from ruach_core.training.ranks import LAUNCHER

    asked = {name: parameters[name] for name in NAMES if parameters[name] is not None}
    launcher = asked.pop("launcher", None)
    if launch.is_launched(os.environ):
        if LAUNCHER not in os.environ and (asked or launcher == "torchrun"):
            raise click.UsageError(
                "something has launched this process already, with RANK and WORLD_SIZE in its "
                "environment: --launcher torchrun and the options of processes are its part"
            )
        return None
    if launcher == "slurm" or (launcher is None and launch.is_slurm_step(os.environ)):
        if asked:
            raise click.UsageError("with Slurm, srun's options say how many processes there are")
        os.environ.update(launch.slurm_variables(os.environ))
        return None
    if launcher != "torchrun" and asked.keys() - {"nproc"}:
        raise click.UsageError("several machines need --launcher torchrun")
    shape = launch.Shape(
        asked.get("nproc") or launch.n_devices() or 1,
        n_nodes=asked.get("nnodes", 1),
        node_rank=asked.get("node_rank", 0),
        address=asked.get("master_addr", launch.THIS_MACHINE),
        port=asked.get("master_port", 0),
    )
    shape.check()
    return shape if shape.n_ranks > 1 else None
