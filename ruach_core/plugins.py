"""The typed facade over pluggy: load plugins, call their hooks, and say whose fault a fault is.

Nothing else touches pluggy's hooks. Each provider is called by itself, so that the facade knows
who answered; what it returned is checked and wrapped (`ruach_core.blame`).

Environment: `RUACH_PLUGINS` is an allow-list of plugins from the entry-point group
`ruach.plugins` (comma-separated names; empty for none of them); `RUACH_TRACE_HOOKS=1` shows each
hook call on standard error.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from ruach_core.blame import (
    Blame,
    BlamedCheck,
    BlamedExporter,
    BlamedLoader,
    BlamedMetric,
    BlamedModelSource,
    BlamedNormalizer,
    describe_type,
    find_duplicates,
    find_mismatch,
    split_source,
)
from ruach_core.errors import DataError, PackError, UserError
from ruach_core.manifest import BundledSample, PackManifest, load_manifest
from ruach_core.packs import PackRecord, core_version, find_pack, find_packs
from ruach_core.plugin_registry import (
    PluginRecord,
    PluginRegistry,
    describe_entry_point,
    import_entry_point,
    import_plugin,
)
from ruach_core.sources import find_forbidden
from ruach_core.types import EvalReport, RunInfo

PLUGINS_GROUP = "ruach.plugins"
COMMANDS_GROUP = "ruach.commands"
ALLOW_VARIABLE = "RUACH_PLUGINS"
TRACE_VARIABLE = "RUACH_TRACE_HOOKS"
UNDETERMINED = "und"
"""BCP 47's code for no particular language: what hooks get as `lang` in a run without a pack."""

DEFAULT_PLUGINS = (
    "ruach_core.default_plugins.normalizer",
    "ruach_core.default_plugins.checks",
    "ruach_core.default_plugins.loaders",
    "ruach_core.default_plugins.metrics",
    "ruach_core.default_plugins.base_models",
    "ruach_core.default_plugins.ctranslate2_export",
)
"""Core's own features: registered first, asked last, with no rights that another plugin lacks."""

_log = logging.getLogger(__name__)
_trace = logging.getLogger("ruach_core.hook_trace")
_NO_OPTIONS: Mapping[str, str] = MappingProxyType({})
_in_process: dict[str, object] = {}
_Wrapper = TypeVar(
    "_Wrapper", BlamedCheck, BlamedExporter, BlamedLoader, BlamedMetric, BlamedModelSource
)


class Plugins:
    """The plugins of one run; `Plugins.load` makes it.

    Attributes:
        lang: the language code that was asked for, or None.
        pack: record of its pack, or None.
        manifest: the pack's manifest, or None.
        records: every plugin that was found, those that couldn't be loaded among them.
    """

    def __init__(
        self,
        lang: str | None,
        pack: PackRecord | None,
        manifest: PackManifest | None,
        registry: PluginRegistry,
        records: Iterable[PluginRecord],
    ) -> None:
        self.lang = lang
        self.pack = pack
        self.manifest = manifest
        self.records = tuple(records)
        self._registry = registry
        self._collected: dict[str, tuple[Any, ...]] = {}

    @classmethod
    def load(cls, lang: str | None, *, use_pack: bool = True) -> Plugins:
        """Load core's plugins, those of `ruach.plugins`, and the pack of one language.

        Args:
            lang: code of the language, or None where no language matters.
            use_pack: load the language's pack; without it core's own normaliser serves.

        Raises:
            PackError: the pack is missing or broken, or a plugin that RUACH_PLUGINS names is.
                Any other broken plugin is left out with a logged warning.
        """
        _set_trace()
        registry = PluginRegistry()
        records = [_register_default(registry, module) for module in DEFAULT_PLUGINS]
        records += list(_register_entry_points(registry))
        for name, plugin in _in_process.items():
            record = PluginRecord(name, "in this process", "", "plugin")
            records.append(registry.register(plugin, record))
        pack, manifest = None, None
        if lang is not None and use_pack:
            pack = find_pack(lang)
            manifest = load_manifest(pack)
            records.append(_register_pack(registry, pack))
        registry.check_pending()
        return cls(lang, pack, manifest, registry, records)

    def normalizer(self, options: Mapping[str, str] = _NO_OPTIONS) -> BlamedNormalizer:
        """The language's normaliser: the pack's own, or core's.

        Args:
            options: the pack's own options (`numbers=keep`); absent ones keep their defaults.

        Raises:
            UserError: an option or a value that the pack doesn't have.
            PackError: no plugin normalises the language.
            PluginError: the hook failed or returned something else.
        """
        hook = "ruach_normalizer"
        options = MappingProxyType(self.check_options(options))
        for blame, result in self._call(hook, lang=self._code, options=options):
            if result is None:
                continue
            mismatch = find_mismatch(result, BlamedNormalizer.METHODS)
            if mismatch is not None:
                raise blame.error(f"returned {mismatch}, not a TextNormalizer or None")
            return BlamedNormalizer(result, blame)
        raise PackError(
            f"no plugin normalises {self._code!r}: install its language pack, "
            "and check that ruach-core is whole with pip install --force-reinstall ruach-core"
        )

    def check_options(self, options: Mapping[str, str]) -> dict[str, str]:
        """The options, once each is known to be one of the pack's.

        Raises:
            UserError: an unknown option or value; lists the valid ones.
        """
        known = self.manifest.options if self.manifest is not None else {}
        for name, value in options.items():
            if name not in known:
                valid = ", ".join(sorted(known)) or "none"
                raise UserError(f"option {name!r} is unknown to {self._code!r}: it has {valid}")
            if value not in known[name].values:
                valid = ", ".join(known[name].values)
                raise UserError(f"option {name}={value}: {name} is one of {valid}")
        return dict(options)

    def tokenization_checks(self) -> tuple[BlamedCheck, ...]:
        """All plugins' checks of references against the tokenizer."""
        return self._collect("ruach_tokenization_checks", BlamedCheck, lang=self._code)

    def dataset_loaders(self) -> tuple[BlamedLoader, ...]:
        """All loaders of corpus layouts: the pack's, then other plugins', then core's."""
        return self._collect("ruach_dataset_loaders", BlamedLoader, lang=self._code)

    def find_dataset_loader(self, source: Path) -> BlamedLoader:
        """The loader that the source names (`kaldi:DIR`), or the first that knows its layout.

        Raises:
            DataError: the source doesn't exist, no loader has that name, or none knows its layout,
                perhaps since it may not be read.
        """
        loaders = self.dataset_loaders()
        names = ", ".join(loader.name for loader in loaders) or "none installed"
        wanted, _ = split_source(source)
        if wanted is not None:
            found = next((loader for loader in loaders if loader.name == wanted), None)
            if found is None:
                raise DataError(f"{source}: no file of that name, and no loader {wanted} ({names})")
            return found
        if not source.exists():
            raise DataError(f"{source}: no such dataset; give its folder with --data")
        for loader in loaders:
            if loader.detect(source):
                return loader
        if (forbidden := find_forbidden(source)) is not None:
            raise DataError(
                f"{forbidden}: may not be read by this user, so the layout can't be told; change "
                f"its permissions (chmod -R u+rX), or name the loader ({names}) as in "
                f"folder:{source}"
            )
        raise DataError(
            f"{source}: not a layout that any loader knows ({names}): put "
            "train/metadata.csv with columns file_name and transcription there, or install a "
            "ruach-data plugin for the corpus"
        )

    def base_model_sources(self) -> tuple[BlamedModelSource, ...]:
        """All sources of base models, in the order in which to ask them."""
        return self._collect("ruach_base_models", BlamedModelSource)

    def metrics(self) -> tuple[BlamedMetric, ...]:
        """All metrics."""
        return self._collect("ruach_metrics", BlamedMetric)

    def exporters(self) -> tuple[BlamedExporter, ...]:
        """All exporters."""
        return self._collect("ruach_exporters", BlamedExporter)

    def exporter(self, name: str) -> BlamedExporter:
        """The exporter of a name.

        Raises:
            UserError: there is none; lists those that there are.
        """
        exporters = {exporter.name: exporter for exporter in self.exporters()}
        if name not in exporters:
            valid = ", ".join(sorted(exporters)) or "none installed"
            raise UserError(f"no exporter {name!r}: there is {valid}")
        return exporters[name]

    def before_train(self, run: RunInfo) -> None:
        """Tell every plugin that training is about to start."""
        self._notify("ruach_before_train", run=run)

    def after_evaluate(self, report: EvalReport) -> None:
        """Tell every plugin the result of an evaluation."""
        self._notify("ruach_after_evaluate", report=report)

    @property
    def sample(self) -> BundledSample | None:
        """The clips that the language's pack brings, if it brings any."""
        facts = self.manifest.sample if self.manifest else None
        if facts is None or self.pack is None or self.pack.directory is None:
            return None
        return BundledSample(self.pack.directory / facts.path, self.pack.distribution, facts)

    @property
    def _code(self) -> str:
        return self.lang if self.lang is not None else UNDETERMINED

    def _call(self, hook: str, **arguments: object) -> Iterator[tuple[Blame, Any]]:
        """Call the providers of a hook one by one, as far as the caller goes on asking."""
        for implementation, record in self._registry.providers(hook):
            blame = Blame(record.name, record.origin, hook)
            values = [arguments[name] for name in implementation.argnames]
            started = time.perf_counter()
            result = blame.call(implementation.function, *values)
            _trace.debug(
                "%s(%s) by %s (%s), %.1f ms -> %.200r",
                hook,
                ", ".join(f"{name}={arguments[name]!r}" for name in implementation.argnames),
                record.name,
                record.origin,
                1000 * (time.perf_counter() - started),
                result,
            )
            yield blame, result

    def _collect(
        self, hook: str, wrapper: type[_Wrapper], **arguments: object
    ) -> tuple[_Wrapper, ...]:
        """What all providers of a list hook returned, wrapped; the hook is called once."""
        if hook in self._collected:
            return self._collected[hook]
        found: list[tuple[_Wrapper, Blame]] = []
        for blame, result in self._call(hook, **arguments):
            if not isinstance(result, list | tuple):
                raise blame.error(f"returned {describe_type(result)}, not a list")
            for item in result:
                mismatch = find_mismatch(item, wrapper.METHODS)
                if mismatch is not None:
                    kind = wrapper.__name__.removeprefix("Blamed")
                    raise blame.error(f"returned a list with {mismatch}, not a {kind}")
                found.append((wrapper(item, blame), blame))
        duplicate = find_duplicates((item.name, blame) for item, blame in found)
        if duplicate is not None:
            name, first, second = duplicate
            raise PackError(
                f"{hook}: plugin {first.plugin!r} ({first.distribution}) and plugin "
                f"{second.plugin!r} ({second.distribution}) both bring {name!r}: uninstall one"
            )
        self._collected[hook] = tuple(item for item, _ in found)
        return self._collected[hook]

    def _notify(self, hook: str, **arguments: object) -> None:
        for blame, result in self._call(hook, **arguments):
            if result is not None:
                raise blame.wrong_type(result, "None")


def survey_plugins() -> tuple[PluginRecord, ...]:
    """Every plugin, pack and command that is installed, each imported by itself; none raises."""
    registry = PluginRegistry()
    records = [_register_default(registry, module) for module in DEFAULT_PLUGINS]
    records += reversed(list(_register_entry_points(registry, is_strict=False)))
    for pack in find_packs():
        record = PluginRecord(pack.code, pack.distribution, pack.version, "pack")
        try:
            # A registry of its own: what one pack does must not show in another's row.
            records.append(_register_pack(PluginRegistry(), pack))
        except PackError as error:
            records.append(record.invalid(pack.problem or str(error)))
    for point in sorted(entry_points(group=COMMANDS_GROUP), key=lambda p: p.name):
        record = describe_entry_point(point, "command")
        try:
            import_entry_point(point, record)
        except PackError as error:
            record = record.invalid(str(error))
        records.append(record)
    return tuple(records)


def register_in_process(plugin: object, name: str) -> None:
    """Give every later `Plugins.load` of this process one more plugin; for tests.

    Raises:
        ValueError: the name is taken.
    """
    if name in _in_process:
        raise ValueError(f"a plugin {name!r} is registered in this process already")
    _in_process[name] = plugin


def unregister_in_process(name: str) -> None:
    """Take back what `register_in_process` gave."""
    del _in_process[name]


def allowed_plugins() -> frozenset[str] | None:
    """The names in RUACH_PLUGINS, or None where it isn't set and all plugins may load."""
    value = os.environ.get(ALLOW_VARIABLE)
    if value is None:
        return None
    return frozenset(name.strip() for name in value.split(",") if name.strip())


def _register_default(registry: PluginRegistry, module: str) -> PluginRecord:
    name = f"core.{module.rpartition('.')[2]}"
    record = PluginRecord(name, "ruach-core", core_version(), "core")
    return registry.register(importlib.import_module(module), record)


def _register_entry_points(
    registry: PluginRegistry, *, is_strict: bool = True
) -> Iterator[PluginRecord]:
    # pluggy asks the last registered first: registered backwards, they are asked by name.
    points = sorted(entry_points(group=PLUGINS_GROUP), key=lambda p: p.name, reverse=True)
    allowed = allowed_plugins()
    missing = (allowed or frozenset()) - {point.name for point in points}
    if missing and is_strict:
        installed = ", ".join(sorted(point.name for point in points)) or "none"
        raise UserError(
            f"{ALLOW_VARIABLE} names {min(missing)!r}, which is not installed "
            f"(installed: {installed}): install it, or correct {ALLOW_VARIABLE}"
        )
    for point in points:
        record = describe_entry_point(point, "plugin")
        if allowed is not None and point.name not in allowed:
            yield replace(record, status="off")
            continue
        try:
            yield registry.register(import_entry_point(point, record), record)
        except PackError as error:
            if is_strict and allowed is not None:
                raise
            if is_strict:
                _log.warning("%s; it is left out", error)
            yield record.invalid(str(error))


def _register_pack(registry: PluginRegistry, pack: PackRecord) -> PluginRecord:
    if pack.problem is not None:
        raise pack.error(pack.problem)
    record = PluginRecord(pack.code, pack.distribution, pack.version, "pack")
    return registry.register(import_plugin(pack.module, record), record)


class _TraceHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"ruach: hook: {self.format(record)}\n")


def _set_trace() -> None:
    """Switch the trace on or off, as the environment has it now."""
    is_on = os.environ.get(TRACE_VARIABLE, "") not in ("", "0")
    _trace.handlers = [_TraceHandler()] if is_on else []
    _trace.setLevel(logging.DEBUG if is_on else logging.WARNING)
    _trace.propagate = False
