"""Checkpoints: written aside, digested, renamed; anything else is ignored on resume.

A checkpoint is a folder `checkpoint-<update>` of safetensors and JSON, with `COMPLETE.json` (size
and SHA-256 of every other file) written last. A run killed at any moment leaves at most a
`*.tmp` folder, which the next run removes.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruach_core.errors import UserError
from ruach_core.training.clip_losses import FILE as CLIPS
from ruach_core.training.sharding import laid_out_as, whole

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

COMPLETE = "COMPLETE.json"
PREFIX = "checkpoint-"


@dataclass(slots=True)
class Progress:
    """Where a run stands; saved with each checkpoint.

    Attributes:
        epoch: epochs done.
        batch: batches done in the epoch under way.
        update: updates done in all.
        loss_sum: summed loss since the epoch began, for the epoch's mean.
        n_tokens: tokens that `loss_sum` is over.
        window_loss: summed loss since the last logged line, and its tokens.
        best_epoch: epoch with the best metric; 0 before the first evaluation.
        best_metric: its value (a fraction).
        best_ties: the same epoch's other error rate and loss, which decide where metrics tie.
        epochs_without_gain: epochs since the best one.
        history: what was logged, in order; a figure that wasn't finite is None.
        seconds: time spent in training and evaluation so far.
        weights: what the finished model's weights are, for a reader.
        waited_s: of those, the seconds in which the training waited for data.
        micro_batch_s: most seconds of window in one forward pass, where less than planned fitted
            the memory; 0 where all went as planned. A resumed run goes no higher.
    """

    epoch: int = 0
    batch: int = 0
    update: int = 0
    loss_sum: float = 0.0
    n_tokens: int = 0
    window_loss: list[float] = field(default_factory=lambda: [0.0, 0.0])
    best_epoch: int = 0
    best_metric: float = float("inf")
    best_ties: list[float] = field(default_factory=list)
    epochs_without_gain: int = 0
    history: list[dict[str, float | None]] = field(default_factory=list)
    seconds: float = 0.0
    waited_s: float = 0.0
    weights: str = ""
    micro_batch_s: float = 0.0


def write_folder(final: Path, write: Callable[[Path], None]) -> None:
    """Fill a folder by `write(temporary folder)` and rename it into place.

    An existing `final` is replaced. Files are flushed to disk before the rename, so a power cut
    leaves the old folder or the new one.

    Raises:
        UserError: the disk is full or can't be written; nothing half-written stays.
    """
    from safetensors import SafetensorError

    temporary = final.with_name(f"{final.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        write(temporary)
        for path in temporary.rglob("*"):
            # safetensors makes its files private.
            path.chmod(0o755 if path.is_dir() else 0o644)
            _flush(path)
        _flush(temporary)
        if final.exists():
            retired = final.with_name(f"{final.name}.{os.getpid()}.old.tmp")
            final.rename(retired)
            temporary.rename(final)
            shutil.rmtree(retired)
        else:
            temporary.rename(final)
        _flush(final.parent)
    # safetensors has an error of its own for a full disk.
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{final}: can't be written: {error}; free space on the disk, then go on with --resume"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def clear_leftovers(final: Path) -> None:
    """Remove what killed runs left beside a folder that `write_folder` writes.

    A run killed between the two renames of a replacement leaves no `final`: the old one comes back.
    """
    for leftover in final.parent.glob(f"{glob.escape(final.name)}.*.tmp"):
        middle = leftover.name.removeprefix(f"{final.name}.").removesuffix(".tmp")
        if middle.removesuffix(".old").isdigit():
            if middle.endswith(".old") and not final.exists():
                leftover.rename(final)
            else:
                shutil.rmtree(leftover)


def seal(folder: Path) -> None:
    """Write `COMPLETE.json`: size and SHA-256 of every file in the folder."""
    files = {
        str(path.relative_to(folder)): {"size": path.stat().st_size, "sha256": _digest(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    (folder / COMPLETE).write_text(json.dumps(files, indent=1), encoding="utf-8")


def is_complete(folder: Path) -> bool:
    """Whether every file of the folder is there, whole and unchanged."""
    try:
        files: Mapping[str, Any] = json.loads((folder / COMPLETE).read_text(encoding="utf-8"))
        return all(
            (folder / name).stat().st_size == entry["size"]
            and _digest(folder / name) == entry["sha256"]
            for name, entry in files.items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def write_checkpoint(
    folder: Path,
    progress: Progress,
    *,
    model: Any,
    optimizer: Any,
    identity: Mapping[str, str],
    scaler: Any = None,
    keep: int = 2,
    clips: Mapping[str, npt.NDArray[np.float64]] | None = None,
    is_writer: bool = True,
) -> Path:
    """Write `checkpoint-<update>` and remove all but the newest `keep`.

    Of several processes all must call it, since parts of a sharded model come from each.

    Args:
        folder: the run's checkpoint folder.
        progress: where the run stands.
        model: the parameters that are trained are saved as float32 safetensors.
        optimizer: AdamW over those parameters; its state is saved by parameter name.
        identity: digests of settings and data; a resumed run must have the same.
        scaler: of float16's gradients; None in other precisions.
        keep: how many checkpoints stay.
        clips: what each clip has cost so far.
        is_writer: whether this process is the one that writes.
    """
    from safetensors.numpy import save_file as save_arrays
    from safetensors.torch import save_file

    final = folder / f"{PREFIX}{progress.update}"
    if not is_writer:
        for _ in chain(_parameters(model), _optimizer_state(model, optimizer)):
            pass  # their parts are gathered, and left to the writer
        return final

    def write(temporary: Path) -> None:
        save_file(dict(_parameters(model)), temporary / "model.safetensors")
        save_file(dict(_optimizer_state(model, optimizer)), temporary / "optimizer.safetensors")
        if clips is not None:
            save_arrays(dict(clips), temporary / CLIPS)
        state = {
            "progress": asdict(progress),
            "identity": dict(identity),
            "scaler": None if scaler is None else scaler.state_dict(),
        }
        (temporary / "state.json").write_text(json.dumps(state, indent=1), encoding="utf-8")
        seal(temporary)

    write_folder(final, write)
    for old in _by_update(folder)[keep:]:
        shutil.rmtree(old)
    return final


def write_weights(folder: Path, model: Any, *, is_half: bool = False) -> None:
    """Write a model's trained parameters alone, sealed; `is_half` writes all, in float16."""
    from safetensors.torch import save_file

    def write(temporary: Path) -> None:
        if is_half:
            weights = {n: p.detach().to("cpu").half() for n, p in model.named_parameters()}
        else:
            weights = dict(_parameters(model))
        save_file(weights, temporary / "model.safetensors")
        seal(temporary)

    write_folder(folder, write)


def load_weights(folder: Path, model: Any) -> None:
    """Put the parameters of a checkpoint, or of `write_weights`, into a model.

    What isn't trained isn't in there, and stays as it is.
    """
    from safetensors.torch import load_file

    saved = load_file(folder / "model.safetensors")
    for name, parameter in _trained(model):
        parameter.data.copy_(laid_out_as(saved[name], parameter))


def find_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint, or None; leftovers of killed writes are removed."""
    if folder.is_dir():
        for leftover in folder.glob("*.tmp"):
            shutil.rmtree(leftover, ignore_errors=True)
    return next((path for path in _by_update(folder) if is_complete(path)), None)


def best_epochs(folder: Path) -> set[int]:
    """The best epochs that the checkpoints of a folder go back to."""
    found: set[int] = set()
    for path in _by_update(folder):
        with suppress(OSError, ValueError, KeyError, TypeError):  # damaged: nothing resumes from it
            state = json.loads((path / "state.json").read_text(encoding="utf-8"))
            found.add(state["progress"]["best_epoch"])
    return found


def check_identity(where: Path, saved: Mapping[str, str], identity: Mapping[str, str]) -> None:
    """Refuse to go on with what belongs to another run.

    Args:
        where: what was made by the run that `saved` identifies.
        saved: digests of that run's settings and data.
        identity: this run's.

    Raises:
        UserError: they differ.
    """
    for what, digest in identity.items():
        if saved.get(what) != digest:
            raise UserError(
                f"{where}: made with other {what}; go on with the {what} that the run began with, "
                "or begin anew with --overwrite in place of --resume"
            )


def digest_model(directory: Path) -> str:
    """Digest of a base model's weights and configuration, by what is in the files."""
    digest = hashlib.blake2b(digest_size=32)
    for path in (directory / "config.json", *sorted(directory.glob("model*.safetensors"))):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return digest.hexdigest()


def load_checkpoint(
    checkpoint: Path,
    *,
    model: Any,
    optimizer: Any,
    identity: Mapping[str, str],
    scaler: Any = None,
) -> Progress:
    """Restore model, optimizer and scaler in place and return where the run stood.

    Raises:
        UserError: the checkpoint belongs to other settings or other data.
    """
    from safetensors.torch import load_file

    state = json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))
    check_identity(checkpoint, state["identity"], identity)
    load_weights(checkpoint, model)
    saved = load_file(checkpoint / "optimizer.safetensors")
    for name, parameter in _trained(model):
        if f"{name}/step" in saved:
            prefix = f"{name}/"
            optimizer.state[parameter] = {
                key.removeprefix(prefix): _as_state(value, parameter)
                for key, value in saved.items()
                if key.startswith(prefix)
            }
    # Begun anew, its scale would be too large, and updates that overflow are left out.
    if scaler is not None and state["scaler"]:
        scaler.load_state_dict(state["scaler"])
    return Progress(**state["progress"])


def _trained(model: Any) -> list[tuple[str, torch.Tensor]]:
    """The parameters that training changes, with their names."""
    return [(n, p) for n, p in model.named_parameters() if p.requires_grad]


def _parameters(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    for name, parameter in _trained(model):
        yield name, whole(parameter.detach()).to("cpu").contiguous()


def _optimizer_state(model: Any, optimizer: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Whatever the optimizer keeps of each parameter: moments, steps, quantization maps."""
    import torch

    shared: dict[int, torch.Tensor] = {}
    for name, parameter in _trained(model):
        for key, value in optimizer.state.get(parameter, {}).items():
            tensor = whole(torch.as_tensor(value).detach()).to("cpu").contiguous()
            # 8-bit Adam has one quantization map for all, and safetensors no shared memory.
            if tensor.data_ptr() in shared:
                tensor = tensor.clone()
            shared[tensor.data_ptr()] = tensor
            yield f"{name}/{key}", tensor


def _as_state(value: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor | int:
    """A saved value as the optimizer keeps it: AdamW counts steps in float32, 8-bit Adam in int."""
    import torch

    if value.dtype == torch.int64 and value.ndim == 0:
        return int(value)
    if value.shape == parameter.shape:
        return laid_out_as(value, parameter)
    return value.to(parameter.device)


def _by_update(folder: Path) -> list[Path]:
    """Checkpoint folders, newest first."""
    if not folder.is_dir():
        return []
    found = [
        (int(path.name.removeprefix(PREFIX)), path)
        for path in folder.iterdir()
        if path.name.startswith(PREFIX) and path.name.removeprefix(PREFIX).isdigit()
    ]
    return [path for _, path in sorted(found, reverse=True)]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
