"""Register plugins with pluggy, and refuse those whose hooks can't be what they mean.

pluggy alone registers a misspelt hook in silence and lets an import error through without a
name; here each plugin is looked at before it is registered, and a bad one leaves no trace.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from typing import Literal

import pluggy

from ruach_core import hookspecs
from ruach_core.blame import describe_exception
from ruach_core.errors import PackError
from ruach_core.packs import distribution_of

_PREFIX = "ruach_"


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """One plugin as `ruach plugins list` shows it.

    Attributes:
        name: the name under which it is registered: its entry point's, or `core.<module>`.
        distribution: the distribution that brings it.
        version: the distribution's version.
        kind: core's own, another plugin, a language pack, or a command.
        hooks: the hooks that it implements, sorted.
        status: `off` is kept out by RUACH_PLUGINS.
        problem: what is wrong and how to mend it, in one line; None unless `invalid`.
    """

    name: str
    distribution: str
    version: str
    kind: Literal["core", "plugin", "pack", "command"]
    hooks: tuple[str, ...] = ()
    status: Literal["ok", "off", "invalid"] = "ok"
    problem: str | None = None

    @property
    def origin(self) -> str:
        """Distribution and version: `ruach-lang-am 0.1.0`."""
        return f"{self.distribution} {self.version}".strip()

    @property
    def label(self) -> str:
        """How messages name it: `plugin 'x' (ruach-x 0.1.0)`."""
        kind = "pack" if self.kind == "pack" else "plugin"
        return f"{kind} {self.name!r} ({self.origin})"

    def error(self, reason: str) -> PackError:
        """A PackError for this plugin."""
        return PackError(f"{self.label}: {reason}")

    def invalid(self, problem: str) -> PluginRecord:
        """The record of this plugin with a problem."""
        return replace(self, status="invalid", problem=problem)


def describe_entry_point(point: EntryPoint, kind: Literal["plugin", "command"]) -> PluginRecord:
    """The record of an entry point that hasn't been imported."""
    return PluginRecord(point.name, *distribution_of(point), kind)


def import_plugin(module: str, record: PluginRecord) -> object:
    """Import a plugin's or a pack's module.

    Raises:
        PackError: the import failed, for whatever reason.
    """
    try:
        return importlib.import_module(module)
    # Any code may run when a plugin is imported, and whatever it raises must name the plugin;
    # SystemExit too, or a plugin could end the program without a word.
    except (Exception, SystemExit) as error:
        raise record.error(
            f"import of {module} failed: {describe_exception(error)}; "
            f"run pip install --force-reinstall {record.distribution}, or uninstall it"
        ) from error


def import_entry_point(point: EntryPoint, record: PluginRecord) -> object:
    """Import what an entry point names: a module, or an object in one.

    Raises:
        PackError: the import failed, or the module has no such object.
    """
    module, _, attribute = point.value.partition("[")[0].strip().partition(":")
    plugin = import_plugin(module.strip(), record)
    for name in filter(None, attribute.strip().split(".")):
        try:
            plugin = getattr(plugin, name)
        except AttributeError as error:
            raise record.error(
                f"{module} has no {name}: run pip install --upgrade {record.distribution}, "
                "or uninstall it"
            ) from error
    return plugin


class PluginRegistry:
    """The plugins of one run, and pluggy's manager behind them."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._records: dict[str, PluginRecord] = {}

    def register(self, plugin: object, record: PluginRecord) -> PluginRecord:
        """Register a plugin; the record returned has its hooks.

        Raises:
            PackError: a misspelt hook, an unknown argument, a hook wrapper, a missing marker, or
                a name or module that is registered already.
        """
        if record.name in self._records:
            other = self._records[record.name].origin
            raise record.error(
                f"{other} brings a plugin of the same name: uninstall one of the two"
            )
        problem = self._find_problem(plugin)
        if problem is not None:
            raise record.error(f"{problem}; correct it, or uninstall {record.distribution}")
        try:
            self._manager.register(plugin, record.name)
        except pluggy.PluginValidationError as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise record.error(
                f"{'; '.join(lines[1:] or lines)}; correct it, or uninstall {record.distribution}"
            ) from error
        except ValueError as error:
            raise record.error(
                f"registered twice: another plugin is the same object; uninstall one ({error})"
            ) from error
        callers = self._manager.get_hookcallers(plugin) or []
        record = replace(record, hooks=tuple(sorted(caller.name for caller in callers)))
        self._records[record.name] = record
        return record

    def check_pending(self) -> None:
        """Last check that every registered hook exists.

        Raises:
            PackError: a hook that doesn't.
        """
        try:
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise PackError(" ".join(str(error).split())) from error

    def providers(self, hook: str) -> Iterator[tuple[pluggy.HookImpl, PluginRecord]]:
        """Who implements a hook, in the order in which they are to be asked."""
        caller: pluggy.HookCaller = getattr(self._manager.hook, hook)
        # pluggy keeps them in registration order and calls the last first.
        for implementation in reversed(caller.get_hookimpls()):
            yield implementation, self._records[implementation.plugin_name]

    def _find_problem(self, plugin: object) -> str | None:
        known = [name for name in vars(hookspecs) if name.startswith(_PREFIX)]
        for name in dir(plugin):
            options = self._manager.parse_hookimpl_opts(plugin, name)
            if options is None:
                if name in known and _is_own_function(plugin, name):
                    return f"{name} lacks its marker @ruach_core.hookimpl"
                continue
            hook = options.get("specname") or name
            if hook not in known and not options.get("optionalhook"):
                near = difflib.get_close_matches(hook, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"hooks are {', '.join(known)}"
                return f"unknown hook {hook}: {hint}"
            if options.get("wrapper") or options.get("hookwrapper"):
                return f"{hook} is a hook wrapper, which Ruach doesn't take"
        return None


def _is_own_function(plugin: object, name: str) -> bool:
    function = getattr(plugin, name, None)
    return inspect.isfunction(function) and (
        function.__module__ == getattr(plugin, "__name__", function.__module__)
    )
