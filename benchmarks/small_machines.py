"""What each setting for smaller machines saves: time of a step, and bytes counted, not timed.

Every variant is a model of its own, built as `ruach train` builds it, with random weights of
Whisper's size; they take their steps in turn, and the medians are compared with the first.

    python benchmarks/small_machines.py [--size base] [--clips 4] [--rounds 3] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

SHAPES = {"tiny": (384, 4, 6), "base": (512, 6, 8), "small": (768, 12, 12)}
TEXT_TOKENS = 60
VARIANTS: dict[str, dict[str, Any]] = {
    "full fine-tuning": {},
    "LoRA, rank 32": {"lora_rank": 32},
    "checkpointing": {"gradient_checkpointing": True},
    "LoRA and checkpointing": {"lora_rank": 32, "gradient_checkpointing": True},
    "frozen encoder": {"freeze_encoder": True},
    "frozen, states cached": {"freeze_encoder": True, "cache_encoder": True},
    "8-bit Adam": {"optimizer": "adamw8bit"},
}


class Variant:
    """One model, its optimizer and its input."""

    def __init__(self, settings: dict[str, Any], args: argparse.Namespace) -> None:
        import torch
        from transformers import WhisperConfig, WhisperForConditionalGeneration

        from ruach_core.config import TrainingConfig
        from ruach_core.models.windows import allow_short_windows
        from ruach_core.training.adapters import choose_trained
        from ruach_core.training.optimizer import build_optimizer, set_learning_rate

        torch.manual_seed(0)
        config = TrainingConfig.model_validate(settings)
        width, layers, heads = SHAPES[args.size]
        shape = WhisperConfig(
            d_model=width, encoder_layers=layers, decoder_layers=layers, vocab_size=51865,
            encoder_attention_heads=heads, decoder_attention_heads=heads,
            encoder_ffn_dim=4 * width, decoder_ffn_dim=4 * width,
        )  # fmt: skip
        self.model = allow_short_windows(WhisperForConditionalGeneration(shape))
        self.model.get_encoder().embed_positions.requires_grad_(False)
        choose_trained(self.model, config, seed=0)
        self.model.train()
        self.optimizer = build_optimizer(self.model, config, peak=1e-5)
        set_learning_rate(self.optimizer, 1e-6)
        self.ids = torch.randint(0, 50_000, (args.clips, TEXT_TOKENS))
        mel = torch.randn(args.clips, 80, round(100 * args.seconds))
        if config.cache_encoder:
            with torch.inference_mode():
                states = self.model.get_encoder()(mel).last_hidden_state
            self.heard: dict[str, Any] = {"encoder_outputs": (states.clone(),)}
        else:
            self.heard = {"input_features": mel}
        self.seconds: list[float] = []

    def loss(self) -> Any:
        import torch

        output = self.model(**self.heard, decoder_input_ids=self.ids, use_cache=False)
        return torch.nn.functional.cross_entropy(output.logits.flatten(0, 1), self.ids.flatten())

    def step(self) -> None:
        """One update, timed."""
        import torch

        began = time.perf_counter()
        self.loss().backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.seconds.append(time.perf_counter() - began)

    def activation_bytes(self) -> int:
        """What a forward pass keeps for its backward pass, weights aside."""
        import torch

        own = {p.untyped_storage().data_ptr() for p in self.model.parameters()}
        kept: dict[int, tuple[int, Any]] = {}

        def pack(tensor: Any) -> Any:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in own:
                kept[storage.data_ptr()] = (storage.nbytes(), tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = self.loss()
        del loss
        return sum(n for n, _ in kept.values())

    def figures(self) -> dict[str, float]:
        """Counts and the median step."""
        parameters = list(self.model.parameters())
        trained = [p for p in parameters if p.requires_grad]
        state = sum(
            value.numel() * value.element_size()
            for values in self.optimizer.state.values()
            for value in values.values()
            if hasattr(value, "numel") and value.numel() != 256  # 8-bit Adam's shared maps
        )
        return {
            "trained_parameters": sum(p.numel() for p in trained),
            "weights_mb": sum(4 * p.numel() for p in parameters) / 1e6,
            "gradients_mb": sum(4 * p.numel() for p in trained) / 1e6,
            "optimizer_mb": state / 1e6,
            "activations_mb": self.activation_bytes() / 1e6,
            "step_s": statistics.median(self.seconds[1:]),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=sorted(SHAPES), default="base")
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.0, help="of window, each clip")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=list(VARIANTS), help="variants by name")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    variants = {}
    for name in args.only:
        try:
            variants[name] = Variant(VARIANTS[name], args)
        except ImportError as error:
            print(f"{name}: left out, {error.name} is not installed")
    for _ in range(args.rounds + 1):  # the first step of each isn't counted
        for variant in variants.values():
            variant.step()
    found = {name: variant.figures() for name, variant in variants.items()}
    first = next(iter(found.values()))["step_s"]
    for figures in found.values():
        figures["speed"] = first / figures["step_s"]
    if args.json:
        print(json.dumps({"setting": vars(args), "variants": found}))
        return
    print(f"{'':<24}{'trained':>9}{'gradients':>11}{'optimizer':>11}{'activations':>13}{'step':>9}"
          f"{'speed':>8}")  # fmt: skip
    for name, f in found.items():
        print(
            f"{name:<24}{f['trained_parameters'] / 1e6:>7.2f} M{f['gradients_mb']:>8.0f} MB"
            f"{f['optimizer_mb']:>8.0f} MB{f['activations_mb']:>10.0f} MB{f['step_s']:>7.2f} s"
            f"{f['speed']:>7.2f}x"
        )


if __name__ == "__main__":
    main()
