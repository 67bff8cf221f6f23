"""How soon a metadata table of a million rows gives its first clip, and what reading it all takes.

The table is made in a temporary folder, without the audio: reading it looks each clip up and
decodes none. A process of its own reads it through the plugins, as training does, and measures the
time to the first utterance (from before it asks which loader knows the source), to the last (by
the clock and of the processor), to knowing the splits, and the memory at its highest, beside that
of the same process before it read.

    python benchmarks/million_rows.py [--rows 1000000] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from common.memory import peak_memory_gb

from ruach_core.plugins import Plugins

N_ROWS, QUICK_ROWS = 1_000_000, 20_000
FIRST_WITHIN_S, WITHIN_MIB = 2.0, 300.0
TEXT = "one of the sentences that somebody read aloud, number"
MIB = 1e9 / 2**20


def csv_lines(n_rows: int) -> Iterator[str]:
    """A table as people have it: name, text, speaker and one more column."""
    yield "file_name,transcription,speaker,age\n"
    for i in range(n_rows):
        yield f'audio/{i // 10_000:03}/{i:07}.wav,"{TEXT} {i}",s{i % 500},{20 + i % 50}\n'


def split_lines(n_rows: int) -> Iterator[str]:
    """The same with the splits in a column; the last rows are the test split."""
    yield "file_name,transcription,speaker,split\n"
    for i in range(n_rows):
        split = ("train", "dev", "test")[(i * 20 >= 18 * n_rows) + (i * 20 >= 19 * n_rows)]
        yield f'audio/{i // 10_000:03}/{i:07}.wav,"{TEXT} {i}",s{i % 500},{split}\n'


def json_lines(n_rows: int) -> Iterator[str]:
    """The same as objects."""
    for i in range(n_rows):
        row = {"file_name": f"{i:07}.wav", "transcription": f"{TEXT} {i}", "age": 20 + i % 50}
        yield json.dumps(row) + "\n"


def ljspeech_lines(n_rows: int) -> Iterator[str]:
    """LJSpeech's own kind."""
    for i in range(n_rows):
        yield f"LJ{i:07}|{TEXT} {i}|{TEXT} {i}\n"


TABLES: dict[str, tuple[str, Callable[[int], Iterator[str]]]] = {
    "metadata.csv": ("metadata.csv", csv_lines),
    "metadata.csv with split": ("metadata.csv", split_lines),
    "metadata.jsonl": ("metadata.jsonl", json_lines),
    "ljspeech": ("metadata.csv", ljspeech_lines),
}


def measure(source: Path) -> dict[str, object]:
    """Read the source's first split; this process' times and memory."""
    plugins = Plugins.load(None)
    before_mib = peak_memory_gb() * MIB
    began, began_cpu = time.perf_counter(), time.process_time()
    loader = plugins.find_dataset_loader(source)
    utterances = loader.read(source, "train")
    first = next(utterances)
    first_s = time.perf_counter() - began
    n_read = 1 + sum(1 for _ in utterances)
    all_s, processor_s = time.perf_counter() - began, time.process_time() - began_cpu
    peak_mib = peak_memory_gb() * MIB
    began = time.perf_counter()
    splits = loader.splits(source)
    return {
        "loader": loader.name, "first": type(first).__name__, "n_read": n_read,
        "first_s": round(first_s, 3), "all_s": round(all_s, 1),
        "processor_s": round(processor_s, 1),
        "splits": list(splits), "splits_s": round(time.perf_counter() - began, 1),
        "before_mib": round(before_mib), "peak_mib": round(peak_mib),
    }  # fmt: skip


def measure_apart(name: str, n_rows: int) -> dict[str, object]:
    """Make the table, and measure it in a process of its own."""
    file_name, lines = TABLES[name]
    with tempfile.TemporaryDirectory(prefix="ruach-rows-") as temporary:
        source = Path(temporary)
        with (source / file_name).open("w", encoding="utf-8") as file:
            file.writelines(lines(n_rows))
        if name == "ljspeech":
            (source / "wavs").mkdir()
        done = subprocess.run(
            [sys.executable, __file__, "--measure", str(source)],
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        found: dict[str, object] = json.loads(done.stdout)
        return {"table": name, **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=N_ROWS)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS:,} rows")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        print(json.dumps(measure(arguments.measure)))
        return
    n_rows = QUICK_ROWS if arguments.quick else arguments.rows
    found = [measure_apart(name, n_rows) for name in TABLES]
    if arguments.json:
        print(json.dumps({"n_rows": n_rows, "tables": found}))
        return
    print(f"{n_rows:,} rows; wanted: the first under {FIRST_WITHIN_S:g} s, {WITHIN_MIB:g} MiB")
    print(
        f"{'table':<25}{'first, s':>10}{'all, s':>10}{'processor, s':>14}{'splits, s':>11}"
        f"{'peak, MiB':>11}{'before, MiB':>13}"
    )
    for row in found:
        print(
            f"{row['table']:<25}{row['first_s']:>10.3f}{row['all_s']:>10.1f}"
            f"{row['processor_s']:>14.1f}{row['splits_s']:>11.1f}{row['peak_mib']:>11}{row['before_mib']:>13}"
        )


if __name__ == "__main__":
    main()
