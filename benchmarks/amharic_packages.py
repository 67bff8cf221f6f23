"""How the Amharic pack stands against every Amharic package on the index that normalises text.

Three comparisons in one run: the 30 checks of `amharic_peers/checks.tsv`; the pairs of spellings
of the public vectors, where the test data is there (RUACH_TEST_DATA, else `shared/data` beside
the repository); and transcripts a minute on one core. Each package is installed in its pinned
version into a virtual environment of its own; one that can't be installed or imported is a row
that says so.

    python benchmarks/amharic_packages.py [--environments DIR] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from amharic_peers.checks import Check, count_equal, read_checks, read_pairs, run_checks
from amharic_peers.environments import NotInstalledError, Process, ensure_environment
from amharic_peers.packages import OURS, Peer, find_peers
from amharic_peers.speed import KINDS, Speed, build_transcripts, measure

TRANSCRIPTS, ROUNDS = 20_000, 5
QUICK_TRANSCRIPTS, QUICK_ROUNDS = 1_000, 2


@dataclass
class Row:
    """What was found of one package; `problem` where it couldn't be run."""

    name: str
    version: str
    call: str
    note: str = ""
    problem: str | None = None
    checks: dict[int, bool] = field(default_factory=dict)
    pairs: int = 0
    speeds: dict[str, Speed] = field(default_factory=dict)

    def to_dict(self) -> dict:
        return {
            "name": self.name, "version": self.version, "call": self.call, "note": self.note,
            "problem": self.problem, "checks": self.checks,
            "n_checks_ok": sum(self.checks.values()), "n_pairs_equal": self.pairs,
            "per_minute": {k: round(s.per_minute) for k, s in self.speeds.items()},
            "ours_is_times_as_fast": {k: round(s.ratio, 2) for k, s in self.speeds.items()},
        }  # fmt: skip


def open_peers(peers: tuple[Peer, ...], folder: Path) -> tuple[dict[str, Process], list[Row]]:
    """The processes of those that work, and a row for each."""
    processes, rows = {}, []
    for peer in peers:
        row = Row(peer.name, peer.version, peer.call, peer.note)
        rows.append(row)
        print(f"{peer.name} {peer.version}", file=sys.stderr)
        try:
            process = Process(ensure_environment(peer, folder), peer.name)
        except NotInstalledError as error:
            row.problem = f"not installed: {error}"
            continue
        if process.problem is not None:
            row.problem = f"not imported: {process.problem}"
            continue
        processes[peer.name] = process
    return processes, rows


def check_ours(checks: tuple[Check, ...], pairs: list[tuple[str, str]], ours: Process) -> Row:
    """The row of the pack: `score` for what must be one or two, `target` for what must stay."""
    row = Row(OURS, ours.version, "ruach_core.plugins.Plugins.load('am').normalizer()")
    keeping = [
        Process(Path(sys.executable), f"{OURS} score, numbers kept"),
        Process(Path(sys.executable), f"{OURS} target"),
    ]
    row.checks = run_checks(checks, ours.normalize, keeping=[p.normalize for p in keeping])
    row.pairs = count_equal(pairs, ours.normalize)
    for process in keeping:
        process.close()
    return row


def compare(arguments: argparse.Namespace, folder: Path) -> dict:
    """The whole run."""
    n, rounds = (
        (QUICK_TRANSCRIPTS, QUICK_ROUNDS)
        if arguments.quick
        else (arguments.transcripts, arguments.rounds)
    )
    checks = read_checks()
    data = os.environ.get("RUACH_TEST_DATA")
    pairs = read_pairs(Path(data) if data else None)
    processes, rows = open_peers(find_peers(arguments.package), folder)
    ours = Process(Path(sys.executable), OURS)
    if ours.problem is not None:
        raise SystemExit(f"{OURS} can't be loaded here: {ours.problem}")
    own_row = check_ours(checks, pairs, ours)
    for row in rows:
        if row.problem is None:
            row.checks = run_checks(checks, processes[row.name].normalize)
            row.pairs = count_equal(pairs, processes[row.name].normalize)
    for kind in KINDS:
        print(f"timing, {kind}", file=sys.stderr)
        texts = build_transcripts(n, kind)
        per_minute, speeds = measure(ours, processes, texts, rounds=rounds)
        own_row.speeds[kind] = Speed(per_minute, 1.0)
        for row in rows:
            row.speeds |= {kind: speeds[row.name]} if row.name in speeds else {}
    for process in (ours, *processes.values()):
        process.close()
    return {
        "n_transcripts": n,
        "rounds": rounds,
        "n_pairs": len(pairs),
        "checks": {
            str(number): [c.show() for c in checks if c.number == number]
            for number in sorted({c.number for c in checks})
        },
        "packages": [row.to_dict() for row in (own_row, *rows)],
    }


def to_markdown(result: dict) -> str:
    """The tables of the documentation."""
    packages = [package for package in result["packages"] if not package["problem"]]
    lines = ["| # | check | " + " | ".join(p["name"] for p in packages) + " |"]
    lines.append("|" + "---|" * (len(packages) + 2))
    for number, shown in result["checks"].items():
        marks = ["ok" if p["checks"][int(number)] else "no" for p in packages]
        lines.append(f"| {number} | {'; '.join(shown)} | {' | '.join(marks)} |")
    totals = [f"**{p['n_checks_ok']}**" for p in packages]
    lines += [f"| | **held, of {len(result['checks'])}** | {' | '.join(totals)} |", ""]
    pairs = f"pairs made one, of {result['n_pairs']}"
    lines.append(f"| package | version | called | checks held | {pairs} |")
    lines.append("|" + "---|" * 5)
    for p in result["packages"]:
        call = f"`{p['call']}`" if "(" in p["call"] else p["call"]
        called = p["problem"] or "; ".join(filter(None, [call, p["note"]]))
        counts = ["", ""] if p["problem"] else [p["n_checks_ok"], p["n_pairs_equal"]]
        cells = [p["name"], p["version"], called, *counts]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    heads = [f"a minute, {shown} | ours is" for shown in KINDS.values()]
    lines += ["", f"| package | {' | '.join(heads)} |", "|" + "---|" * (1 + 2 * len(KINDS))]
    for p in packages:
        cells = [p["name"]]
        for kind in KINDS:
            ratio = p["ours_is_times_as_fast"][kind]
            shown = "" if p["name"] == OURS else f"{ratio:.2f} ×"
            cells += [f"{p['per_minute'][kind]:,}", shown]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--environments", type=Path, metavar="DIR",
        help="where the packages are installed, and found again; a temporary folder by default",
    )  # fmt: skip
    parser.add_argument("--package", action="append", help="only this one; repeatable")
    parser.add_argument("--transcripts", type=int, default=TRANSCRIPTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--quick", action="store_true",
        help=f"{QUICK_ROUNDS} rounds of {QUICK_TRANSCRIPTS:,} transcripts",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    try:
        find_peers(arguments.package)
    except ValueError as error:
        parser.error(str(error))
    if arguments.environments is not None:
        result = compare(arguments, arguments.environments)
    else:
        with tempfile.TemporaryDirectory(prefix="ruach-peers-") as temporary:
            result = compare(arguments, Path(temporary))
    print(json.dumps(result, ensure_ascii=False) if arguments.json else to_markdown(result))


if __name__ == "__main__":
    main()
