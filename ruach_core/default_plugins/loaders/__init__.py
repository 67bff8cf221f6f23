"""Core's own corpus layouts, each in a module of its own."""

from __future__ import annotations

from collections.abc import Sequence

from ruach_core.default_plugins.loaders.fleurs import FleursLoader
from ruach_core.default_plugins.loaders.folder import FolderLoader
from ruach_core.default_plugins.loaders.huggingface import HuggingFaceLoader
from ruach_core.default_plugins.loaders.kaldi import KaldiLoader
from ruach_core.default_plugins.loaders.ljspeech import LJSpeechLoader
from ruach_core.default_plugins.loaders.openslr import OpenSLRLoader
from ruach_core.default_plugins.loaders.subtitles import SubtitleLoader
from ruach_core.default_plugins.loaders.text_files import TextFilesLoader
from ruach_core.hookspecs import hookimpl
from ruach_core.types import DatasetLoader


@hookimpl
def ruach_dataset_loaders(lang: str) -> Sequence[DatasetLoader]:
    """Those that have the surest marks first; loose files, which may lie in any of them, last."""
    return [
        KaldiLoader(), FleursLoader(), OpenSLRLoader(), LJSpeechLoader(), FolderLoader(),
        HuggingFaceLoader(), SubtitleLoader(lang), TextFilesLoader(),
    ]  # fmt: skip
