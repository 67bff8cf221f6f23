"""Which data a run takes: one source, or several with weights (`--data a --data b:0.5`).

The weight is how often each training clip of the source is drawn in an epoch, on the average: 0.5
draws a clip in every second epoch, 2 twice in each. It touches training alone: validation and test
are measured whole.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ruach_core.errors import UserError

MIN_WEIGHT, MAX_WEIGHT = 0.001, 100.0
_MAX_LOOKED_AT = 1_000
"""Files of a source whose permissions are looked at."""
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Source:
    """One of a run's sources.

    Attributes:
        path: a folder or file, or what a loader knows by name (`hf:owner/corpus`).
        weight: how often each of its training clips is drawn in an epoch, on the average.
    """

    path: Path
    weight: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Source:
        """A source as the user writes it: `PATH` or `PATH:WEIGHT`.

        What exists under its whole name has no weight.

        Raises:
            UserError: no path, or a weight out of range.
        """
        if not text.strip():
            raise UserError("--data: an empty name; give a folder")
        head, _, tail = text.rpartition(":")
        if not head or not _NUMBER.fullmatch(tail) or Path(text).exists():
            return cls(Path(text))
        weight = float(tail)
        if not MIN_WEIGHT <= weight <= MAX_WEIGHT:
            raise UserError(
                f"--data {text}: the weight is a number from {MIN_WEIGHT:g} to {MAX_WEIGHT:g}; "
                "leave a source out that is to have no part"
            )
        return cls(Path(head), weight)

    def __str__(self) -> str:
        return str(self.path) if self.weight == 1.0 else f"{self.path}:{self.weight:g}"


@dataclass(frozen=True, slots=True)
class DataSources:
    """The sources of a run, in the order given."""

    sources: tuple[Source, ...]

    @classmethod
    def of(cls, path: Path) -> DataSources:
        """One source, whose clips are all drawn once an epoch."""
        return cls((Source(path),))

    @classmethod
    def parse(cls, texts: Iterable[str]) -> DataSources:
        """The sources as the user wrote them, one text each.

        Raises:
            UserError: none at all, the same one twice, or as `Source.parse`.
        """
        found = tuple(Source.parse(text) for text in texts)
        if not found:
            raise UserError("--data: no source; give a folder, or leave it out for dataset/data")
        seen: set[Path] = set()
        for source in found:
            real = source.path.resolve() if source.path.exists() else source.path
            if real in seen:
                raise UserError(
                    f"--data {source}: given twice; a weight of 2 draws its clips twice"
                )
            seen.add(real)
        return cls(found)

    @property
    def is_one(self) -> bool:
        """Whether there is one source alone, whose name nothing has to tell apart."""
        return len(self.sources) == 1

    @property
    def names(self) -> tuple[str, ...]:
        """A name of each that no other one has, and that tells no folder of this machine.

        The path's last part, with a number where two are alike.
        """
        names: list[str] = []
        for source in self.sources:
            name = first = source.path.name.rpartition(":")[2] or str(len(names) + 1)
            number = 2
            while name in names:
                name, number = f"{first}-{number}", number + 1
            names.append(name)
        return tuple(names)

    @property
    def weights(self) -> tuple[float, ...]:
        """The weight of each."""
        return tuple(source.weight for source in self.sources)

    def __iter__(self) -> Iterator[tuple[str, Source]]:
        return iter(zip(self.names, self.sources, strict=True))

    def __str__(self) -> str:
        return " + ".join(str(source) for source in self.sources)


def find_forbidden(source: Path) -> Path | None:
    """What this user may not read: the source, or one of the first things directly in it.

    Hidden things don't count.
    """
    try:
        if _is_forbidden(source):
            return source
        if not source.is_dir():
            return None
        inside = itertools.islice(source.iterdir(), _MAX_LOOKED_AT)
        return next((p for p in inside if p.name[0] != "." and _is_forbidden(p)), None)
    except PermissionError:
        return source


def _is_forbidden(path: Path) -> bool:
    needed = os.R_OK | os.X_OK if path.is_dir() else os.R_OK
    effective_ids = os.access in os.supports_effective_ids
    return path.exists() and not os.access(path, needed, effective_ids=effective_ids)
