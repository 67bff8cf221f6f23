"""The JSON files that make a folder of Whisper weights loadable by transformers, offline.

Token ids are looked up by string in tokenizer.json: large-v3 has one language more than the
others, which shifts every id behind the languages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruach_core.errors import UserError

_LANGUAGE = re.compile(r"^<\|([a-z]{2,3})\|>$")
_TIMESTAMP = re.compile(r"^<\|\d+\.\d\d\|>$")
_N_TIMESTAMPS = 1501  # 0.00 to 30.00 s in steps of 0.02 s
_GPT2_END = 50256
_BLANK = "Ġ"  # a lone space, in byte-level BPE's alphabet
_MAX_INITIAL_TIMESTAMP = 50  # steps of 0.02 s: the first timestamp is at most 1 s, as OpenAI's


@dataclass(frozen=True, slots=True)
class WhisperShape:
    """The sizes of a Whisper model."""

    d_model: int
    n_mels: int
    vocab_size: int
    encoder_layers: int
    decoder_layers: int
    encoder_heads: int
    decoder_heads: int
    encoder_ffn: int
    decoder_ffn: int
    max_source_positions: int
    max_target_positions: int
    scale_embeddings: bool
    tied: bool


def write_whisper_configs(ct2_dir: Path, output_dir: Path, *, shape: WhisperShape) -> None:
    """Write config, generation, tokenizer and preprocessor settings for a converted model.

    Args:
        ct2_dir: CTranslate2 folder with config.json and tokenizer.json.
        output_dir: existing folder to write into; no file is replaced half-way, since the caller
            renames the folder once it is whole.
        shape: sizes, as read from the weights.

    Raises:
        UserError: a file isn't JSON, or tokenizer.json isn't this Whisper's.
    """
    tokens = _WhisperTokens.read(ct2_dir / "tokenizer.json", vocab_size=shape.vocab_size)
    runtime = _read_json(ct2_dir / "config.json")
    files = {
        "config.json": _model_config(shape, tokens),
        "generation_config.json": _generation_config(shape, tokens, runtime),
        "tokenizer_config.json": _tokenizer_config(tokens),
        "preprocessor_config.json": _preprocessor_config(shape),
    }
    for name, content in files.items():
        text = json.dumps(content, ensure_ascii=False, indent=2)
        (output_dir / name).write_text(text + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _WhisperTokens:
    """Ids of Whisper's special tokens, and the special tokens in the order of their ids."""

    ids: Mapping[str, int]
    languages: Mapping[str, int]
    special: tuple[str, ...]
    is_multilingual: bool

    @classmethod
    def read(cls, path: Path, *, vocab_size: int) -> _WhisperTokens:
        tokenizer = _read_json(path)
        try:
            ids = dict(tokenizer["model"]["vocab"])
            ids |= {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
            start, translate = ids["<|startoftranscript|>"], ids["<|translate|>"]
            no_timestamps = ids["<|notimestamps|>"]
            for needed in ("<|endoftext|>", "<|transcribe|>", "<|startofprev|>", _BLANK):
                ids[needed]
        except (KeyError, TypeError) as error:
            raise UserError(
                f"{path}: not a Whisper tokenizer ({error} is missing); copy the tokenizer.json of "
                "the Whisper that the model came from"
            ) from error
        if no_timestamps + 1 + _N_TIMESTAMPS != vocab_size:
            raise UserError(
                f"{path}: belongs to another Whisper: it makes {no_timestamps + 1 + _N_TIMESTAMPS} "
                f"tokens, the model has {vocab_size}; copy the tokenizer.json of the Whisper that "
                "the model came from"
            )
        languages = {
            token: i for token, i in ids.items() if start < i < translate and _LANGUAGE.match(token)
        }
        special = sorted(
            (t["content"] for t in tokenizer["added_tokens"] if not _TIMESTAMP.match(t["content"])),
            key=ids.__getitem__,
        )
        # English-only models keep GPT-2's vocabulary, which has this token one place earlier.
        is_multilingual = ids["<|endoftext|>"] != _GPT2_END
        return cls(ids, languages, tuple(special), is_multilingual)


def _model_config(shape: WhisperShape, tokens: _WhisperTokens) -> dict[str, Any]:
    end = tokens.ids["<|endoftext|>"]
    return {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "dtype": "float32",
        "activation_function": "gelu",
        "d_model": shape.d_model,
        "num_mel_bins": shape.n_mels,
        "vocab_size": shape.vocab_size,
        "encoder_layers": shape.encoder_layers,
        "encoder_attention_heads": shape.encoder_heads,
        "encoder_ffn_dim": shape.encoder_ffn,
        "decoder_layers": shape.decoder_layers,
        "decoder_attention_heads": shape.decoder_heads,
        "decoder_ffn_dim": shape.decoder_ffn,
        "max_source_positions": shape.max_source_positions,
        "max_target_positions": shape.max_target_positions,
        "scale_embedding": shape.scale_embeddings,
        "tie_word_embeddings": shape.tied,
        "decoder_start_token_id": tokens.ids["<|startoftranscript|>"],
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": end,
        "is_encoder_decoder": True,
        "use_cache": True,
    }


def _generation_config(
    shape: WhisperShape, tokens: _WhisperTokens, runtime: Mapping[str, Any]
) -> dict[str, Any]:
    end = tokens.ids["<|endoftext|>"]
    begin = runtime.get("suppress_ids_begin")
    config: dict[str, Any] = {
        "begin_suppress_tokens": [tokens.ids[_BLANK], end] if begin is None else begin,
        "bos_token_id": end,
        "decoder_start_token_id": tokens.ids["<|startoftranscript|>"],
        "eos_token_id": end,
        "is_multilingual": tokens.is_multilingual,
        "max_initial_timestamp_index": _MAX_INITIAL_TIMESTAMP,
        "max_length": shape.max_target_positions,
        "no_timestamps_token_id": tokens.ids["<|notimestamps|>"],
        "pad_token_id": end,
        "prev_sot_token_id": tokens.ids["<|startofprev|>"],
        "return_timestamps": False,
        "suppress_tokens": runtime.get("suppress_ids") or [],
    }
    # Absent heads mean that CTranslate2 chose the last half of the layers itself.
    config["alignment_heads"] = runtime.get("alignment_heads") or [
        [layer, head]
        for layer in range(shape.decoder_layers // 2, shape.decoder_layers)
        for head in range(shape.decoder_heads)
    ]
    if tokens.is_multilingual:
        config["lang_to_id"] = dict(tokens.languages)
        config["task_to_id"] = {
            task: tokens.ids[f"<|{task}|>"] for task in ("transcribe", "translate")
        }
    return config


def _tokenizer_config(tokens: _WhisperTokens) -> dict[str, Any]:
    end = "<|endoftext|>"
    return {
        "tokenizer_class": "WhisperTokenizer",
        "processor_class": "WhisperProcessor",
        "add_prefix_space": False,
        "bos_token": end,
        "eos_token": end,
        "unk_token": end,
        "pad_token": end,
        "clean_up_tokenization_spaces": False,
        "errors": "replace",
        # The last of them tells transformers where the timestamps start.
        "extra_special_tokens": [token for token in tokens.special if token != end],
        "model_max_length": 1024,
    }


def _preprocessor_config(shape: WhisperShape) -> dict[str, Any]:
    chunk_length_s = shape.max_source_positions * 2 // 100
    return {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "processor_class": "WhisperProcessor",
        "feature_size": shape.n_mels,
        "sampling_rate": 16_000,
        "n_fft": 400,
        "hop_length": 160,
        "chunk_length": chunk_length_s,
        "n_samples": chunk_length_s * 16_000,
        "nb_max_frames": chunk_length_s * 100,
        "dither": 0.0,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": False,
    }


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: can't be read as JSON; copy the file again") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: isn't a JSON object; copy the file again")
    return content
