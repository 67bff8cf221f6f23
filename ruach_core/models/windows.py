"""Let transformers' Whisper encoder see windows shorter than 30 s.

Stock `WhisperEncoder.forward` refuses anything but 3,000 frames and adds all 1,500 positions. The
replacement uses the first `n_frames / 2` positions, as CTranslate2's encoder does; weights, config
and saved files stay exactly as they were.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def allow_short_windows(model: Any) -> Any:
    """Make the model accept `input_features` of any even length up to 3,000 frames.

    Args:
        model: a `WhisperForConditionalGeneration`; changed in place.

    Returns:
        The same model.
    """
    encoder = model.get_encoder()
    encoder.forward = types.MethodType(_forward, encoder)
    return model


def _forward(
    self: Any, input_features: torch.Tensor, attention_mask: Any = None, **kwargs: Any
) -> Any:
    """Encode log-mel of shape (batch, n_mels, n_frames) to (batch, n_frames / 2, d_model)."""
    from torch import nn
    from transformers.modeling_outputs import BaseModelOutput

    hidden = nn.functional.gelu(self.conv1(input_features))
    hidden = nn.functional.gelu(self.conv2(hidden)).permute(0, 2, 1)
    n_positions = hidden.shape[1]
    if n_positions > self.embed_positions.num_embeddings:
        limit = 2 * self.embed_positions.num_embeddings
        raise ValueError(f"{input_features.shape[-1]} frames: a window has at most {limit}")
    hidden = hidden + self.embed_positions.weight[:n_positions]
    hidden = nn.functional.dropout(hidden, p=self.dropout, training=self.training)
    for layer in self.layers:
        hidden = layer(hidden, None)
    return BaseModelOutput(last_hidden_state=self.layer_norm(hidden))
