"""A model cut over the devices of a run (FSDP), and its tensors as a whole.

Torch's `fully_shard` leaves the parameters' names as they are and makes each a `DTensor`, so a
checkpoint is the same whether the run that wrote it was sharded or not.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from ruach_core.errors import UserError

if TYPE_CHECKING:
    import torch


def sharded(model: Any, precision: str, *, keep_whole: bool) -> Any:
    """A Whisper model cut over all processes, layer by layer; each gets the first one's weights.

    Args:
        model: on the device.
        precision: `bf16` computes and gathers weights in bfloat16; the shards stay float32.
        keep_whole: leave `model` as it is, and cut a copy; else `model` itself is cut.

    Raises:
        UserError: float16, whose scaled gradients can't be checked by parts.
    """
    import torch
    from torch import distributed
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    if precision == "fp16":
        raise UserError("--training.sharding fsdp needs --training.precision bf16 or float32")
    for parameter in model.parameters():
        distributed.broadcast(parameter.data, src=0)
    if keep_whole:
        model = copy.deepcopy(model)
    computed_in = torch.bfloat16 if precision == "bf16" else None
    policy = MixedPrecisionPolicy(param_dtype=computed_in, reduce_dtype=torch.float32)
    for part in (model.model.encoder, model.model.decoder):
        for layer in part.layers:
            fully_shard(layer, mp_policy=policy)
    return fully_shard(model, mp_policy=policy)


def gather_weights(shards: Any, model: Any) -> None:
    """Put the shards' weights into the whole model, where there is one beside them."""
    for part, parameter in zip(shards.parameters(), model.parameters(), strict=True):
        weights = whole(part.detach())
        if shards is not model:
            parameter.data.copy_(weights)


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor's whole value; where it is sharded, all processes must ask for it together."""
    gather = getattr(tensor, "full_tensor", None)  # DTensor's own; its import costs half a second
    return tensor if gather is None else gather()


def laid_out_as(tensor: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """A whole tensor, cut as the parameter is, on its device; every process has the whole one."""
    tensor = tensor.to(parameter.device)
    mesh = getattr(parameter, "device_mesh", None)
    if mesh is None:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor, mesh, parameter.placements, src_data_rank=None)
