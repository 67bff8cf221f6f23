"""Count what one training step costs: operations and memory, by model, window and text length.

    python benchmarks/count_step_costs.py > ruach_core/training/tables/step_costs.tsv

Nothing is computed: PyTorch's fake tensors go through the model as real ones would, so this needs
neither weights nor a GPU. Counted for one clip are the floating-point operations of the forward
and the backward pass, and the memory that the pass holds at its height beside the weights: what
the forward pass keeps for the backward one in bfloat16, and the logits with their gradients in
float32, as the loop's loss makes them. All layers of a kind cost alike, so models of one and two
layers are counted, and the rest follows.
"""

from __future__ import annotations

import torch
import transformers
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import (
    FlopCounterMode,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)
from transformers import WhisperConfig, WhisperForConditionalGeneration

from ruach_core.models.windows import allow_short_windows

# d_model, encoder layers, decoder layers, heads, mel bands, vocabulary: OpenAI's config.json files.
SHAPES = {
    "tiny": (384, 4, 4, 6, 80, 51_865),
    "base": (512, 6, 6, 8, 80, 51_865),
    "small": (768, 12, 12, 12, 80, 51_865),
    "medium": (1024, 24, 24, 16, 80, 51_865),
    "large-v3": (1280, 32, 32, 20, 128, 51_866),
    "large-v3-turbo": (1280, 32, 4, 20, 128, 51_866),
}
WINDOWS_S = (2, 5, 10, 20, 30)
LABELS = (20, 448)
MIB = 2**20
Costs = tuple[float, float, int]
"""GFLOPs, MiB, parameters."""
_ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_ATTENTION_BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
# The counter knows the GPU's attention, not the processor's.
FORMULAS = {
    _ATTENTION: lambda q, k, v, *_, out_shape=None, **__: sdpa_flop_count(q, k, v),
    _ATTENTION_BACKWARD: lambda grad, q, k, v, *_, out_shape=None, **__: sdpa_backward_flop_count(
        grad, q, k, v
    ),
}


def build(name: str, encoder: int, decoder: int) -> WhisperForConditionalGeneration:
    width, _, _, heads, n_mels, vocabulary = SHAPES[name]
    config = WhisperConfig(
        d_model=width, encoder_layers=encoder, decoder_layers=decoder, num_mel_bins=n_mels,
        encoder_attention_heads=heads, decoder_attention_heads=heads, vocab_size=vocabulary,
        encoder_ffn_dim=4 * width, decoder_ffn_dim=4 * width, use_cache=False,
    )  # fmt: skip
    model = allow_short_windows(WhisperForConditionalGeneration(config))
    model.get_encoder().embed_positions.requires_grad_(False)
    return model.train()


def loss(model: WhisperForConditionalGeneration, window_s: int, n_labels: int) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(
            input_features=torch.randn(1, model.config.num_mel_bins, 100 * window_s),
            decoder_input_ids=torch.zeros(1, n_labels, dtype=torch.long),
        ).logits
    rows = logits.view(n_labels, -1)
    log_probabilities = rows.float().log_softmax(-1)
    return -log_probabilities.gather(-1, torch.zeros(n_labels, 1, dtype=torch.long)).sum()


def count(name: str, encoder: int, decoder: int, window_s: int, n_labels: int) -> Costs:
    """Costs of a model with so many layers."""
    model = build(name, encoder, decoder)
    weights = {p.untyped_storage()._cdata for p in model.parameters()}
    # Autocast keeps a copy of each weight, which is as large for any number of clips.
    cast_sizes = {2 * p.numel() for p in model.parameters() if p.ndim > 1 and p.requires_grad}
    kept: dict[int, int] = {}
    alive = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        is_cast = tensor.dtype == torch.bfloat16 and storage.nbytes() in cast_sizes
        if storage._cdata not in weights and not is_cast:
            kept[storage._cdata] = storage.nbytes()
            alive.append(tensor)
        return tensor

    with FlopCounterMode(display=False, custom_mapping=FORMULAS) as counter:
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            value = loss(model, window_s, n_labels)
        # The gradient of the log-softmax in float32, and that of the logits in both precisions.
        gradients = n_labels * model.config.vocab_size * (4 + 4 + 2)
        memory = sum(kept.values()) + gradients
        value.backward()
    n_parameters = sum(p.numel() for p in model.parameters())
    return counter.get_total_flops() / 1e9, memory / MIB, n_parameters


def count_whole(name: str, window_s: int, n_labels: int) -> Costs:
    """Costs of the model with all its layers."""
    _, encoder, decoder, *_ = SHAPES[name]
    one, more_encoder, more_decoder = (
        count(name, *layers, window_s, n_labels) for layers in ((1, 1), (2, 1), (1, 2))
    )
    gflops, mib, n = (
        first + (encoder - 1) * (e - first) + (decoder - 1) * (d - first)
        for first, e, d in zip(one, more_encoder, more_decoder, strict=True)
    )
    return gflops, mib, int(n)


def main() -> None:
    print("# Counted by benchmarks/count_step_costs.py; one clip, forward and backward pass.")
    print("model", "n_parameters", "window_s", "n_labels", "gflops", "memory_mib", "source",
          sep="\t")  # fmt: skip
    source = (
        f"counted: torch {torch.__version__.partition('+')[0]}, "
        f"transformers {transformers.__version__}, fake tensors, bfloat16"
    )
    for name in SHAPES:
        for window_s in WINDOWS_S:
            for n_labels in LABELS:
                with FakeTensorMode():
                    gflops, mib, n_parameters = count_whole(name, window_s, n_labels)
                print(name, n_parameters, window_s, n_labels, f"{gflops:.4g}", f"{mib:.4g}",
                      source, sep="\t", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
