"""What `ruach data prepare` and `ruach data split` have in common on the command line."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from ruach_core.cli.language import pack_option
from ruach_core.errors import UserError

if TYPE_CHECKING:
    from ruach_core.blame import BlamedNormalizer
    from ruach_core.data.split_choice import NewSplits
    from ruach_core.plugins import Plugins

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
_SHARE = click.FloatRange(0, 1, max_open=True)


def split_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that decide new splits."""
    options: tuple[_Decorator, ...] = (
        click.option("--validation", type=_SHARE, help="Share of the clips.  [default: 0.1]"),
        click.option("--test", type=_SHARE, help="Share of the clips.  [default: 0.1]"),
        click.option("--seed", type=int, help="Another seed, other splits.  [default: 42]"),
        click.option(
            "--disjoint", type=click.Choice(["both", "sentence"]),
            help="Share neither speakers nor sentences, or no sentences.  [default: both if it "
            "can be]",
        ),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def pack_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that decide the normaliser."""
    options: tuple[_Decorator, ...] = (
        pack_option,
        click.option("--no-pack", is_flag=True,
                     help="A language that has no pack, by core's safe normaliser."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def load_language(
    lang: str, settings: tuple[str, ...], *, no_pack: bool
) -> tuple[Plugins, BlamedNormalizer]:
    """The plugins of a language and its normaliser.

    Raises:
        UserError: an option that the pack doesn't have.
        PackError: the pack is missing or broken.
    """
    from ruach_core.cli.language import parse_options
    from ruach_core.plugins import Plugins

    plugins = Plugins.load(lang, use_pack=not no_pack)
    return plugins, plugins.normalizer(parse_options(settings))


def choose_splits(given: Mapping[str, Any], known: NewSplits | None) -> NewSplits:
    """The splits that the flags ask for; what they leave open is as it was, or the default.

    Raises:
        UserError: train would be left with nothing.
    """
    from ruach_core.data.assign import Shares
    from ruach_core.data.split_choice import NewSplits

    base = known or NewSplits()
    validation = base.shares.validation if given["validation"] is None else given["validation"]
    test = base.shares.test if given["test"] is None else given["test"]
    if validation + test >= 1:
        raise UserError(
            f"--validation {validation:g} --test {test:g}: leave something to train, their sum "
            "must be below 1"
        )
    seed = base.seed if given["seed"] is None else given["seed"]
    return NewSplits(Shares(validation, test), seed, given["disjoint"] or base.disjoint)


@contextmanager
def progress_line() -> Iterator[Callable[[int, int, float], object] | None]:
    """A bar on standard error where a person looks on.

    How many rows there will be isn't known without reading the source twice, so the bar only moves.
    """
    if not sys.stderr.isatty():
        yield None
        return
    n_shown = 0
    with click.progressbar(
        # Of a generator click asks no length, and shows none.
        iterable=(None for _ in ()),
        label="prepare",
        file=sys.stderr,
        show_pos=True,
        item_show_func=lambda text: text,
        width=min(30, shutil.get_terminal_size().columns // 4),
        update_min_steps=8,
    ) as bar:

        def show(n_done: int, n_rejected: int, seconds: float) -> None:
            nonlocal n_shown
            text = f"{seconds / 3600:.2f} h, {n_rejected} rejected"
            bar.update(n_done - n_shown, text)  # type: ignore[arg-type]
            n_shown = n_done

        yield show
