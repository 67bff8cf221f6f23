"""The public test vectors of every language, through the command line that a user has.

Each vector goes through `ruach langs normalize CODE --purpose ... --option ...` as a line of
standard input, many vectors a call. It passes where the output is the expected text, or another
that the vector accepts, and where its other spellings give the same. Vectors on which authorities
differ are counted apart. The data is found by RUACH_TEST_DATA, else in `shared/data` beside the
repository. A vector that fails, contested ones aside, makes the exit status 1; a language without
an installed pack is a row.

    python benchmarks/vectors.py [FILE] [--lang CODE] [--show] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
COMMAND = (sys.executable, "-m", "ruach_core")

Vector = Mapping[str, Any]
Group = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass
class Tally:
    """What passed and failed of a language's vectors."""

    problem: str | None = None
    passed: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    contested_passed: int = 0
    contested_failed: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def n_failed(self) -> int:
        """Failures on which no authority differs."""
        return sum(self.failed.values())


def find_vectors() -> Path:
    """The file of the public vectors."""
    folder = os.environ.get("RUACH_TEST_DATA") or ROOT.parent / "shared" / "data"
    return Path(folder) / "vectors_public.json"


def group_vectors(vectors: Sequence[Vector]) -> dict[Group, list[Vector]]:
    """Vectors of one language, purpose and set of options: one call of the command."""
    groups: defaultdict[Group, list[Vector]] = defaultdict(list)
    for vector in vectors:
        options = tuple(sorted(vector.get("options", {}).items()))
        groups[vector["lang"], vector["purpose"], options].append(vector)
    return groups


def normalize(group: Group, texts: Sequence[str]) -> list[str]:
    """What the command makes of the texts; one with a line end goes as an argument.

    Raises:
        RuntimeError: the command failed; the message is its line on standard error.
    """
    lang, purpose, options = group
    command = [*COMMAND, "langs", "normalize", lang, "--purpose", purpose]
    command += [word for name, value in options for word in ("--option", f"{name}={value}")]
    lines = [text for text in texts if not _is_argument(text)]
    outputs = iter(_run(command, "".join(f"{line}\n" for line in lines)))
    return [
        _run([*command, "--", text], "")[0] if _is_argument(text) else next(outputs)
        for text in texts
    ]


def _is_argument(text: str) -> bool:
    # The command takes a byte order mark off the first line, as it should of a file.
    return "\n" in text or "\r" in text or text.startswith("\ufeff")


def _run(command: Sequence[str], text: str) -> list[str]:
    done = subprocess.run(command, input=text, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return done.stdout.split("\n")[:-1]


def judge(vector: Vector, outputs: Sequence[str]) -> bool:
    """Whether the outputs for a vector's input and its other spellings are right."""
    right = {vector["expected"], *vector.get("accept", ())}
    return outputs[0] in right and all(output == outputs[0] for output in outputs)


def run_group(group: Group, vectors: Sequence[Vector], tally: Tally) -> None:
    """Run the vectors of one call and count them."""
    inputs = [[vector["input"], *vector.get("equiv", ())] for vector in vectors]
    try:
        outputs = iter(normalize(group, [text for texts in inputs for text in texts]))
    except RuntimeError as error:
        tally.problem = str(error)
        outputs = iter([])
    for vector, texts in zip(vectors, inputs, strict=True):
        given = [next(outputs, "") for _ in texts]
        is_right = tally.problem is None and judge(vector, given)
        if vector.get("contested"):
            tally.contested_passed += is_right
            tally.contested_failed += not is_right
        else:
            (tally.passed if is_right else tally.failed)[vector["category"]] += 1
        if not is_right:
            tally.failures.append(
                {
                    "id": vector["id"], "purpose": vector["purpose"], "input": vector["input"],
                    "output": given[0], "expected": vector["expected"],
                    "contested": bool(vector.get("contested")),
                }
            )  # fmt: skip


def run(vectors: Sequence[Vector]) -> dict[str, Tally]:
    """The tally of each language."""
    tallies: dict[str, Tally] = {}
    for group, members in group_vectors(vectors).items():
        run_group(group, members, tallies.setdefault(group[0], Tally()))
    return tallies


def to_lines(tallies: Mapping[str, Tally], *, shows: bool) -> list[str]:
    """A table of languages and categories, and the failures."""
    lines = ["| language | category | passed | failed |", "|---|---|---|---|"]
    for lang, tally in tallies.items():
        if tally.problem is not None:
            lines.append(f"| {lang} | {tally.problem} | | {tally.n_failed} |")
            continue
        for category in sorted({*tally.passed, *tally.failed}):
            row = (lang, category, tally.passed[category], tally.failed[category])
            lines.append(f"| {' | '.join(map(str, row))} |")
        total = f"{sum(tally.passed.values())} | {tally.n_failed}"
        lines.append(f"| {lang} | **all, uncontested** | {total} |")
        contested = f"{tally.contested_passed} | {tally.contested_failed}"
        lines.append(f"| {lang} | contested | {contested} |")
    for tally in tallies.values() if shows else ():
        for case in tally.failures if tally.problem is None else ():
            mark = " (contested)" if case["contested"] else ""
            lines.append(
                f"{case['id']}{mark}, {case['purpose']}: {case['input']!r} gave "
                f"{case['output']!r}, expected {case['expected']!r}"
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?", help="vectors_public.json by default")
    parser.add_argument("--lang", action="append", help="only this language; repeatable")
    parser.add_argument("--show", action="store_true", help="show each failure")
    parser.add_argument("--quick", action="store_true", help="every fourth vector")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    file = arguments.file or find_vectors()
    if not file.is_file():
        parser.error(f"no {file}: set RUACH_TEST_DATA")
    vectors = json.loads(file.read_text(encoding="utf-8"))
    if arguments.lang:
        vectors = [vector for vector in vectors if vector["lang"] in arguments.lang]
    tallies = run(vectors[::4] if arguments.quick else vectors)
    if arguments.json:
        about = {
            lang: {
                "problem": tally.problem, "passed": tally.passed, "failed": tally.failed,
                "contested_passed": tally.contested_passed,
                "contested_failed": tally.contested_failed, "failures": tally.failures,
            }
            for lang, tally in tallies.items()
        }  # fmt: skip
        print(json.dumps(about, ensure_ascii=False))
    else:
        print("\n".join(to_lines(tallies, shows=arguments.show)))
    sys.exit(any(tally.n_failed for tally in tallies.values()))


if __name__ == "__main__":
    main()
