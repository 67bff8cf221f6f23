"""CTranslate2 Whisper -> transformers: a folder that training can start from.

A straight rename of variables, for any size of Whisper. It serves base models that come as
CTranslate2 conversions, and users who kept only the export of a model they trained.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ruach_core.errors import UserError, require_extra
from ruach_core.models.ctranslate2_file import Ct2File, FloatArray, read_ct2_file
from ruach_core.models.whisper_files import WhisperShape, write_whisper_configs

_LAYER = re.compile(r"^(encoder|decoder)/layer_(\d+)/")
_GELU = 3
_HEAD_SIZE = 64  # of every Whisper that OpenAI published
# What the run time stores about a model beside its weights.
_SETTINGS = frozenset(
    f"{side}/{name}"
    for side in ("encoder", "decoder")
    for name in (
        "activation", "alibi", "alibi_use_positive_positions", "alignment_heads",
        "alignment_layer", "embeddings_merge", "multi_query_attention", "num_heads", "pre_norm",
        "scale_alibi", "scale_embeddings", "start_from_zero_embedding",
    )
)  # fmt: skip


def convert_ctranslate2_model(ct2_dir: Path, output_dir: Path) -> None:
    """Write a CTranslate2 Whisper model as a float32 transformers folder.

    The folder gets config.json, generation_config.json, model.safetensors, tokenizer.json,
    tokenizer_config.json and preprocessor_config.json. It appears whole or not at all. Quantised
    weights are widened; what rounding lost stays lost.

    Args:
        ct2_dir: folder with model.bin, config.json and tokenizer.json.
        output_dir: the folder to make; must be absent or empty.

    Raises:
        UserError: a file is missing, damaged or of another kind of model, or `output_dir` is
            taken or can't be written.
    """
    for name in ("model.bin", "config.json", "tokenizer.json"):
        if not (ct2_dir / name).is_file():
            raise UserError(
                f"{ct2_dir}: {name} is missing; a CTranslate2 model to train from needs model.bin, "
                "config.json and the tokenizer.json of the Whisper that it came from"
            )
    source = read_ct2_file(ct2_dir / "model.bin")
    tensors = _Renamer(source).tensors()
    shape = _whisper_shape(source)
    try:
        output_dir.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{output_dir.name}-", dir=output_dir.parent))
        try:
            write_whisper_configs(ct2_dir, partial, shape=shape)
            _write_safetensors(tensors, partial / "model.safetensors")
            shutil.copyfile(ct2_dir / "tokenizer.json", partial / "tokenizer.json")
            partial.chmod(0o755)  # mkdtemp makes private folders
            partial.replace(output_dir)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"{output_dir}: can't be written ({error.strerror}); give an empty or new folder on a "
            "disk with room"
        ) from error


def _write_safetensors(tensors: dict[str, FloatArray], path: Path) -> None:
    try:
        from safetensors.numpy import save_file
    except ImportError as error:
        raise require_extra("safetensors", "train") from error
    save_file(tensors, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors makes it readable by its owner alone


def _whisper_shape(source: Ct2File) -> WhisperShape:
    conv = source.shape("encoder/conv1/weight")
    if len(conv) != 3:
        raise _misfit(source, f"the encoder's conv1 has shape {conv}")
    d_model, n_mels, _ = conv
    if source.scalar("decoder/activation") not in (None, _GELU):
        raise _misfit(source, "the decoder's activation isn't GELU")
    return WhisperShape(
        d_model=d_model,
        n_mels=n_mels,
        vocab_size=source.shape("decoder/embeddings/weight")[0],
        encoder_layers=_count_layers(source, "encoder"),
        decoder_layers=_count_layers(source, "decoder"),
        encoder_heads=source.scalar("encoder/num_heads") or max(1, d_model // _HEAD_SIZE),
        decoder_heads=source.scalar("decoder/num_heads") or max(1, d_model // _HEAD_SIZE),
        encoder_ffn=source.shape("encoder/layer_0/ffn/linear_0/weight")[0],
        decoder_ffn=source.shape("decoder/layer_0/ffn/linear_0/weight")[0],
        max_source_positions=source.shape("encoder/position_encodings/encodings")[0],
        max_target_positions=source.shape("decoder/position_encodings/encodings")[0],
        scale_embeddings=bool(source.scalar("decoder/scale_embeddings")),
        tied=_is_tied(source),
    )


def _count_layers(source: Ct2File, side: str) -> int:
    matches = (_LAYER.match(name) for name in source.names)
    return len({match[2] for match in matches if match and match[1] == side})


def _is_tied(source: Ct2File) -> bool:
    embeddings, projection = "decoder/embeddings/weight", "decoder/projection/weight"
    if projection not in source.names or source.aliases.get(projection) == embeddings:
        return True
    return bool(np.array_equal(source.array(projection), source.array(embeddings)))


@dataclass(frozen=True, slots=True)
class _Linear:
    """A linear layer's rows; `bias` is None where the layer has none."""

    weight: FloatArray
    bias: FloatArray | None


class _Renamer:
    """Builds transformers' tensors, and keeps count of the variables that went into them."""

    def __init__(self, source: Ct2File) -> None:
        if source.spec != "WhisperSpec":
            raise UserError(
                f"{source.path}: holds a CTranslate2 {source.spec or 'model'}, not a Whisper; give "
                "the folder of a Whisper model"
            )
        self._source = source
        self._used: set[str] = set()
        self._tensors: dict[str, FloatArray] = {}

    def tensors(self) -> dict[str, FloatArray]:
        """All tensors of `WhisperForConditionalGeneration`, float32, by their names there.

        Raises:
            UserError: a variable is missing, is left over, or has a shape that doesn't fit.
        """
        for conv in ("conv1", "conv2"):
            self._put(f"model.encoder.{conv}.weight", f"encoder/{conv}/weight")
            self._put(f"model.encoder.{conv}.bias", f"encoder/{conv}/bias")
        self._put("model.decoder.embed_tokens.weight", "decoder/embeddings/weight")
        for side in ("encoder", "decoder"):
            target = f"model.{side}"
            self._put(f"{target}.embed_positions.weight", f"{side}/position_encodings/encodings")
            self._norm(f"{target}.layer_norm", f"{side}/layer_norm")
            for i in range(_count_layers(self._source, side)):
                self._layer(f"{target}.layers.{i}", f"{side}/layer_{i}", side == "decoder")
        self._output_projection()
        self._check_leftovers()
        return self._tensors

    def _layer(self, target: str, source: str, has_cross_attention: bool) -> None:
        attention = f"{source}/self_attention"
        self._norm(f"{target}.self_attn_layer_norm", f"{attention}/layer_norm")
        self._attention(f"{target}.self_attn", attention, stacks=("qkv", "o"))
        if has_cross_attention:
            attention = f"{source}/attention"
            self._norm(f"{target}.encoder_attn_layer_norm", f"{attention}/layer_norm")
            self._attention(f"{target}.encoder_attn", attention, stacks=("q", "kv", "o"))
        self._norm(f"{target}.final_layer_norm", f"{source}/ffn/layer_norm")
        for fc, linear in (("fc1", "linear_0"), ("fc2", "linear_1")):
            self._put(f"{target}.{fc}.weight", f"{source}/ffn/{linear}/weight")
            self._put(f"{target}.{fc}.bias", f"{source}/ffn/{linear}/bias")

    def _attention(self, target: str, source: str, *, stacks: tuple[str, ...]) -> None:
        """Unstack an attention's linear layers; `stacks` says which projections each holds."""
        for i, stack in enumerate(stacks):
            linear = self._linear(f"{source}/linear_{i}")
            n_rows = linear.weight.shape[0] // len(stack)
            if n_rows * len(stack) != linear.weight.shape[0]:
                raise _misfit(self._source, f"{source}/linear_{i} can't be split in {len(stack)}")
            for j, role in enumerate(stack):
                rows = slice(j * n_rows, (j + 1) * n_rows)
                bias = None if linear.bias is None else linear.bias[rows]
                self._projection(target, role, _Linear(linear.weight[rows], bias))

    def _projection(self, target: str, role: str, linear: _Linear) -> None:
        name = "out_proj" if role == "o" else f"{role}_proj"
        self._tensors[f"{target}.{name}.weight"] = linear.weight
        if role == "k":
            # Whisper's keys have no bias; CTranslate2 fills in zeros to stack them with the rest.
            if linear.bias is not None and np.any(linear.bias):
                raise _misfit(self._source, f"{target} has a bias on its keys")
            return
        if linear.bias is None:
            raise _misfit(self._source, f"{target}.{name} has no bias")
        self._tensors[f"{target}.{name}.bias"] = linear.bias

    def _linear(self, source: str) -> _Linear:
        has_bias = f"{source}/bias" in self._source.names
        return _Linear(
            self._take(f"{source}/weight"), self._take(f"{source}/bias") if has_bias else None
        )

    def _norm(self, target: str, source: str) -> None:
        self._put(f"{target}.weight", f"{source}/gamma")
        self._put(f"{target}.bias", f"{source}/beta")

    def _output_projection(self) -> None:
        name = "decoder/projection/weight"
        self._used.add(name)
        if not _is_tied(self._source):
            self._put("proj_out.weight", name)

    def _put(self, target: str, source: str) -> None:
        self._tensors[target] = self._take(source)

    def _take(self, source: str) -> FloatArray:
        self._used.add(source)
        return self._source.array(source)

    def _check_leftovers(self) -> None:
        known = self._used | {f"{name}_scale" for name in self._used} | _SETTINGS
        leftovers = sorted(self._source.names - known)
        if leftovers:
            raise _misfit(
                self._source, f"{leftovers[0]} (and {len(leftovers) - 1} more) has no place in it"
            )


def _misfit(source: Ct2File, reason: str) -> UserError:
    return UserError(
        f"{source.path}: does not fit Whisper's architecture: {reason}; give the folder of a "
        "Whisper model converted by ctranslate2 4"
    )
