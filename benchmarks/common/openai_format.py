"""A transformers Whisper as the checkpoint that openai-whisper loads: the same tensors, renamed."""

from __future__ import annotations

from pathlib import Path

# The names in openai/whisper, whisper/model.py, after those of transformers.
_PARTS = (
    ("encoder.layer_norm.", "encoder.ln_post."),
    ("decoder.layer_norm.", "decoder.ln."),
    ("decoder.embed_tokens.", "decoder.token_embedding."),
    (".embed_positions.weight", ".positional_embedding"),
    (".layers.", ".blocks."),
    (".self_attn_layer_norm.", ".attn_ln."),
    (".encoder_attn_layer_norm.", ".cross_attn_ln."),
    (".final_layer_norm.", ".mlp_ln."),
    (".self_attn.", ".attn."),
    (".encoder_attn.", ".cross_attn."),
    (".q_proj.", ".query."),
    (".k_proj.", ".key."),
    (".v_proj.", ".value."),
    (".out_proj.", ".out."),
    (".fc1.", ".mlp.0."),
    (".fc2.", ".mlp.2."),
)


def rename(name: str) -> str:
    """`model.encoder.layers.0.fc1.weight` -> `encoder.blocks.0.mlp.0.weight`."""
    name = name.removeprefix("model.")
    for theirs, openai in _PARTS:
        name = name.replace(theirs, openai)
    return name


def write_openai_checkpoint(model_dir: Path, path: Path) -> None:
    """Write a transformers folder's weights as one file for `whisper.load_model`."""
    import torch
    from transformers import WhisperForConditionalGeneration

    model = WhisperForConditionalGeneration.from_pretrained(
        model_dir, dtype=torch.float32, local_files_only=True, use_safetensors=True
    )
    config = model.config
    dims = {
        "n_mels": config.num_mel_bins,
        "n_vocab": config.vocab_size,
        "n_audio_ctx": config.max_source_positions,
        "n_audio_state": config.d_model,
        "n_audio_head": config.encoder_attention_heads,
        "n_audio_layer": config.encoder_layers,
        "n_text_ctx": config.max_target_positions,
        "n_text_state": config.d_model,
        "n_text_head": config.decoder_attention_heads,
        "n_text_layer": config.decoder_layers,
    }
    weights = {
        rename(name): tensor
        for name, tensor in model.state_dict().items()
        if name != "proj_out.weight"  # it is the token embedding
    }
    torch.save({"dims": dims, "model_state_dict": weights}, path)
