"""A model cut over the devices of a run (FSDP), and its tensors as a whole.

Torch's `fully_shard` leaves the parameters' names as they are and makes each a `DTensor`, so a
checkpoint is the same whether the run that wrote it was sharded or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def shard(model: Any, *, precision: str) -> Any:
    """Cut a Whisper model over all processes, layer by layer, in place.

    Args:
        model: the same weights in every process, on its device.
        precision: `bf16` computes and gathers weights in bfloat16; the shards stay float32.

    Returns:
        The same model.
    """
    import torch
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    computed_in = torch.bfloat16 if precision == "bf16" else None
    policy = MixedPrecisionPolicy(param_dtype=computed_in, reduce_dtype=torch.float32)
    for part in (model.model.encoder, model.model.decoder):
        for layer in part.layers:
            fully_shard(layer, mp_policy=policy)
    return fully_shard(model, mp_policy=policy)


def broadcast_weights(model: Any) -> None:
    """Give every process the first one's weights; DDP does it by itself."""
    from torch import distributed

    for parameter in model.parameters():
        distributed.broadcast(parameter.data, src=0)


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
