"""The one public door: the markers, `HOOK_API`, and every hook, documented.

A plugin is a module with functions marked `@ruach_core.hookimpl` and named as below; it names
only the arguments that it uses. Each hook is called once a run and returns objects, so nothing
passes through pluggy for single utterances.

Entry-point groups: `ruach.languages` (name = language code, value = the pack's hooks module),
`ruach.plugins` (any other plugin), `ruach.commands` (name -> `module:click_command`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pluggy

from ruach_core.types import HOOK_API as HOOK_API

if TYPE_CHECKING:
    from ruach_core.types import (
        BaseModelSource,
        DatasetLoader,
        EvalReport,
        Exporter,
        Metric,
        RunInfo,
        TextNormalizer,
        TokenizationCheck,
    )

PROJECT = "ruach"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def ruach_normalizer(lang: str, options: Mapping[str, str]) -> TextNormalizer | None:
    """The normaliser of a language, or None if this plugin has none for it.

    The first result wins; core's own (Unicode form and white space) comes last.

    Args:
        lang: the code that the user asked for (`--lang`).
        options: the pack's own options by name, checked against its `pack.toml`; an option that
            the user didn't set is absent, and the purpose's default holds.

    versionadded: 0.1
    """


@hookspec
def ruach_tokenization_checks(lang: str) -> Sequence[TokenizationCheck]:
    """Checks of references against Whisper's tokenizer; all plugins' checks run.

    Args:
        lang: the code that the user asked for.

    versionadded: 0.1
    """
    return []


@hookspec
def ruach_dataset_loaders(lang: str) -> Sequence[DatasetLoader]:
    """Loaders of corpus layouts. Two loaders of one name are an error that names both.

    Args:
        lang: the code that the user asked for.

    versionadded: 0.1
    """
    return []


@hookspec
def ruach_base_models() -> Sequence[BaseModelSource]:
    """Sources of base models; asked in order until one resolves the name.

    versionadded: 0.1
    """
    return []


@hookspec
def ruach_metrics() -> Sequence[Metric]:
    """Metrics for reports, beside core's WER and CER.

    versionadded: 0.1
    """
    return []


@hookspec
def ruach_exporters() -> Sequence[Exporter]:
    """Exporters, by the name that `export.format` selects.

    versionadded: 0.1
    """
    return []


@hookspec
def ruach_before_train(run: RunInfo) -> None:
    """Told just before the first training step; the argument is frozen and can't be vetoed.

    Args:
        run: what is about to be trained.

    versionadded: 0.1
    """


@hookspec
def ruach_after_evaluate(report: EvalReport) -> None:
    """Told after each evaluation of a split; the argument is frozen.

    Args:
        report: the result.

    versionadded: 0.1
    """
