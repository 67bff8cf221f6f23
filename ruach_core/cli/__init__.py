"""The `ruach` command: lazy subcommands, and the one place where errors become lines.

A command's module is imported when the command runs, not for `ruach --help`.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

import click

from ruach_core.cli.lazy_group import LazyCommand, LazyGroup
from ruach_core.cli.messages import complain
from ruach_core.errors import RuachError, UserError
from ruach_core.packs import core_version, distribution_of

COMMANDS_GROUP = "ruach.commands"
_PLUGGED_IN = (COMMANDS_GROUP, "ruach.languages", "ruach.plugins")
TRACEBACK_FLAG = "--traceback"
_INTERRUPTED = 130
"""Exit status of a program that Ctrl-C ended: 128 + SIGINT."""


_CORE_COMMANDS = {
    "plan": LazyCommand(
        "ruach_core.cli.plan:plan", "Say what training would take, before anything is spent."
    ),
    "train": LazyCommand(
        "ruach_core.cli.train:train", "Fine-tune Whisper on a folder of clips and transcripts."
    ),
    "evaluate": LazyCommand(
        "ruach_core.cli.evaluate:evaluate", "Measure a model's WER and CER on a dataset."
    ),
    "transcribe": LazyCommand(
        "ruach_core.cli.transcribe:transcribe", "Turn audio files into text or subtitles."
    ),
    "langs": LazyCommand(
        "ruach_core.cli.langs:langs", "List, show, check and try out language packs."
    ),
    "data": LazyCommand(
        "ruach_core.cli.data:data", "Check, prepare, split, review and segment a corpus."
    ),
    "plugins": LazyCommand("ruach_core.cli.plugins:plugins", "List what is plugged in."),
}


class _WarningHandler(logging.Handler):
    """Writes what core and plugins log as lines on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        message = " ".join(self.format(record).split())
        click.echo(f"ruach: {record.levelname.lower()}: {message}", err=True)


class _Commands(LazyGroup):
    """Core's commands, then those of plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *sorted(_plugin_commands())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command.

        Raises:
            UserError: a plugin's command can't be imported, or two plugins bring it.
        """
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        found = _plugin_commands().get(cmd_name, [])
        if len(found) > 1:
            names = " and ".join(sorted(_origin(point) for point in found))
            raise UserError(f"command {cmd_name!r} is brought by {names}: uninstall one of them")
        return _import_plugin_command(found[0]) if found else None

    def help_rows(self) -> list[tuple[str, str]]:
        found = sorted(_plugin_commands().items())
        return [*super().help_rows(), *((name, f"From {_origin(by[0])}.") for name, by in found)]


def _origin(point: EntryPoint) -> str:
    return " ".join(distribution_of(point))


def _plugin_commands() -> dict[str, list[EntryPoint]]:
    """Commands from the entry-point group; one that has a core command's name is left out."""
    commands: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=COMMANDS_GROUP):
        if point.name not in _CORE_COMMANDS:
            commands.setdefault(point.name, []).append(point)
    return commands


def _import_plugin_command(point: EntryPoint) -> click.Command:
    try:
        command = LazyCommand(point.value, "").load()
    # Any code may run at a plugin's import, and whatever it raises must name the plugin.
    except Exception as error:
        raise UserError(
            f"command {point.name!r} of {_origin(point)} can't be imported: "
            f"{type(error).__name__}: {error}; upgrade or uninstall that distribution"
        ) from error
    if not isinstance(command, click.Command):
        raise UserError(
            f"command {point.name!r} of {_origin(point)}: {point.value} isn't a click command; "
            "upgrade or uninstall that distribution"
        )
    return command


def _show_version(ctx: click.Context, _: click.Parameter, is_asked: bool) -> None:
    if is_asked and not ctx.resilient_parsing:
        click.echo(f"ruach {core_version()}")
        ctx.exit()


@click.group(
    cls=_Commands,
    lazy=_CORE_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the version and exit.",
)
@click.option(
    TRACEBACK_FLAG,
    is_flag=True,
    expose_value=False,
    help="Show the whole traceback of an error; works after any command.",
)
def cli() -> None:
    """Teach Whisper a language: from a folder of clips to a model that runs on your machine."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; errors become one line on stderr.

    Args:
        arguments: the arguments, by default those of the process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    words, wants_traceback = _take_traceback_flag(words)
    _prepare_streams()
    _show_warnings()
    try:
        status = _run(words)
        sys.stdout.flush()
    except RuachError as error:
        if wants_traceback:
            raise
        return _fail(str(error), error.exit_code)
    except BrokenPipeError:
        # The reader of a pipe (`| head`) has gone: no fault, and nobody to tell.
        _silence_stdout()
        return 1
    except OSError as error:
        # A full disk or a forbidden folder is the machine's doing, wherever it is met.
        if wants_traceback:
            raise
        _silence_stdout()
        where = f": {error.filename}" if error.filename else ""
        return _fail(f"{error.strerror or error}{where} ({TRACEBACK_FLAG} shows where)", 1)
    return status


def _run(words: list[str]) -> int:
    try:
        result = cli.main(words, prog_name="ruach", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("ruach: interrupted", err=True)
        return _INTERRUPTED
    except SystemExit as error:
        # click ends like this where the reader of a pipe has gone.
        _silence_stdout()
        return error.code if isinstance(error.code, int) else 1
    return result if isinstance(result, int) else 0


def _take_traceback_flag(words: list[str]) -> tuple[list[str], bool]:
    """Take the flag out, wherever it stands before `--`, so that it works after any command."""
    end = words.index("--") if "--" in words else len(words)
    kept = [word for word in words[:end] if word != TRACEBACK_FLAG]
    return kept + words[end:], len(kept) < end


def _prepare_streams() -> None:
    """Write UTF-8 whatever the locale: the languages here fit no other encoding."""
    # Python has None for a stream that its parent closed.
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="backslashreplace")


def _show_warnings() -> None:
    """Have what core and plugins log in their packages' names become lines on standard error."""
    every = entry_points()
    points = [point for group in _PLUGGED_IN for point in every.select(group=group)]
    packages = {re.split(r"[.:\s]", point.value, maxsplit=1)[0] for point in points} - {""}
    for name in ("ruach_core", *packages):
        logger = logging.getLogger(name)
        if not any(isinstance(handler, _WarningHandler) for handler in logger.handlers):
            logger.addHandler(_WarningHandler(logging.WARNING))


def _silence_stdout() -> None:
    # Python flushes standard output once more when it ends, which would fail once more.
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _fail(message: str, status: int) -> int:
    complain(message)
    return status
