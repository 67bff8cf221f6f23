"""Fuzzes one kind of file with atheris (libFuzzer); not part of the tests, Linux only.

    pip install atheris
    python tests/fuzz/run.py subtitles --minutes 10 --output /tmp/fuzz-subtitles

A finding is anything but a DataError, more than 2 s of processor time, or more than 512 MiB of
memory for one input. Each kind is written once to OUTPUT/findings; crashes and hangs of a native
library are what libFuzzer leaves in OUTPUT as crash-* and timeout-*. OUTPUT/corpus keeps what was
learnt for the next run. Ends with status 1 where anything was found.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from pathlib import Path

MAX_CPU_S = 2.0
MAX_BYTES = 512 << 20
_LIBRARY_BYTES = 6 << 30
"""Address space; what asks for more gets a MemoryError and is a finding."""
_N_MARKS = 4096
_HANG_S = 60


def main() -> None:
    """Start a worker, and another one where a crash ended it, until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", help="audio, subtitles, tables, archives, textgrids or eafs")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--output", type=Path, required=True, help="folder for corpus and findings")
    parser.add_argument("--max-length", type=int, default=16_384, help="of an input, bytes")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name in ("corpus", "seeds", "findings"):
        (options.output / name).mkdir(parents=True, exist_ok=True)
    if options.worker:
        fuzz(options)
        return
    end = time.monotonic() + 60 * options.minutes
    while (left_s := end - time.monotonic()) > 1:
        command = [sys.executable, *sys.argv, "--worker", "--minutes", str(left_s / 60)]
        subprocess.run(command, check=False)
    found = [*options.output.glob("findings/*.bin"), *options.output.glob("crash-*")]
    found += options.output.glob("timeout-*")
    for path in sorted(found):
        print(path)
    sys.exit(bool(found))


def fuzz(options: argparse.Namespace) -> None:
    """Fuzz in this process until the time is up or a native library ends it."""
    import resource

    import atheris

    with atheris.instrument_imports(include=["ruach_core.data", "ruach_data_annotations"]):
        from targets import TARGETS, describe_refusal

        from ruach_core.errors import DataError

    warnings.simplefilter("ignore")
    target = TARGETS[options.target]
    for name, content in target.seeds().items():
        (options.output / "seeds" / name).write_bytes(content)
    if options.target == "audio":
        from ruach_core.transcription import reading

        # So that the path for long recordings is taken by half of the seeds.
        reading._WHOLE_S = 0.05
    marks = [atheris.instrument_func(eval("lambda: None")) for _ in range(_N_MARKS)]
    resource.setrlimit(resource.RLIMIT_AS, (_LIBRARY_BYTES, _LIBRARY_BYTES))
    # In memory: a disk would take longer than the readers.
    work = tempfile.TemporaryDirectory(dir="/dev/shm")
    path = Path(work.name, f"input{target.suffix}")
    kept: set[str] = set()

    def test_one(content: bytes) -> None:
        path.write_bytes(content)
        note = ""
        before_bytes = _begin_peak()
        started = time.process_time()
        try:
            note = target.check(path)
        except DataError as error:
            note = describe_refusal(error)
            if "\n" in str(error):
                note = _keep(options.output, kept, content, "more than one line", error)
        except Exception as error:
            note = _keep(options.output, kept, content, _signature(error), error)
        if (cpu_s := time.process_time() - started) > MAX_CPU_S:
            _keep(options.output, kept, content, f"{cpu_s:.0f} s of processor time {note}", None)
        if (more := _peak_bytes() - before_bytes) > MAX_BYTES:
            _keep(options.output, kept, content, f"{more >> 29} x 512 MiB {note}", None)
        marks[zlib.crc32(note.encode("utf-8", "replace")) % _N_MARKS]()

    words = options.output / "words.dict"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    arguments = [sys.argv[0], str(options.output / "corpus"), str(options.output / "seeds")]
    settings = {
        "dict": words, "max_total_time": int(60 * options.minutes), "timeout": _HANG_S,
        "max_len": options.max_length, "len_control": 0, "rss_limit_mb": 0,
        "artifact_prefix": f"{options.output}/", "verbosity": 1, "print_final_stats": 1,
    }  # fmt: skip
    atheris.Setup(arguments + [f"-{k}={v}" for k, v in settings.items()], test_one)
    atheris.Fuzz()


def _keep(
    output: Path, kept: set[str], content: bytes, signature: str, error: BaseException | None
) -> str:
    """Write an input down, unless one of its kind has been; returns its signature."""
    name = re.sub(r"[^A-Za-z0-9.]+", "-", signature)[:100]
    if name not in kept:
        kept.add(name)
        (output / "findings" / f"{name}.bin").write_bytes(content)
        why = "".join(traceback.format_exception(error)) if error else signature
        (output / "findings" / f"{name}.txt").write_text(why)
    return signature


def _signature(error: BaseException) -> str:
    ours = [f for f in traceback.extract_tb(error.__traceback__) if "ruach" in f.filename]
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
    return f"{type(error).__name__} at {place}"


def _begin_peak() -> int:
    """Have the system note the most memory that is used from now on; what is used now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak_bytes()


def _peak_bytes() -> int:
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
