"""Core's exporter: CTranslate2, with everything that faster-whisper needs to load it offline."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Sequence
from pathlib import Path

from ruach_core.errors import UserError, require_extra
from ruach_core.evaluation.ctc import CTC_HEAD
from ruach_core.hookspecs import hookimpl
from ruach_core.types import Exporter

QUANTIZATIONS = ("float32", "float16", "int8", "int8_float16", "int8_float32")

# faster-whisper fetches another model's tokenizer where this one is missing, and takes 80 mel bands
# where the preprocessor's settings are.
COPIED = ("tokenizer.json", "preprocessor_config.json")


class CTranslate2Exporter:
    """transformers' folder -> model.bin, config.json, vocabulary.json and the copied files."""

    name = "ctranslate2"

    def export(self, model_dir: Path, output_dir: Path, *, quantization: str) -> None:
        """Convert; see `ruach_core.types.Exporter`.

        Raises:
            UserError: an unknown quantization, a missing file, or the train extra isn't installed.
        """
        if quantization not in QUANTIZATIONS:
            raise UserError(
                f"export.quantization {quantization!r}: one of {', '.join(QUANTIZATIONS)}"
            )
        for name in COPIED:
            if not (model_dir / name).is_file():
                raise UserError(f"{model_dir / name}: missing; the export would not load offline")
        try:
            import torch  # noqa: F401 - the converter reads weights with it
            from ctranslate2.converters import TransformersConverter
        except ImportError as error:
            raise require_extra(error.name or "torch", "train") from error

        converter = TransformersConverter(str(model_dir))
        # transformers draws a bar of its own for each load.
        with contextlib.redirect_stderr(io.StringIO()):
            converter.convert(str(output_dir), quantization=quantization, force=True)
        for name in COPIED:
            shutil.copyfile(model_dir / name, output_dir / name)
        if (model_dir / CTC_HEAD).is_file():
            shutil.copyfile(model_dir / CTC_HEAD, output_dir / CTC_HEAD)


@hookimpl
def ruach_exporters() -> Sequence[Exporter]:
    """The CTranslate2 exporter."""
    return [CTranslate2Exporter()]
