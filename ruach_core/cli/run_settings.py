"""The settings of a run on the command line: what `ruach train` and `ruach plan` have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ruach_core.config import RunConfig

ACCEPTS_SETTINGS = {"ignore_unknown_options": True, "allow_extra_args": True}
"""Context settings of a command that takes `--section.name value`."""

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def setting(name: str, **kwargs: Any) -> _Decorator:
    """An option whose default is the settings' own."""
    return click.option(f"--{name}", default=None, **kwargs)


def lang_option() -> _Decorator:
    """`--lang`; a file of settings may have it instead."""
    return click.option(
        "--lang", default=None, metavar="CODE", help="Language; see ruach langs list."
    )


def data_option() -> _Decorator:
    """`--data`, which may be repeated; None where it isn't given."""
    return click.option(
        "--data", multiple=True, metavar="DIR[:WEIGHT]",
        callback=lambda _context, _option, given: given or None,
        help="Dataset folder; may be repeated, with weights.  [default: dataset/data]",
    )  # fmt: skip


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that decide a run, whether it is made or only planned."""
    options: Sequence[_Decorator] = (
        setting("epochs", type=int, help="Passes over the training clips."),
        setting("seed", type=int, help="Of everything random."),
        click.option("--config", "config_file", metavar="FILE", help="TOML file of settings."),
        click.option("--option", "pack_options", multiple=True, metavar="NAME=VALUE",
                     help="An option of the language pack; see ruach langs info CODE."),
        click.option("--no-pack", is_flag=True, default=None,
                     help="Train a language that has no pack, by core's safe normaliser."),
        setting("whisper-language", metavar="CODE",
                help="Whisper's token to use, by default the pack's or the language's own."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def settings_option() -> _Decorator:
    """`--settings`: list every setting and exit."""
    return click.option(
        "--settings", is_flag=True, is_eager=True, expose_value=False, callback=_show_settings,
        help="List every setting and exit.",
    )  # fmt: skip


def read_settings(
    ctx: click.Context,
    *,
    config_file: str | None,
    pack_options: Sequence[str],
    named: Mapping[str, Any],
) -> RunConfig:
    """The settings from a file, the command's own options and dotted flags; flags win.

    Args:
        ctx: has the dotted flags, as arguments that click knows nothing of.
        config_file: a TOML file, or None.
        pack_options: `NAME=VALUE` of each `--option`.
        named: what the command's options gave, by the settings' names; None is left out.

    Raises:
        click.UsageError: no language, or something that is no setting.
        UserError: an unknown setting or a value out of range.
    """
    from pathlib import Path

    from ruach_core.cli.language import parse_options
    from ruach_core.config import build_config, read_config_file

    file = read_config_file(Path(config_file)) if config_file else {}
    if named["lang"] is None and "lang" not in file:
        raise click.UsageError("--lang CODE is missing (ruach langs list shows the codes)")
    flags: dict[str, Any] = {**named, **dotted_flags(ctx.args)}
    flags.update({f"options.{name}": value for name, value in parse_options(pack_options).items()})
    return build_config(file, flags)


def dotted_flags(arguments: Sequence[str]) -> dict[str, str]:
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


def _show_settings(ctx: click.Context, _: click.Parameter, is_asked: bool) -> None:
    if is_asked and not ctx.resilient_parsing:
        from ruach_core.config import setting_names

        for name, about in setting_names().items():
            click.echo(f"--{name}\n    {about}")
        ctx.exit()
