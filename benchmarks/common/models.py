"""The weights that are compared: one transformers folder, and its export for CTranslate2."""

from __future__ import annotations

import os
from pathlib import Path

from ruach_core.config import RunConfig
from ruach_core.errors import UserError
from ruach_core.evaluation.export_info import ExportInfo
from ruach_core.models.resolve import resolve_base_model
from ruach_core.plugins import Plugins
from ruach_core.training.language import known_language

EXPORTER = "ctranslate2"
UNTRAINED_ON_SHORT = (
    "the model wasn't trained on short windows (its folder has no run.json of a trimmed run): in "
    "them it may invent text, which costs time and WER; give --model a folder that ruach train "
    "wrote for figures that mean something"
)


def find_model(name: str, plugins: Plugins) -> Path:
    """The transformers folder of a model, by name or path.

    Raises:
        UserError: there is none.
    """
    return resolve_base_model(name, plugins, progress=False).directory


def whisper_language(model_dir: Path, lang: str, plugins: Plugins) -> str:
    """Whisper's code for the prompt: what the model was trained with, else the pack's."""
    trained = ExportInfo.read(model_dir).whisper_language
    if trained:
        return trained
    known = known_language(RunConfig(lang=lang), plugins)
    return known.whisper_language if known else "en"


def window_notes(model_dir: Path) -> list[str]:
    """What must be said of a model that short windows are strange to."""
    return [] if ExportInfo.read(model_dir).window == "trim" else [UNTRAINED_ON_SHORT]


def export_model(model_dir: Path, export_dir: Path, plugins: Plugins, quantization: str) -> None:
    """Convert for CTranslate2, and copy `run.json` where there is one."""
    export_dir.mkdir(parents=True, exist_ok=True)
    plugins.exporter(EXPORTER).export(model_dir, export_dir, quantization=quantization)
    if (model_dir / "run.json").is_file():
        (export_dir / "run.json").write_bytes((model_dir / "run.json").read_bytes())


def choose_device(name: str) -> str:
    """`auto` as `cuda` where torch finds one, else `cpu`.

    Raises:
        UserError: `cuda` was asked for and isn't there.
    """
    if name == "cpu":
        # Ruach's loop takes a GPU wherever torch shows it one.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return name
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch finds no GPU here")
    return "cuda" if torch.cuda.is_available() else "cpu"


def default_quantization(device: str) -> str:
    """What CTranslate2 computes in: int8 on a CPU, float16 on a GPU."""
    return "float16" if device == "cuda" else "int8"


def quiet_libraries() -> None:
    """transformers' own bars and warnings would stand among the results."""
    import warnings

    import transformers

    warnings.filterwarnings("ignore")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
