"""One run of `train(config)` over the workers of a Ray cluster."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from ruach_core.cli.train import TrainRequest
from ruach_core.config import RunConfig
from ruach_core.errors import RuachError, UserError
from ruach_core.training.ranks import ElsewhereError, LostRankError

_CARRIED = ("RUACH_", "HF_", "OMP_NUM_THREADS")
"""Variables that the workers need as they are here."""


def train_on_cluster(
    request: TrainRequest, *, n_workers: int | None = None, address: str | None = None
) -> None:
    """Train on a Ray cluster and wait for the end.

    Args:
        request: what `ruach train` was asked for.
        n_workers: processes; by default one for each GPU of the cluster, or 1 without any.
        address: a running cluster's; by default `RAY_ADDRESS`, or a new one on this machine.

    Raises:
        UserError: Ray isn't there, or the cluster can't be reached.
        RuachError: what the run itself ended with.
    """
    # Ray would report how it is used; nobody asked for that.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        from ray.train import RunConfig as RayRunConfig
        from ray.train import ScalingConfig
        from ray.train.torch import TorchTrainer
        from ray.train.v2.api.exceptions import TrainingFailedError
    except ImportError as error:
        raise UserError(
            f"{error.name or 'ray'} is not installed: run pip install ruach-ray"
        ) from error
    carried = {name: value for name, value in os.environ.items() if name.startswith(_CARRIED)}
    try:
        ray.init(address=address, runtime_env={"env_vars": carried}, ignore_reinit_error=True)
    # Ray has no error of its own for a cluster that can't be reached or doesn't start.
    except Exception as error:
        where = address or os.environ.get("RAY_ADDRESS") or "this machine"
        raise UserError(
            f"no Ray cluster on {where}: {error}; start one with ray start --head and give its "
            "--address"
        ) from error
    n_gpus = int(ray.cluster_resources().get("GPU", 0))
    try:
        with tempfile.TemporaryDirectory(prefix="ruach-ray-") as storage:
            TorchTrainer(
                train_on_worker,
                train_loop_config={
                    "config": request.config.model_dump(mode="json"),
                    "resume": request.resume,
                    "overwrite": request.overwrite,
                    "folder": str(Path.cwd()),
                },
                scaling_config=ScalingConfig(
                    num_workers=n_workers or n_gpus or 1, use_gpu=n_gpus > 0
                ),
                run_config=RayRunConfig(storage_path=storage),
            ).fit()
    except TrainingFailedError as error:
        raise _reason(error) from error
    finally:
        ray.shutdown()


def train_on_worker(told: dict[str, Any]) -> None:
    """What each worker does; Ray has set RANK, WORLD_SIZE and so on, and joined the processes.

    Raises:
        RuachError: as `train` does.
    """
    from ruach_core.training.console import Console
    from ruach_core.training.run import train

    try:
        os.chdir(told["folder"])
    except OSError as error:
        raise UserError(
            f"{told['folder']}: {error.strerror} on a machine of the cluster; give the command in "
            "a folder on storage that all of them share"
        ) from error
    config = RunConfig.model_validate(told["config"])
    train(config, Console(), resume=told["resume"], overwrite=told["overwrite"])


def _reason(error: Exception) -> RuachError:
    """The error that ended the run, out of what Ray says of each worker."""
    failures = getattr(error, "worker_failures", {})
    causes = [_cause(failures[rank]) for rank in sorted(failures)]
    own = [cause for cause in causes if isinstance(cause, RuachError)]
    for cause in own:
        if not isinstance(cause, ElsewhereError | LostRankError):
            return cause
    last = (str(error).strip().splitlines() or [type(error).__name__])[-1]
    return own[0] if own else UserError(f"a Ray worker failed: {last}; go on with --resume")


def _cause(failure: BaseException) -> BaseException:
    """The exception itself, where Ray has put it into one of its own."""
    inner = getattr(failure, "cause", None)
    return inner if isinstance(inner, BaseException) else failure
