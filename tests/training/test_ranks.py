"""How a run is shared by several processes, in one: shares, messages, launchers' variables."""

from __future__ import annotations

import os

import pytest

from ruach_core.config import build_config
from ruach_core.errors import UserError
from ruach_core.training.batching import MicroBatch, plan_epoch
from ruach_core.training.launch import Shape, is_launched, is_slurm_step, slurm_variables
from ruach_core.training.ranks import ElsewhereError, Ranks
from ruach_core.types import Utterance


def clips(n: int) -> list[Utterance]:
    return [
        Utterance(id=str(i), audio=None, transcript="", split="train", duration_s=1 + i % 7)
        for i in range(n)
    ]  # fmt: skip


@pytest.mark.parametrize("policy", ["trim", "mix", "pack", "full"])
@pytest.mark.parametrize("n_ranks", [1, 2, 3, 8])
def test_shares_have_every_clip_once_and_keep_the_batches(policy, n_ranks):
    config = build_config({}, {"lang": "qaa", "window.policy": policy})

    def plan(ranks: int):
        return plan_epoch(clips(61), config.window, batch_size=5, micro_batch_s=40.0, seed=1,
                          epoch=2, n_tokens=[9] * 61, n_ranks=ranks)  # fmt: skip

    batches = plan(n_ranks)
    seen = [
        i
        for batch in batches
        for micro in batch.micro_batches
        for rank in range(n_ranks)
        for i in micro.share(rank, n_ranks).indices
    ]
    assert sorted(seen) == list(range(61))
    assert [sorted(b.indices) for b in batches] == [sorted(b.indices) for b in plan(1)]


@pytest.mark.parametrize("n_ranks", [2, 3])
def test_the_limit_of_a_pass_is_for_the_share_of_one_process(n_ranks):
    window = build_config({}, {"lang": "qaa", "window.policy": "full"}).window
    (batch,) = plan_epoch(clips(24), window, batch_size=24, micro_batch_s=60.0, seed=1, epoch=0,
                          n_tokens=[9] * 24, n_ranks=n_ranks)  # fmt: skip
    largest = [
        micro.share(rank, n_ranks).window_s
        for micro in batch.micro_batches
        for rank in range(n_ranks)
    ]
    assert max(largest) == 60.0
    assert len(batch.micro_batches) == 24 // (2 * n_ranks)


def test_shares_differ_by_one_window_at_most():
    micro = MicroBatch.of_clips(range(7), 16_000)
    assert [len(micro.share(rank, 3).windows) for rank in range(3)] == [3, 2, 2]
    assert [len(micro.share(rank, 9).windows) for rank in range(9)] == [1] * 7 + [0] * 2


def test_one_process_talks_to_itself():
    ranks = Ranks()
    assert ranks.from_first(lambda: "found") == "found"
    assert ranks.sum([1.5, 2.0]) == [1.5, 2.0]
    ranks.meet()
    with pytest.raises(UserError, match="why"):
        ranks.fail(UserError("why"))


def test_only_the_first_says_what_all_found():
    with pytest.raises(ElsewhereError) as caught:
        Ranks(1, 2).fail(UserError("why"))
    assert caught.value.exit_code == 1


STEP = {
    "SLURM_PROCID": "5", "SLURM_LOCALID": "1", "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_JOB_ID": "4711023", "SLURM_STEP_NODELIST": "gpu[07-08,11]",
}  # fmt: skip


def test_slurm_variables_are_those_of_a_launcher():
    found = slurm_variables(STEP)
    assert found == {"RANK": "5", "LOCAL_RANK": "1", "WORLD_SIZE": "8", "MASTER_ADDR": "gpu07",
                     "MASTER_PORT": "31023"}  # fmt: skip
    assert is_launched(found)
    assert is_slurm_step(STEP)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("n1", "n1"), ("a,b", "a"), ("r[2-3]n[10-12],z", "r2n10"), ("gpu[007]-ib,x", "gpu007-ib")],
)
def test_first_machine_of_a_slurm_list(nodes, first):
    assert slurm_variables({**STEP, "SLURM_STEP_NODELIST": nodes})["MASTER_ADDR"] == first


def test_a_batch_script_is_no_step():
    """It has the job's variables, but runs once: as a rank it would wait for the others forever."""
    script = {"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_JOB_ID": "1"}
    assert not is_slurm_step(script)
    with pytest.raises(UserError, match="srun"):
        slurm_variables(script)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (Shape(2, n_nodes=2, node_rank=2, address="host", port=1), "0 to 1"),
        (Shape(2, n_nodes=2, node_rank=0), "--master-addr"),
        (Shape(2, n_nodes=2, node_rank=0, address="host"), "--master-port"),
    ],
)
def test_shapes_that_cannot_work_are_refused(shape, reason):
    with pytest.raises(UserError, match=reason):
        shape.check()


def test_ranks_of_this_process_are_not_in_the_environment():
    """Else the other tests of this folder would wait for processes that nobody starts."""
    assert not is_launched(os.environ)
