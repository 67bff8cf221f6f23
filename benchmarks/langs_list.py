"""How long `ruach langs list` takes from its start to its end, and what of that is Python's own.

The command and a bare interpreter run in turn, each in a process of its own; medians of wall time
and of processor time. Another program on the machine lengthens the wall time, hardly the other.

    python benchmarks/langs_list.py [--rounds 15] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

COMMANDS = {
    "bare interpreter": (sys.executable, "-c", "pass"),
    "ruach --help": (sys.executable, "-m", "ruach_core", "--help"),
    "ruach langs list": (sys.executable, "-m", "ruach_core", "langs", "list"),
}


def time_command(command: Sequence[str]) -> tuple[float, float]:
    """Milliseconds by the clock and of processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return 1000 * wall, 1000 * used


def count_packs() -> int:
    """The packs that the command lists."""
    command = [*COMMANDS["ruach langs list"], "--json"]
    return len(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="three rounds")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for command in COMMANDS.values():
        time_command(command)  # once, so that the files are in memory
    for _ in range(3 if arguments.quick else arguments.rounds):
        for name, command in COMMANDS.items():
            times[name].append(time_command(command))
    medians = {
        name: {
            "wall_ms": round(statistics.median(wall for wall, _ in pairs), 1),
            "processor_ms": round(statistics.median(used for _, used in pairs), 1),
        }
        for name, pairs in times.items()
    }
    n_packs = count_packs()
    if arguments.json:
        print(json.dumps({"n_packs": n_packs, "median": medians}))
        return
    print(f"{n_packs} packs installed")
    print(f"{'command':<20}{'wall, ms':>10}{'processor, ms':>15}")
    for name, found in medians.items():
        print(f"{name:<20}{found['wall_ms']:>10.0f}{found['processor_ms']:>15.0f}")


if __name__ == "__main__":
    main()
