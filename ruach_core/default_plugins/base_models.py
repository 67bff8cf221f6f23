"""Core's sources of base models: a local folder, and the Hugging Face hub."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click

from ruach_core import hookimpl
from ruach_core.errors import UserError, require_extra
from ruach_core.models.cache import cached_folder
from ruach_core.models.downloads import downloads_are_allowed
from ruach_core.types import BaseModelSource

_SIZES = "tiny|base|small|medium|large|large-v2|large-v3|large-v3-turbo"
_SHORT_NAME = re.compile(rf"^(?:whisper-)?({_SIZES}|turbo)$")
_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$", re.ASCII)
# Nothing that would have to be unpickled, and not large-v3's second copy ("model.fp32-...").
_HUB_FILES = ("model.safetensors", "model-*-of-*.safetensors", "*.json", "*.txt")
_PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "model.ckpt")


class FolderSource:
    """A local folder: a transformers model as it is, or a CTranslate2 export, converted."""

    name = "path"

    def resolve(self, model: str, *, progress: bool = True) -> Path | None:
        """The folder of that name, or None where there is none and it may be another's name.

        Raises:
            UserError: it is clearly meant as a folder and can't be used; names the remedy.
        """
        folder = Path(model).expanduser()
        is_explicit = folder.is_absolute() or model.startswith((".", "~")) or "\\" in model
        if not folder.is_dir():
            if folder.exists():
                raise UserError(f"{model}: a file; give the folder that holds the model")
            if is_explicit:
                raise UserError(f"{model}: no such folder; check --model")
            return None
        if (folder / "model.bin").is_file():
            return self._convert(folder, progress=progress)
        if find_weights(folder) is not None:
            check_model_folder(folder)
            return folder.resolve()
        for name in _PICKLED:
            if (folder / name).is_file():
                raise UserError(
                    f"{folder / name}: pickled weights can run code and are never loaded; save the "
                    "model as model.safetensors (transformers: save_pretrained) and give that"
                )
        if is_explicit or (folder / "config.json").is_file():
            raise UserError(
                f"{model}: no model in it (neither model.safetensors nor a CTranslate2 model.bin); "
                "give a folder that holds a Whisper model"
            )
        return None

    def _convert(self, folder: Path, *, progress: bool) -> Path:
        digest = hashlib.sha256()
        for name in ("model.bin", "config.json", "tokenizer.json"):
            try:
                with (folder / name).open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                raise UserError(
                    f"{folder / name}: can't be read ({error.strerror}); a CTranslate2 model to "
                    "train from needs model.bin, config.json and tokenizer.json"
                ) from error

        def build(target: Path) -> None:
            from ruach_core.models.ctranslate2_import import convert_ctranslate2_model

            if progress:
                click.echo(f"{folder}: converting from CTranslate2 for training", err=True)
            convert_ctranslate2_model(folder, target)

        return cached_folder(f"ct2-{digest.hexdigest()[:16]}", build)


class HubSource:
    """The Hugging Face hub and its local cache; safetensors only."""

    name = "hub"

    def resolve(self, model: str, *, progress: bool = True) -> Path | None:
        """The model's folder in the hub's cache, downloaded if need be.

        Raises:
            UserError: the hub can't be reached, doesn't give the model, or has no safetensors.
        """
        repository = expand_short_name(model)
        if not _HUB_ID.match(repository):
            return None
        folder = _download(repository, progress=progress)
        check_model_folder(folder)
        return folder


@hookimpl
def ruach_base_models() -> Sequence[BaseModelSource]:
    """The folder source and the hub source; others' sources are asked between the two."""
    return [FolderSource(), HubSource()]


def expand_short_name(model: str) -> str:
    """The hub id of OpenAI's model of that short name; any other name as it is."""
    match = _SHORT_NAME.match(model)
    if not match:
        return model
    return f"openai/whisper-{'large-v3-turbo' if match[1] == 'turbo' else match[1]}"


def find_weights(folder: Path) -> Path | None:
    """The safetensors weights of a transformers folder, or their index; None where it has none."""
    for name in ("model.safetensors", "model.safetensors.index.json"):
        if (folder / name).is_file():
            return folder / name
    return None


def check_model_folder(folder: Path) -> None:
    """Check that a folder holds what training loads from a Whisper model.

    Raises:
        UserError: a file is missing, or the model isn't a Whisper.
    """
    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise UserError(
                f"{folder}: {name} is missing; copy it from the Whisper that the model came from"
            )
    if find_weights(folder) is None:
        raise UserError(
            f"{folder}: model.safetensors is missing; give a model that is kept as safetensors "
            "(pickled weights can run code and are never loaded)"
        )
    try:
        config: Any = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        model_type = config["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder / 'config.json'}: no model_type in it; copy the model again"
        ) from error
    if model_type != "whisper":
        raise UserError(f"{folder}: a {model_type} model, not a Whisper; give a Whisper model")


def _download(repository: str, *, progress: bool) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HTTPError
    except ImportError as error:
        raise require_extra("huggingface_hub", "train") from error
    with nullcontext() if progress else _no_bars():
        try:
            folder = snapshot_download(
                repository,
                allow_patterns=list(_HUB_FILES),
                local_files_only=not downloads_are_allowed(),
            )
            return Path(folder)
        # HTTPError is the client's own, and its connection errors aren't OSErrors; a transfer that
        # breaks off in the hub's native downloader is a RuntimeError.
        except (HTTPError, OSError, RuntimeError, ValueError) as error:
            raise UserError(f"{repository}: {_describe_failure(error)}") from error


@contextmanager
def _no_bars() -> Iterator[None]:
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _describe_failure(error: Exception) -> str:
    """Why the hub didn't give the model, in a few words."""
    from huggingface_hub.constants import HF_HUB_OFFLINE
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

    if isinstance(error, RepositoryNotFoundError):
        return "the hub has no such model, or it is private"
    if isinstance(error, LocalEntryNotFoundError):
        if HF_HUB_OFFLINE:
            return "not in the hub's local cache, and HF_HUB_OFFLINE forbids the network"
        return "not in the hub's local cache, and the hub can't be reached"
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
