"""AdamW, its learning rate by model size, and the schedule."""

from __future__ import annotations

from typing import Any

from ruach_core.config import TrainingConfig
from ruach_core.errors import UserError
from ruach_core.training.ctc import HEAD_RATE, PREFIX

# Peak rates by d_model for (a language that the base model knows, one that it doesn't), for full
# fine-tuning. The first column is OpenAI's rule, pre-training rate / 40; the second is what recipes
# for unseen languages use, with regularisation.
_LEARNING_RATES = {
    384: (4e-5, 1e-4),
    512: (2.5e-5, 7e-5),
    768: (1.25e-5, 4e-5),
    1024: (8e-6, 2e-5),
    1280: (5e-6, 1.5e-5),
}
# Peak rates of LoRA adapters (rank 32, alpha 64, all linear layers) by d_model: an estimate between
# the LoRA paper's 2e-4 to 5e-4 for models of 0.1 to 0.8 billion parameters (arXiv 2106.09685,
# appendix D) and the 1e-3 of peft's own Whisper example. Adapters begin at zero, so they take some
# ten times the rate of full fine-tuning.
_LORA_RATES = {384: 1e-3, 512: 1e-3, 768: 5e-4, 1024: 3e-4, 1280: 2e-4}

ADAM: dict[str, Any] = {"betas": (0.9, 0.98), "eps": 1e-6}
"""Of Whisper's own training (arXiv 2212.04356, appendix F)."""

UNSEEN_WER = 0.7
"""Zero-shot WER from which a language counts as unseen."""


def default_learning_rate(
    d_model: int, zero_shot_wer: float | None, *, lora: bool = False
) -> tuple[float, str]:
    """The peak learning rate for a model's width, and why.

    Args:
        d_model: width of the model; the nearest known size counts.
        zero_shot_wer: strict WER (a fraction) of the base model; None counts as unseen.
        lora: adapters are trained, for which the language makes no difference.
    """
    width = min(_LEARNING_RATES, key=lambda known: abs(known - d_model))
    if lora:
        return _LORA_RATES[width], "LoRA adapters, by the model's size"
    seen, unseen = _LEARNING_RATES[width]
    if zero_shot_wer is not None and zero_shot_wer < UNSEEN_WER:
        return seen, f"the base model knows the language (zero-shot WER {zero_shot_wer:.0%})"
    known = "unknown" if zero_shot_wer is None else f"{zero_shot_wer:.0%}"
    return unseen, f"the language is new to the base model (zero-shot WER {known})"


def default_batch_size(n_train: int) -> int:
    """Clips per update: few for small data, so that an epoch has enough updates."""
    for limit, batch_size in ((300, 4), (4_000, 8), (16_000, 16)):
        if n_train <= limit:
            return batch_size
    return 32


def default_epochs(n_train: int) -> int:
    """Passes over the data at most: many where one pass is few updates.

    The learning rate falls to zero over them, so more than early stopping will leave to the run
    would end it in the middle of the fall.
    """
    for limit, epochs in ((300, 12), (16_000, 8)):
        if n_train <= limit:
            return epochs
    return 5


def learning_rate_at(update: int, n_updates: int, peak: float, config: TrainingConfig) -> float:
    """Linear rise over the warm-up, then linear fall to zero; `update` counts from 0."""
    warmup = max(1, round(n_updates * config.warmup_share))
    if update < warmup:
        return peak * (update + 1) / warmup
    return peak * max(0.0, (n_updates - update) / max(1, n_updates - warmup))


def build_optimizer(model: Any, config: TrainingConfig, *, peak: float) -> Any:
    """AdamW with Whisper's betas; biases and norms aren't decayed, positions aren't trained.

    The encoder has groups of its own, for its rate. It knows speech of any language already; the
    decoder has a new one to learn. A CTC head, which begins with nothing, learns at `HEAD_RATE`.

    Args:
        model: what is trained.
        config: the settings.
        peak: learning rate after the warm-up, of which each group has its multiple.

    Raises:
        UserError: `adamw8bit` was asked for, and bitsandbytes can't run it here.
    """
    import torch

    factors = {"model.encoder.": config.encoder_rate, PREFIX: HEAD_RATE / peak, "": 1.0}
    by_kind: dict[tuple[str, bool], list[Any]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            prefix = next(prefix for prefix in factors if name.startswith(prefix))
            by_kind.setdefault((prefix, parameter.ndim > 1), []).append(parameter)
    groups = [
        {
            "params": parameters,
            "weight_decay": config.weight_decay if is_decayed else 0.0,
            "rate_factor": factors[prefix],
        }
        for (prefix, is_decayed), parameters in by_kind.items()
    ]
    settings: dict[str, Any] = {"lr": 0.0, **ADAM}
    if config.optimizer == "adamw8bit":
        _check_8bit(model.device)
        from bitsandbytes.optim import AdamW8bit

        return AdamW8bit(groups, **settings)
    return torch.optim.AdamW(groups, **settings, fused=True)


def _check_8bit(device: Any) -> None:
    """Try one update: older bitsandbytes import anywhere, and fail at the first step on a CPU."""
    import torch
    from bitsandbytes.optim import AdamW8bit

    trial = torch.nn.Parameter(torch.ones(4096, device=device))
    trial.grad = torch.ones_like(trial)
    try:
        AdamW8bit([trial]).step()
    except Exception as error:  # whatever a missing kernel or library raises
        reason = " ".join(str(error).split())
        raise UserError(
            f"bitsandbytes has no 8-bit Adam for {device}: {reason}; update it with pip install "
            "-U 'ruach-core[8bit]', train on an NVIDIA GPU, or use --training.optimizer adamw"
        ) from error


def set_learning_rate(optimizer: Any, rate: float) -> None:
    """Give every parameter group the rate, times its own factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate_factor"]


def set_dropout(model: Any, rate: float) -> None:
    """Let every layer of a Whisper drop out this share of its activations while it trains.

    Whisper's own configuration has 0. A rate of 0 leaves the model as it is.
    """
    if not rate:
        return
    for module in model.modules():
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = rate
