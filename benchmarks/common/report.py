"""How a comparison is asked for, and how its results show: a table, or one JSON object."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ruach_core.cli.table import format_table
from ruach_core.errors import RuachError

PACKAGES = (
    "ruach-core", "torch", "transformers", "ctranslate2", "faster-whisper", "openai-whisper",
)  # fmt: skip


@dataclass
class Comparison:
    """The results of one run.

    Attributes:
        figures: what the JSON object holds; `ratio` is ours over the peer's, in clips a second.
        heading: of the table.
        rows: of the table.
        lines: what stands below the table: ratios, differences, notes.
    """

    figures: dict[str, Any]
    heading: Sequence[str] = ()
    rows: list[Sequence[str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


def build_parser(doc: str, *, model: str = "whisper-base") -> argparse.ArgumentParser:
    """A parser with what every comparison takes; the help begins with the module's first line."""
    parser = argparse.ArgumentParser(description=doc.strip().splitlines()[0])
    parser.add_argument(
        "--data", type=Path, metavar="DIR",
        help="a folder of clips; by default the test data, or a language pack's sample",
    )  # fmt: skip
    parser.add_argument("--lang", help="the clips' language; by default that of the data found")
    parser.add_argument(
        "--model", default=model,
        help="a model's name, or a transformers folder (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--clips", type=positive, metavar="N", help="at most so many clips")
    parser.add_argument(
        "--rounds", type=positive, metavar="N", help="each variant is timed so often, in turn"
    )
    parser.add_argument("--quick", action="store_true", help="few clips and rounds: some minutes")
    parser.add_argument("--json", action="store_true", help="one JSON object in place of a table")
    return parser


def positive(text: str) -> int:
    """A whole number above 0, as argparse wants its types."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not above 0")
    return number


def choose(given: int | None, arguments: argparse.Namespace, *, quick: int, usual: int) -> int:
    """A number of clips, steps or rounds: as given, else by `--quick`."""
    if given is not None:
        return given
    return quick if arguments.quick else usual


def run(
    parser: argparse.ArgumentParser, compare: Callable[[argparse.Namespace], Comparison]
) -> None:
    """Parse, compare, print; a user's error is one line and status 1."""
    arguments = parser.parse_args()
    try:
        show(compare(arguments), as_json=arguments.json)
    except RuachError as error:
        sys.exit(f"{parser.prog}: {error}")


def show(comparison: Comparison, *, as_json: bool) -> None:
    """Print the results on standard output."""
    if as_json:
        print(json.dumps(comparison.figures, ensure_ascii=False))
        return
    print(format_table(comparison.heading, comparison.rows))
    for line in comparison.lines:
        print(line)


def machine(device: str) -> dict[str, Any]:
    """What the figures were measured on, and how busy it was."""
    import torch

    return {
        "device": torch.cuda.get_device_name(0) if device == "cuda" else _processor(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "load_average": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "versions": versions(),
    }


def machine_line(about: Mapping[str, Any]) -> str:
    """`On X, 2 cores, 2 threads, load average 0.1.`"""
    return (
        f"On {about['device']}, {about['cores']} cores, {about['torch_threads']} threads, load "
        f"average {about['load_average']} when the run ended."
    )


def versions() -> dict[str, str]:
    """Of the packages that are compared, as far as they are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"
