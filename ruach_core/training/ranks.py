"""The processes of a run: who this one is, what they agree on, and how one's end ends them all.

Every process knows the plan of an epoch, so little is exchanged besides the gradients: what the
first one found before training and after each epoch, and a few numbers an update. That goes over a
group of its own, in the processors' memory, whose waits may last as long as an evaluation does.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

from ruach_core.errors import RuachError, UserError

Value = TypeVar("Value")

LAUNCHER = "RUACH_LAUNCHER"
"""Set by `ruach train` in the processes that it starts: its own process id."""

LOST_STATUS = 75
"""Exit status of a process that ends because another one did, which says why (EX_TEMPFAIL)."""

_INTERRUPTED = 130
_LONGEST_EVALUATION = timedelta(hours=24)
_LONGEST_UPDATE = timedelta(minutes=30)


class ElsewhereError(RuachError):
    """The run ended, and another process (or the one that started them all) says why."""

    def __init__(self, exit_code: int = LOST_STATUS) -> None:
        super().__init__("the run ended in another process")
        self.exit_code = exit_code


class LostRankError(RuachError):
    """A process of the run is gone, killed or out of reach."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among those of the run.

    Attributes:
        number: counted from 0, over all machines.
        count: processes in all.
        group: for messages; None where the process is alone.
    """

    number: int = 0
    count: int = 1
    group: Any = None

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes, prints, measures and decides."""
        return self.number == 0

    def from_first(self, make: Callable[[], Value]) -> Value:
        """What `make()` gives in the first process; the others wait for it.

        An error in `make` ends the first process, and so all of them.
        """
        if not self.is_first:
            told: Value = self.hear()
            return told
        made = make()
        self.tell(made)
        return made

    def tell(self, value: object) -> None:
        """In the first process: hand a value to the others, which `hear` it."""
        if self.count == 1:
            return
        import torch
        from torch import distributed

        content = bytearray(pickle.dumps(value))
        distributed.broadcast(torch.tensor([len(content)]), src=0, group=self.group)
        message = torch.frombuffer(content, dtype=torch.uint8)
        distributed.broadcast(message, src=0, group=self.group)

    def hear(self) -> Any:
        """In the others: wait for what the first process tells."""
        import torch
        from torch import distributed

        size = torch.zeros(1, dtype=torch.int64)
        distributed.broadcast(size, src=0, group=self.group)
        message = torch.zeros(int(size), dtype=torch.uint8)
        distributed.broadcast(message, src=0, group=self.group)
        # From this run's own first process: nothing else speaks in the group.
        return pickle.loads(message.numpy().tobytes())

    def sum(self, values: Sequence[float]) -> list[float]:
        """The sum over all processes of each value."""
        if self.count == 1:
            return list(values)
        import torch
        from torch import distributed

        tensor = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(tensor, group=self.group)
        return [float(value) for value in tensor]

    def meet(self) -> None:
        """Wait for all processes."""
        self.sum([0.0])

    def fail(self, error: RuachError) -> NoReturn:
        """End with an error that all processes found at once; the first one says it."""
        if self.is_first:
            raise error
        raise ElsewhereError(error.exit_code)


@contextmanager
def joined() -> Iterator[Ranks]:
    """This process among those that a launcher started with it; alone without a launcher.

    Raises:
        UserError: the launcher wants what Ruach does itself.
        LostRankError: another process is gone.
        ElsewhereError: the same, where the launcher is Ruach's own and says it.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Ranks()
        return
    for name in ("FSDP", "DEEPSPEED", "MEGATRON_LM"):
        if os.environ.get(f"ACCELERATE_USE_{name}", "false").lower() == "true":
            raise UserError(
                f"accelerate's own {name} settings aren't used here: take them out of its "
                "configuration, and give --training.sharding fsdp where a model must be sharded"
            )
    _end_with_launcher()
    try:
        with _process_group() as ranks:
            yield ranks
    except KeyboardInterrupt:
        if os.environ.get("RANK") == "0":
            raise
        raise ElsewhereError(_INTERRUPTED) from None
    except RuntimeError as error:
        if not _is_lost_connection(error):
            raise
        if LAUNCHER in os.environ:
            raise ElsewhereError from error
        raise LostRankError(
            f"process {os.environ.get('RANK')} of {os.environ['WORLD_SIZE']} lost the others: one "
            "was killed or can't be reached; go on with --resume"
        ) from error


@contextmanager
def _process_group() -> Iterator[Ranks]:
    import torch
    from accelerate import PartialState
    from torch import distributed

    on_cpu = not torch.cuda.is_available()
    state = PartialState(
        cpu=on_cpu, timeout=_LONGEST_UPDATE, **({"backend": "gloo"} if on_cpu else {})
    )
    group = distributed.new_group(backend="gloo", timeout=_LONGEST_EVALUATION)
    ranks = Ranks(state.process_index, state.num_processes, group)
    is_whole = False
    try:
        yield ranks
        ranks.meet()  # the first measures and exports for long after the others' last update
        is_whole = True
    finally:
        # Closing the connections is what tells the others, wherever they are.
        if is_whole or on_cpu:
            distributed.destroy_process_group()
        else:
            distributed.destroy_process_group(group)


def _is_lost_connection(error: RuntimeError) -> bool:
    from torch import distributed

    known = (distributed.DistBackendError, distributed.DistNetworkError)
    return isinstance(error, known) or any(
        word in str(error) for word in ("gloo", "Connection closed", "Connection reset", "NCCL")
    )


def _end_with_launcher() -> None:
    """Have Linux send SIGTERM to this process when the launcher is gone, killed perhaps."""
    launcher = os.environ.get(LAUNCHER)
    if launcher is None or os.getppid() != int(launcher):
        return
    import ctypes
    import signal

    set_parent_death_signal = 1  # PR_SET_PDEATHSIG in linux/prctl.h
    try:
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)
    except (OSError, AttributeError):  # elsewhere than on Linux
        return
