"""Models that a command decodes with: exports as they are, others converted for the while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ruach_core.errors import UserError, require_extra

if TYPE_CHECKING:
    from ruach_core.plugins import Plugins

FALLBACK = "whisper-base"


def convert_model(model: Path, output: Path, plugins: Plugins, *, quantization: str) -> None:
    """Convert a folder in transformers' layout for CTranslate2.

    Raises:
        UserError: the train extra isn't installed.
    """
    from importlib.util import find_spec

    for module in ("torch", "transformers"):
        if find_spec(module) is None:
            raise UserError(
                f"{model} is in transformers' layout and must be converted: "
                f"{require_extra(module, 'train')}; or give the folder of its export"
            )
    click.echo(f"converting {model} to CTranslate2 in a temporary folder", err=True)
    plugins.exporter("ctranslate2").export(model, output, quantization=quantization)


@contextmanager
def find_export(model: Path | None, lang: str, plugins: Plugins) -> Iterator[Path]:
    """The export to decode with: the one given, the language's own, or the base model's.

    Args:
        model: what `--model` says.
        lang: the language's code.
        plugins: of the language.

    Raises:
        UserError: there is no such model, or none at all.
    """
    from tempfile import TemporaryDirectory

    from ruach_core.config import DEFAULT_MODELS
    from ruach_core.evaluation.ct2_decode import is_export

    own = DEFAULT_MODELS / f"whisper-{lang}-ct2"
    if model is None and is_export(own):
        click.echo(f"model: {own}", err=True)
        model = own
    if model is not None and is_export(model):
        yield model
        return
    if model is not None and not (model / "config.json").is_file():
        raise UserError(f"{model}: no model in it; --model is the folder of an export")
    with TemporaryDirectory(prefix="ruach-") as folder:
        source = model or _find_fallback(lang, plugins)
        convert_model(source, Path(folder), plugins, quantization="float32")
        if (source / "run.json").is_file():
            (Path(folder) / "run.json").write_bytes((source / "run.json").read_bytes())
        yield Path(folder)


def _find_fallback(lang: str, plugins: Plugins) -> Path:
    from ruach_core.manifest import WHISPER_LANGUAGES
    from ruach_core.models.resolve import resolve_base_model

    found = resolve_base_model(FALLBACK, plugins)
    token = plugins.manifest.whisper_language if plugins.manifest else lang
    why = (
        f"which knows {lang} a little"
        if token == lang and lang in WHISPER_LANGUAGES
        else f"which was never taught {lang}: much will be left for review"
    )
    click.echo(
        f"model: {FALLBACK}, {why}; a model of your own finds more: train one on the clips that "
        "this run keeps, then run it again with --model",
        err=True,
    )
    return found.directory
