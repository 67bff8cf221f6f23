"""`ruach ray train`."""

from __future__ import annotations

import click

_HELP = """Fine-tune on a Ray cluster, one worker a GPU; takes what ruach train takes.

\b
    ruach ray train --lang am --data recordings
    ruach ray train --workers 4 --lang am --resume

This folder, the dataset and the output must be on storage that all machines share.
"""


@click.group()
def ray() -> None:
    """Train on a Ray cluster."""


@ray.command(
    help=_HELP, context_settings={"ignore_unknown_options": True, "allow_extra_args": True}
)
@click.option("--workers", type=click.IntRange(1), metavar="N",
              help="Processes.  [default: one for each GPU of the cluster, else 1]")  # fmt: skip
@click.option("--address", metavar="HOST:PORT|auto",
              help="A running cluster.  [default: RAY_ADDRESS, else this machine]")  # fmt: skip
@click.pass_context
def train(ctx: click.Context, /, workers: int | None, address: str | None) -> None:
    """Fine-tune on a Ray cluster."""
    from ruach_core.cli.train import parse_arguments

    request = parse_arguments(ctx.args)

    from ruach_ray.cluster import train_on_cluster

    train_on_cluster(request, n_workers=workers, address=address)
