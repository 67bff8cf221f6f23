"""Whole runs in two processes on the CPU (gloo), through the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("accelerate")
load_file = pytest.importorskip("safetensors.numpy").load_file
pytestmark = pytest.mark.slow

SHORT = (
    "--epochs", "3", "--training.batch_size", "3", "--training.learning_rate", "1e-3",
    "--training.precision", "float32", "--training.log_steps", "1", "--window.policy", "trim",
    "--evaluation.zero_shot_clips", "0", "--export.parity_threshold", "99",
)  # fmt: skip
"""Two updates an epoch on the toy pack's sample; the second has two clips, one a process."""
TWO = ("--launcher", "torchrun", "--nproc", "2")


def figures(finished) -> list[tuple[float, float]]:
    return [(f["loss"], f["grad_norm"]) for f in finished.figures if "loss" in f]


def weights(model: Path) -> dict[str, np.ndarray]:
    return load_file(model / "model.safetensors")


def assert_equal(run, whole) -> None:
    assert run.status == whole.status == 0, run.err
    assert len(figures(run)) == 6
    np.testing.assert_allclose(figures(run), figures(whole), rtol=1e-4)


@pytest.fixture(scope="module")
def one_process(new_ruach):
    ruach = new_ruach()
    return ruach, ruach.run(*SHORT)


@pytest.fixture
def two(new_ruach):
    """A place to run in where this machine's own address may be connected to."""
    ruach = new_ruach()
    (ruach.site / "sitecustomize.py").unlink()
    return ruach


HEAD = ("--training.ctc_weight", "0.5")
"""Shards have no CTC head."""


@pytest.fixture(scope="module")
def with_head(new_ruach):
    ruach = new_ruach()
    return ruach, ruach.run(*SHORT, *HEAD)


@pytest.mark.parametrize(
    ("sharding", "one", "more"), [("none", "with_head", HEAD), ("fsdp", "one_process", ())]
)
def test_two_processes_learn_what_one_learns(two, sharding, one, more, request):
    alone, whole = request.getfixturevalue(one)
    run, other = two.run_ranks(2, *SHORT, *more, "--training.sharding", sharding)
    assert_equal(run, whole)
    assert (other.status, other.out) == (0, "")
    assert two.written() == {"whisper-qaa-sample", "whisper-qaa-sample-ct2"}
    mine, theirs = (weights(r.models / "whisper-qaa-sample") for r in (two, alone))
    assert mine.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_allclose(mine[name], value, atol=2e-4, err_msg=name)
    assert run.out.count("Try it: ") == 1
    assert run.err == other.err == ""


def test_torchrun_and_fewer_clips_than_processes(one_process, two):
    """torchrun itself, and three processes: the last update of an epoch has two clips."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "3",
    ]
    run = two.start(*SHORT, launcher=command).finish()
    assert_equal(run, one_process[1])


def children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True,
                           text=True, check=True)  # fmt: skip
    return sorted(int(line) for line in found.stdout.split())


def checkpoints(ruach) -> list[str]:
    folder = ruach.models / "whisper-qaa-sample.run" / "checkpoints"
    return sorted(p.name for p in folder.glob("checkpoint-*"))


LONG = (
    *SHORT[2:], "--epochs", "400", "--training.patience", "400",
    "--training.checkpoint_minutes", "0",
)  # fmt: skip


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_run_and_it_goes_on_in_one(two, victim):
    run = two.start(*LONG, *TWO)
    run.wait_for("{'eval_loss", 2)
    os.kill(children(run.process.pid)[victim], signal.SIGKILL)
    began = time.monotonic()
    ended = run.finish()
    assert time.monotonic() - began < 300
    assert ended.status == 1
    assert ended.error == (
        f"process {victim} of 2 was ended by SIGKILL (out of memory, perhaps); go on with --resume"
    )
    assert checkpoints(two)
    again = two.start(*LONG, "--resume")
    again.wait_for("resumed from checkpoint-")
    again.wait_for("{'loss'", 2)
    again.process.send_signal(signal.SIGTERM)
    assert again.finish().status == 130


def test_a_signal_to_one_process_stops_all_and_two_go_on(one_process, two):
    run = two.start(*SHORT, *TWO)
    run.wait_for("{'loss'", 1)
    os.kill(children(run.process.pid)[1], signal.SIGTERM)
    stopped = run.finish()
    assert stopped.status == 130
    assert stopped.error == "stopped by a signal; go on with --resume"
    assert checkpoints(two)
    state = two.models / "whisper-qaa-sample.run" / "checkpoints" / checkpoints(two)[-1]
    progress = json.loads((state / "state.json").read_text("utf-8"))["progress"]
    logged = progress["history"]
    # What the clips of the epoch under way have cost is of both processes.
    _, n_tokens, _ = load_file(state / "clips.safetensors")["now"]
    assert np.count_nonzero(n_tokens) == min(5, 3 * progress["batch"])
    before = [(f["loss"], f["grad_norm"]) for f in logged if "loss" in f]
    rest = two.run(*SHORT, *TWO, "--resume")
    assert rest.status == 0, rest.err
    np.testing.assert_allclose(before + figures(rest), figures(one_process[1]), rtol=1e-4)


def test_a_fault_that_all_would_find_is_said_once(two):
    assert "no-such-folder" in two.run(*TWO, "--data", "no-such-folder").error
    assert "loss is" in two.run(*SHORT, *TWO, "--training.learning_rate", "1e30").error


WATCHED = """
import json, os, sys
import ruach_core.training.collate as collate
from ruach_core.cli import main

def note(what):
    with open(f"rank-{os.environ['RANK']}.jsonl", "a") as log:
        log.write(json.dumps(what) + "\\n")

read = collate.Collator.__call__
def noting(self, micro_batch, epoch):
    if self._augment is not None:  # validation has none
        note({"epoch": epoch, "clips": [self._utterances[i].id for i in micro_batch.indices]})
    return read(self, micro_batch, epoch)
collate.Collator.__call__ = noting

uncounted = collate.Tensors.uncounted
def noting_uncounted(self):
    note({"uncounted": True})
    return uncounted(self)
collate.Tensors.uncounted = noting_uncounted

import ruach_core.training.loop as loop
write = loop.write_checkpoint
def noting_write(*arguments, model, is_writer, **rest):
    digest = float(sum(p.double().abs().sum() for p in model.parameters()))
    note({"checkpoint": is_writer, "weights": digest})
    return write(*arguments, model=model, is_writer=is_writer, **rest)
loop.write_checkpoint = noting_write
sys.exit(main())
"""


def test_every_clip_once_an_epoch_with_dropout_one_writer_and_equal_weights(two, tiny_whisper):
    import shutil

    model = two.folder / "dropout"
    shutil.copytree(tiny_whisper, model)
    settings = json.loads((model / "config.json").read_text("utf-8"))
    settings |= {"dropout": 0.1, "attention_dropout": 0.1, "activation_dropout": 0.1}
    (model / "config.json").write_text(json.dumps(settings), "utf-8")
    (two.folder / "watched.py").write_text(WATCHED, "utf-8")
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
    ]
    run = two.start(*SHORT, "--training.workers", "1", "--model", str(model), launcher=command,
                    program=["watched.py"]).finish()  # fmt: skip
    assert run.status == 0, run.err
    notes = [
        [json.loads(line) for line in (two.folder / f"rank-{rank}.jsonl").open()]
        for rank in range(2)
    ]
    shown = notes[0].pop(0)["clips"]  # the first batch, which the output shows
    assert shown
    seen: dict[int, list[str]] = {0: [], 1: [], 2: []}
    for log in notes:
        for now, then in zip(log, [*log[1:], {}], strict=True):
            if "clips" in now and "uncounted" not in then:
                seen[now["epoch"]] += now["clips"]
    for clips in seen.values():
        assert len(clips) == len(set(clips)) == 5
    assert seen[0] != seen[1]
    saved = [[n for n in log if "checkpoint" in n] for log in notes]
    assert [{n["checkpoint"] for n in log} for log in saved] == [{True}, {False}]
    assert [n["weights"] for n in saved[0]] == [n["weights"] for n in saved[1]]
    assert len(saved[0]) == 3
