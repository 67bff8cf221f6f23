"""The pack under test: installed, loaded once, with its normaliser under every option."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType

from ruach_core.manifest import NormalizationExample, PackManifest, read_examples
from ruach_core.packs import PackRecord, find_pack
from ruach_core.plugins import Plugins
from ruach_core.types import TextNormalizer

_MAX_DEPTH = 4
"""Folders between a distribution's pyproject.toml and its package, or its tests, at most."""

DEFAULTS: Mapping[str, str] = MappingProxyType({})
"""No option is set: each purpose has its own default."""


@dataclass(frozen=True, eq=False)
class PackUnderTest:
    """An installed pack; `load_pack` makes it.

    Attributes:
        record: what is known of it without importing it.
        directory: the folder of its `pack.toml`.
        plugins: the facade, loaded for its language.
        manifest: its manifest.
        examples: the rows of its samples.
    """

    record: PackRecord
    directory: Path
    plugins: Plugins
    manifest: PackManifest
    examples: tuple[NormalizationExample, ...]

    def normalizer(self, options: Mapping[str, str] = DEFAULTS) -> TextNormalizer:
        """The pack's normaliser; built once for each set of options."""
        return _build_normalizer(self, tuple(sorted(options.items())))

    @cached_property
    def option_sets(self) -> tuple[Mapping[str, str], ...]:
        """The default options, then each value of each declared option by itself."""
        values = (
            {name: value}
            for name, option in self.manifest.options.items()
            for value in option.values
        )
        return (DEFAULTS, *values)

    def keeps_target(self, options: Mapping[str, str]) -> bool:
        """Whether the options leave `target` at its defaults."""
        declared = self.manifest.options
        return all(value == declared[name].target for name, value in options.items())

    def keeps_defaults(self, options: Mapping[str, str]) -> bool:
        """Whether the options leave both purposes at their defaults."""
        declared = self.manifest.options
        return self.keeps_target(options) and all(
            value == declared[name].score for name, value in options.items()
        )


@cache
def load_pack(code: str) -> PackUnderTest:
    """The installed pack of a language.

    Raises:
        PackError: there is none, or it is broken.
    """
    record = find_pack(code)
    plugins = Plugins.load(code)
    # Loading has raised where either is missing.
    assert record.directory is not None
    assert plugins.manifest is not None
    examples = read_examples(record.directory / plugins.manifest.samples)
    return PackUnderTest(record, record.directory, plugins, plugins.manifest, tuple(examples))


@cache
def _build_normalizer(pack: PackUnderTest, options: tuple[tuple[str, str], ...]) -> TextNormalizer:
    return pack.plugins.normalizer(dict(options))


def find_source(distribution: str, *inside: Path) -> Path | None:
    """The folder of a distribution's pyproject.toml, or None where it isn't at hand.

    Args:
        distribution: name of the distribution.
        inside: paths that may lie in the folder, such as the package of an editable install.
    """
    for path in inside:
        for folder in list(path.resolve().parents)[:_MAX_DEPTH]:
            if _project_name(folder / "pyproject.toml") == _normalize_name(distribution):
                return folder
    return None


def build_backend(source: Path) -> str:
    """The build backend that a pyproject.toml names, or "" where it names none."""
    project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project.get("build-system", {}).get("build-backend", ""))


def sample_words(pack: PackUnderTest) -> Iterator[str]:
    """The words of letters and marks alone in the inputs of the pack's samples."""
    from ruach_core.text.unicode import is_letter, is_mark

    for example in pack.examples:
        for word in example.input.split():
            if all(is_letter(char) or is_mark(char) for char in word):
                yield word


def _project_name(pyproject: Path) -> str | None:
    if not pyproject.is_file():
        return None
    try:
        project = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    except ValueError:
        return None
    name = project.get("project", {}).get("name")
    return _normalize_name(name) if isinstance(name, str) else None


def _normalize_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
