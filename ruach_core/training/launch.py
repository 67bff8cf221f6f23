"""Starting the processes of a run: here, or as those that something else has started already."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ruach_core.errors import RuachError, UserError
from ruach_core.training.ranks import LAUNCHER, LOST_STATUS

THIS_MACHINE = "127.0.0.1"
_INTERRUPTED = 130
_GRACE_S = 30.0
"""For the others to notice that one is gone; they do at once, unless a device keeps them."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many processes, and where; the names are torchrun's.

    Attributes:
        n_processes: on this machine, and on each other one.
        n_nodes: machines.
        node_rank: which one this is, from 0.
        address: name or address of machine 0.
        port: a free one there.
    """

    n_processes: int
    n_nodes: int = 1
    node_rank: int = 0
    address: str = THIS_MACHINE
    port: int = 0

    @property
    def n_ranks(self) -> int:
        """Processes in all."""
        return self.n_processes * self.n_nodes

    def check(self) -> None:
        """Refuse what can't work.

        Raises:
            UserError: as it says.
        """
        if not 0 <= self.node_rank < self.n_nodes:
            raise UserError(
                f"--node-rank {self.node_rank}: {self.n_nodes} machines are numbered from 0 to "
                f"{self.n_nodes - 1}"
            )
        if self.n_nodes > 1 and (self.address == THIS_MACHINE or not self.port):
            raise UserError(
                "--nnodes needs --master-addr and --master-port, the same on each machine: the "
                "address of machine 0 and a free port there"
            )


def n_devices() -> int:
    """GPUs that this process may use."""
    try:
        import torch
    except ImportError:
        return 0
    return int(torch.cuda.device_count())


def is_launched(environment: Mapping[str, str]) -> bool:
    """Whether torchrun, accelerate or another launcher started this process as one of several."""
    return "RANK" in environment and "WORLD_SIZE" in environment


def is_slurm_step(environment: Mapping[str, str]) -> bool:
    """Whether srun started this process as one of several tasks (a batch script isn't one)."""
    several = int(environment.get("SLURM_STEP_NUM_TASKS", "1")) > 1
    return several and "SLURM_PROCID" in environment


def slurm_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """What a launcher would have set, from what srun set.

    Raises:
        UserError: srun did not start this process.
    """
    try:
        nodes = environment.get("SLURM_STEP_NODELIST") or environment["SLURM_JOB_NODELIST"]
        # node[07-09,11] is Slurm's way to write several; any port does that two jobs don't share.
        first = re.sub(r"\[(\w+)[^\]]*\]", r"\1", nodes).partition(",")[0]
        port = 20_000 + int(environment["SLURM_JOB_ID"]) % 20_000
        count = environment.get("SLURM_STEP_NUM_TASKS") or environment["SLURM_NTASKS"]
        return {
            "RANK": environment["SLURM_PROCID"],
            "LOCAL_RANK": environment["SLURM_LOCALID"],
            "WORLD_SIZE": count,
            "MASTER_ADDR": environment.get("MASTER_ADDR", first),
            "MASTER_PORT": environment.get("MASTER_PORT", str(port)),
        }
    except KeyError as error:
        raise UserError(
            f"--launcher slurm: {error.args[0]} isn't set: start each process by srun, as in "
            "srun --ntasks-per-node 4 ruach train ..."
        ) from None


def launch(shape: Shape, arguments: Sequence[str]) -> int:
    """Run `ruach` with these arguments in several processes, until all have ended.

    Args:
        shape: how many processes.
        arguments: of `ruach`, the same for each process.

    Returns:
        0, or the status of the first process that failed; it has said why.

    Raises:
        RuachError: a process was killed, or those on another machine are gone.
    """
    port = shape.port or _free_port()
    # With -P the folder that the run happens in doesn't come before installed packages.
    command = [sys.executable, "-P", "-m", "ruach_core", *arguments]
    processes: list[subprocess.Popen[bytes]] = []
    with _forwarding(processes):
        for local_rank in range(shape.n_processes):
            environment = {**os.environ, **_variables(shape, local_rank, port)}
            # In a session of its own: Ctrl-C reaches it once, from here.
            processes.append(subprocess.Popen(command, env=environment, start_new_session=True))
        culprit = _wait(processes)
    return _status([process.returncode for process in processes], culprit, shape)


def _variables(shape: Shape, local_rank: int, port: int) -> dict[str, str]:
    n_threads = max(1, len(_processors()) // shape.n_processes)
    return {
        "RANK": str(shape.node_rank * shape.n_processes + local_rank),
        "LOCAL_RANK": str(local_rank),
        "WORLD_SIZE": str(shape.n_ranks),
        "LOCAL_WORLD_SIZE": str(shape.n_processes),
        "MASTER_ADDR": shape.address,
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(n_threads)),
        LAUNCHER: str(os.getpid()),
    }


def _processors() -> Sequence[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return range(os.cpu_count() or 1)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((THIS_MACHINE, 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def _forwarding(processes: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Hand SIGINT and SIGTERM on, once each time."""

    def forward(number: int, _frame: object) -> None:
        for process in processes:
            if process.poll() is None:
                process.send_signal(number)

    names = (signal.SIGINT, signal.SIGTERM)
    before = {name: signal.signal(name, forward) for name in names}
    try:
        yield
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
        for name, handler in before.items():
            signal.signal(name, handler)


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> int | None:
    """Until all have ended; returns the first that failed by itself, if one did.

    Where one fails, the others have a while to notice.
    """
    culprit, deadline = None, float("inf")
    while any(process.poll() is None for process in processes):
        for number, process in enumerate(processes):
            if process.returncode not in (None, 0, _INTERRUPTED):
                deadline = min(deadline, time.monotonic() + _GRACE_S)
                if culprit is None and process.returncode != LOST_STATUS:
                    culprit = number
        if time.monotonic() > deadline:
            for process in processes:
                process.kill()
        time.sleep(0.1)
    return culprit if culprit is not None else _first_failed(processes)


def _first_failed(processes: Sequence[subprocess.Popen[bytes]]) -> int | None:
    quiet = (0, _INTERRUPTED, LOST_STATUS)
    return next((n for n, p in enumerate(processes) if p.returncode not in quiet), None)


def _status(statuses: Sequence[int], culprit: int | None, shape: Shape) -> int:
    if culprit is not None:
        status = statuses[culprit]
        if status > 0:
            return status  # it has said why
        rank = shape.node_rank * shape.n_processes + culprit
        name = signal.Signals(-status).name
        why = " (out of memory, perhaps)" if name == "SIGKILL" else ""
        raise RuachError(
            f"process {rank} of {shape.n_ranks} was ended by {name}{why}; go on with --resume"
        )
    if _INTERRUPTED in statuses:
        return _INTERRUPTED
    if LOST_STATUS in statuses:
        raise RuachError(
            "the processes on another machine are gone, or can't be reached; go on with --resume"
        )
    return 0
