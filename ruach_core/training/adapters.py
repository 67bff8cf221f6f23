"""Which of the model's parameters are trained: all of them, the decoder's, or LoRA adapters.

Whatever is trained, evaluation and export see a plain Whisper: adapters are added into the weights
first (`plain_whisper`, `merge_adapters`), so nothing downstream knows of them.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ruach_core.config import TrainingConfig
from ruach_core.errors import require_extra

if TYPE_CHECKING:
    import torch

_LINEAR = "q_proj|k_proj|v_proj|out_proj|fc1|fc2"
_ADAPTER = "default"


def check_extras(config: TrainingConfig) -> None:
    """Refuse now, not after the data has been read, what lacks its package.

    Raises:
        UserError: names the package, and the command that installs it.
    """
    wanted = {"lora": "peft"} if config.lora_rank else {}
    if config.optimizer == "adamw8bit":
        wanted["8bit"] = "bitsandbytes"
    for extra, module in wanted.items():
        if find_spec(module) is None:
            raise require_extra(module, extra)


def choose_trained(model: Any, config: TrainingConfig, *, seed: int) -> list[str]:
    """Freeze, adapt and checkpoint as the settings ask; changes the model in place.

    Args:
        model: a `WhisperForConditionalGeneration` that allows short windows.
        config: the settings.
        seed: of the adapters' first values.

    Returns:
        A line on each thing that was done; none for plain full fine-tuning.
    """
    lines = []
    if config.freeze_encoder:
        freeze_encoder(model)
        lines.append("Encoder frozen: the decoder alone is trained")
    if config.lora_rank:
        alpha = config.lora_alpha or 2.0 * config.lora_rank
        add_adapters(model, config.lora_rank, alpha, seed=seed, decoder_only=config.freeze_encoder)
        trained, total = count_parameters(model)
        lines.append(
            f"LoRA: rank {config.lora_rank}, alpha {alpha:g}, on all linear layers; "
            f"{trained:,} of {total:,} parameters are trained"
        )
    if config.gradient_checkpointing:
        checkpoint_layers(model)
        lines.append("Gradient checkpointing: activations are computed anew in the backward pass")
    return lines


def count_parameters(model: Any) -> tuple[int, int]:
    """Parameters that are trained, and all."""
    parameters = list(model.parameters())
    return sum(p.numel() for p in parameters if p.requires_grad), sum(p.numel() for p in parameters)


def freeze_encoder(model: Any) -> None:
    """Take the encoder out of the training for good: no gradients, no dropout, no checkpointing."""
    from torch import nn

    encoder = model.get_encoder()
    encoder.requires_grad_(False)

    def train(self: Any, mode: bool = True) -> Any:
        return nn.Module.train(self, False)

    encoder.train = types.MethodType(train, encoder)
    encoder.eval()


def add_adapters(
    model: Any, rank: int, alpha: float, *, seed: int, decoder_only: bool = False
) -> None:
    """Put LoRA (arXiv 2106.09685) on the linear layers; nothing else is trained from then on.

    The model stays the class that it is, so its patched encoder and its methods stay too.

    Args:
        model: changed in place.
        rank: of the adapters.
        alpha: their product counts alpha / rank times.
        seed: of their first values; their product begins at zero.
        decoder_only: leave the encoder as it is.
    """
    import torch
    from peft import LoraConfig, inject_adapter_in_model

    part = "decoder" if decoder_only else "(?:encoder|decoder)"
    config = LoraConfig(
        r=rank, lora_alpha=alpha, target_modules=rf"model\.{part}\.layers\..*\.(?:{_LINEAR})"
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model, adapter_name=_ADAPTER)


def checkpoint_layers(model: Any) -> None:
    """Keep each layer's input alone, and compute the rest again in the backward pass.

    Arithmetic grows by a fifth to a quarter. A frozen encoder keeps nothing anyway, and isn't
    computed twice: its layers are never in training mode.
    """
    # Named so since transformers 5.2x; the older name goes with version 6.
    enable = getattr(model, "activation_checkpointing_enable", None)
    (enable or model.gradient_checkpointing_enable)({"use_reentrant": False})


@contextmanager
def plain_whisper(model: Any) -> Iterator[Any]:
    """The model with its adapters in its weights, and no trace of them; afterwards as it was.

    The weights themselves are put back to the bit: adding and subtracting would leave rounding
    behind at every evaluation, and a resumed run would differ. They wait in the CPU's memory.

    Args:
        model: may have adapters or none.
    """
    import torch

    adapted = _adapted(model)
    kept = [layer.base_layer.weight.detach().to("cpu", copy=True) for _, _, layer in adapted]
    with torch.no_grad():
        _merge(adapted)
    try:
        yield model
    finally:
        with torch.no_grad():
            for (parent, name, layer), weight in zip(adapted, kept, strict=True):
                layer.base_layer.weight.copy_(weight)
                setattr(parent, name, layer)


def merge_adapters(model: Any) -> None:
    """Add the adapters into the weights for good; a plain Whisper is left."""
    import torch

    with torch.no_grad():
        _merge(_adapted(model))
    if hasattr(model, "peft_config"):
        del model.peft_config


def _adapted(model: Any) -> list[tuple[Any, str, Any]]:
    """Each linear layer with an adapter: its parent, its name there, itself."""
    return [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if hasattr(child, "base_layer")
    ]


def _merge(adapted: list[tuple[Any, str, Any]]) -> None:
    """Put each plain layer, its adapter's product added, in the adapted one's place."""
    for parent, name, layer in adapted:
        weight: torch.Tensor = layer.base_layer.weight
        weight += layer.get_delta_weight(_ADAPTER)
        layer.base_layer.train(layer.training)
        setattr(parent, name, layer.base_layer)
