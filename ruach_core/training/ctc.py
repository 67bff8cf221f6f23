"""An auxiliary CTC loss: the encoder learns to tell letters without the decoder's help.

Hybrid training (S. Watanabe et al., IEEE JSTSP 11(8), 2017) minimises the decoder's cross-entropy
and, of the same encoder's states, the CTC loss of the text's letters. The head that gives them
their probabilities is a part of the model while it trains; Whisper itself stays as it was, and what
is exported of the head is a file of its own (`ruach_core.evaluation.ctc`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruach_core.config import TrainingConfig
from ruach_core.evaluation.ctc import BLANK, CTC_HEAD, CtcHead, label_texts
from ruach_core.export.folder import save_model
from ruach_core.types import Utterance

if TYPE_CHECKING:
    import torch

PREFIX = "ctc_head."
"""Of its parameters' names in the model that is trained."""

HEAD_RATE = 7e-4
"""Peak learning rate of the head, which begins with nothing; it falls and rises with the rest."""

_NAME = PREFIX.rstrip(".")
_N_HIDDEN = 384
_KERNEL_WIDTH = 5  # states of 20 ms


def add_head(model: Any, train: Sequence[Utterance], config: TrainingConfig, *, seed: int) -> None:
    """Give the model a head for the letters of the training texts, where the settings want one.

    Args:
        model: a `WhisperForConditionalGeneration`; changed in place.
        train: the clips that it will be trained on.
        config: the settings. Sharded over several devices there is no head.
        seed: of its first values; the same in every process.
    """
    import torch

    if not config.ctc_weight or config.sharding == "fsdp":
        return
    head = torch.nn.Module()
    head.letters = "".join(sorted(set().union(*(u.reference or "" for u in train))))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head.convolution = torch.nn.Conv1d(
            model.config.d_model, _N_HIDDEN, _KERNEL_WIDTH, padding=_KERNEL_WIDTH // 2
        )
        head.output = torch.nn.Linear(_N_HIDDEN, 1 + len(head.letters))
    model.add_module(_NAME, head.to(model.device))


def has_head(model: Any) -> bool:
    """Whether the model has a head."""
    return hasattr(model, _NAME)


def head_parameters(model: Any) -> list[Any]:
    """What of the model is its head."""
    return list(getattr(model, _NAME).parameters())


def save_with_head(model: Any, base_dir: Path, folder: Path) -> None:
    """`save_model`, with the head in its own file beside the weights where the model has one."""
    head = model._modules.pop(_NAME, None)
    try:
        save_model(model, base_dir, folder)
    finally:
        if head is not None:
            model.add_module(_NAME, head)
            (folder / CTC_HEAD).write_bytes(_exported(head).to_bytes())


def losses(model: Any, states: torch.Tensor, texts: Sequence[str]) -> torch.Tensor:
    """-log P(text | states) by the head, in nats.

    A text with more letters than the states can hold counts for nothing, and so does a letter that
    the head doesn't know.

    Args:
        model: has a head.
        states: of the encoder, (batch, n_states, width).
        texts: one for each.

    Returns:
        Shape (batch,), float32.
    """
    import torch

    head = getattr(model, _NAME)
    rows = label_texts(head.letters, texts)
    hidden = head.convolution(states.float().transpose(1, 2)).relu().transpose(1, 2)
    log_probs = head.output(hidden).log_softmax(-1)
    found: torch.Tensor = torch.nn.functional.ctc_loss(
        log_probs.transpose(0, 1),
        torch.tensor([label for row in rows for label in row], dtype=torch.long),
        torch.full((len(rows),), log_probs.shape[1]),
        torch.tensor([len(row) for row in rows]),
        blank=BLANK,
        reduction="none",
        zero_infinity=True,
    )
    return found


def _exported(head: Any) -> CtcHead:
    """The head as it is now, without torch."""
    arrays = (head.convolution.weight, head.convolution.bias, head.output.weight, head.output.bias)
    return CtcHead(head.letters, *(a.detach().float().cpu().numpy() for a in arrays))
