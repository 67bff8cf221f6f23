"""How long `ruach data check` takes, how much memory, and whether both stay in step with the clips.

Synthesises clips with texts, then checks a quarter, a half and all of them, each in a process of
its own. A cost that is linear has the same milliseconds a clip in each row.

    python benchmarks/data_check.py [--clips 10000] [--seconds 4] [--format flac] [--json]
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

RATE = 16_000
SHARES = (4, 2, 1)
WORDS = ["ake", "bolo", "dumi", "efi", "gana", "hiku", "jaro", "kefa", "limu", "mona"]


def synthesise(folder: Path, n_clips: int, seconds: float, form: str) -> None:
    """Clips of noise in syllables, between half and one and a half of the seconds, and texts."""
    rng = np.random.default_rng(0)
    n_longest = round(1.5 * seconds * RATE)
    t = np.arange(n_longest) / RATE
    syllables = (0.02 + np.clip(np.sin(2 * np.pi * 3 * t), 0, None)).astype(np.float32)
    # A stretch of one long noise for each clip: all differ, and nothing is drawn anew.
    noise = 0.1 * rng.standard_normal(60 * RATE + n_longest).astype(np.float32)
    (folder / "audio").mkdir(parents=True)
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file_name", "transcription", "speaker"])
        for i in range(n_clips):
            n = round(rng.uniform(0.5, 1.5) * seconds * RATE)
            start = int(rng.integers(60 * RATE))
            name = f"audio/{i:06}.{form}"
            soundfile.write(folder / name, noise[start : start + n] * syllables[:n], RATE)
            text = " ".join(rng.choice(WORDS, max(1, round(2 * n / RATE))))
            table.writerow([name, text, f"speaker{i % 20}"])


def keep(folder: Path, n_clips: int, whole: Path) -> Path:
    """A folder of the first clips, by links."""
    (folder / "audio").mkdir(parents=True)
    lines = (whole / "metadata.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    for path in sorted((whole / "audio").iterdir())[:n_clips]:
        (folder / "audio" / path.name).hardlink_to(path)
    (folder / "metadata.csv").write_text("".join(lines[: n_clips + 1]), encoding="utf-8")
    return folder


def check(folder: Path, lang: str) -> dict[str, float]:
    """One run of the command: its seconds, those of the processors, and its peak memory."""
    command = [sys.executable, "-m", "ruach_core", "data", "check", str(folder)]
    began = time.perf_counter()
    child = subprocess.Popen([*command, "--lang", lang, "--json"], stdout=subprocess.PIPE)
    assert child.stdout is not None
    report = json.loads(child.stdout.read())
    _, _, usage = os.wait4(child.pid, 0)
    wall_s = time.perf_counter() - began
    child.returncode = 0
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "n_clips": report["n_usable"],
        "hours": round(report["hours"], 3),
        "wall_s": round(wall_s, 2),
        "processor_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": round(usage.ru_maxrss * unit / 2**20, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=4.0, help="of a clip, on average")
    parser.add_argument("--format", choices=("flac", "wav", "mp3", "ogg"), default="flac")
    parser.add_argument("--lang", default="mdw")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ruach-data-check-") as name:
        whole = Path(name) / "whole"
        synthesise(whole, arguments.clips, arguments.seconds, arguments.format)
        rows = []
        if not arguments.json:
            print("clips    hours   wall s  processor s  ms a clip  peak MiB")
        for share in SHARES:
            n_clips = arguments.clips // share
            rows.append(
                row := check(keep(Path(name) / f"part{share}", n_clips, whole), arguments.lang)
            )
            if not arguments.json:
                each = 1000 * row["processor_s"] / row["n_clips"]
                print(
                    f"{row['n_clips']:<8} {row['hours']:<7.2f} {row['wall_s']:<7.1f} "
                    f"{row['processor_s']:<12.1f} {each:<10.2f} {row['peak_mib']:.0f}",
                    flush=True,
                )
    if arguments.json:
        print(json.dumps({"n_processors": len(os.sched_getaffinity(0)), "rows": rows}))


if __name__ == "__main__":
    main()
