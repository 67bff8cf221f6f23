"""From a base model's name to a local folder: asks the sources that plugins bring, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ruach_core.errors import PluginError, RuachError, UserError
from ruach_core.models.auto import choose_model, find_training_device

if TYPE_CHECKING:
    from ruach_core.plugins import Plugins
    from ruach_core.types import BaseModelSource

AUTO = "auto"
# What the user has on disk goes before what plugins bring, and both before the network.
_PATH, _HUB = "path", "hub"
_ORDER = {_PATH: 0, _HUB: 2}


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A base model that training can load.

    Attributes:
        name: the name that was resolved; for `auto`, the one that was chosen.
        directory: folder in transformers' layout.
        source: name of the source that gave it.
        reason: why this model, where `auto` chose it or a source failed; else empty.
    """

    name: str
    directory: Path
    source: str
    reason: str = ""


def resolve_base_model(name: str, plugins: Plugins, *, progress: bool = True) -> ResolvedModel:
    """The folder of a base model, fetched or built if need be.

    Args:
        name: a hub id, a short name ("whisper-small"), a local folder, or "auto".
        plugins: the run's plugins; their sources are asked in order until one has the model.
        progress: whether sources may show progress on standard error.

    Raises:
        UserError: no source has the model, or the one that has can't give it; in one line with
            the ways to mend it.
        PluginError: a source is broken, and no other has the model.
    """
    if not name.strip():
        raise UserError("--model is empty: give a model's name, a folder, or auto")
    sources = sorted(plugins.base_model_sources(), key=lambda source: _ORDER.get(source.name, 1))
    if name == AUTO:
        return _resolve_auto(sources, progress=progress)
    return _resolve(name, sources, progress=progress)


def _resolve_auto(sources: Sequence[BaseModelSource], *, progress: bool) -> ResolvedModel:
    choice = choose_model(find_training_device())
    # Folders are left out: one that happens to be called so is not what auto means.
    sources = [source for source in sources if source.name != _PATH]
    reasons = [choice.reason]
    *larger, smallest = choice.models
    for name in larger:
        try:
            resolved = _resolve(name, sources, progress=progress)
        except (UserError, PluginError):
            # The next smaller one may be installed; the reason says so, and --model NAME says why.
            reasons.append(f"{name} can't be reached (--model {name} says why)")
        else:
            return _with_reasons(resolved, reasons)
    return _with_reasons(_resolve(smallest, sources, progress=progress), reasons)


def _with_reasons(resolved: ResolvedModel, reasons: list[str]) -> ResolvedModel:
    own = [resolved.reason] if resolved.reason else []
    return replace(resolved, reason="; ".join([*reasons, *own]))


def _resolve(name: str, sources: Sequence[BaseModelSource], *, progress: bool) -> ResolvedModel:
    failures: list[tuple[str, RuachError]] = []
    for source in sources:
        try:
            directory = source.resolve(name, progress=progress)
        except (UserError, PluginError) as error:
            if source.name == _PATH:
                raise
            failures.append((source.name, error))
            continue
        if directory is not None:
            reason = "; ".join(f"{failed} failed: {error}" for failed, error in failures)
            return ResolvedModel(name, directory, source.name, reason)
    # A source other than the hub that has the model and can't give it knows best what to mend.
    for failed, failure in failures:
        if failed != _HUB:
            raise failure
    raise _unreachable(name, failures[0][1] if failures else None)


def _unreachable(name: str, hub_error: RuachError | None) -> UserError:
    hub = f"the model hub did not give it ({hub_error})" if hub_error else "it is no hub name"
    return UserError(
        f"base model {name!r}: no such folder, no installed plugin brings it, and {hub}; either "
        "pip install ruach-model-whisper-base and use --model whisper-base, or run once with a "
        "network and HF_HUB_OFFLINE unset, or give a folder with --model PATH"
    )
