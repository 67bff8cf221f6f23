"""A tiny random Whisper that goes through the whole pipeline, made without any download."""

from __future__ import annotations

import json
from itertools import chain, islice, product
from pathlib import Path

from ruach_core.models.whisper_files import WhisperShape, write_whisper_configs

# Whisper's own languages in the order of their ids (openai/whisper, tokenizer.py, up to large-v2).
LANGUAGES = [
    "en", "zh", "de", "es", "ru", "ko", "fr", "ja", "pt", "tr", "pl", "ca", "nl", "ar", "sv",
    "it", "id", "hi", "fi", "vi", "he", "uk", "el", "ms", "cs", "ro", "da", "hu", "ta", "no",
    "th", "ur", "hr", "bg", "lt", "la", "mi", "ml", "cy", "sk", "te", "fa", "lv", "bn", "sr",
    "az", "sl", "kn", "et", "mk", "br", "eu", "is", "hy", "ne", "mn", "bs", "kk", "sq", "sw",
    "gl", "mr", "pa", "si", "km", "sn", "yo", "so", "af", "oc", "ka", "be", "tg", "sd", "gu",
    "am", "yi", "lo", "uz", "fo", "ht", "ps", "tk", "nn", "mt", "sa", "lb", "my", "bo", "tl",
    "mg", "as", "tt", "haw", "ln", "ha", "ba", "jw", "su",
]  # fmt: skip
_N_OTHERS = 50_000
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789'"
_N_TIMESTAMPS = 1_501
_MAX_TARGET_POSITIONS = 448
_D_MODEL = 32
_HEADS = 4
_LAYERS = 2
_FFN = 64


def special_tokens(*, has_cantonese: bool = False) -> list[str]:
    """Whisper's special tokens, timestamps included, in the order of their ids.

    Args:
        has_cantonese: as large-v3, which has one language more.
    """
    languages = [*LANGUAGES, "yue"] if has_cantonese else LANGUAGES
    return [
        "<|endoftext|>",
        "<|startoftranscript|>",
        *(f"<|{code}|>" for code in languages),
        "<|translate|>",
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
        "<|notimestamps|>",
        *(f"<|{n * 0.02:.2f}|>" for n in range(_N_TIMESTAMPS)),
    ]


def write_tiny_tokenizer(folder: Path, *, has_cantonese: bool = False) -> dict[str, int]:
    """Write a byte-level `tokenizer.json` without merges: a text has as many tokens as bytes.

    Its vocabulary is as large as a real one's, and has the same empty token, since CTranslate2
    takes any other for an English-only model's; the tokens above the 256 bytes are never the
    tokenizer's choice, but a random model writes readable nonsense with them.

    Args:
        folder: an existing folder.
        has_cantonese: as large-v3, which has one language more.

    Returns:
        Every token's id.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    special = special_tokens(has_cantonese=has_cantonese)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    # With "Ġ", byte-level BPE's sign for a space; a model that never writes one writes one word.
    words = (byte + "Ġ" for byte in alphabet)
    syllables = ("".join(letters) for letters in product(_LETTERS, repeat=3))
    text = [*alphabet, *islice(chain(words, syllables), _N_OTHERS), ""]
    # The end stands in the vocabulary too, as in OpenAI's files: text tokens are those before it.
    vocab = {token: i for i, token in enumerate([*text, special[0]])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    return dict(tokenizer.get_vocab())


def write_tiny_whisper(
    folder: Path, *, seed: int = 0, n_mels: int = 80, has_cantonese: bool = False
) -> Path:
    """Write a random multilingual Whisper in transformers' layout, about 1.8 million parameters.

    Everything but its width and depth is as in a real one: 1,500 encoder and 448 decoder
    positions, the special tokens and their order, suppressed tokens, alignment heads.

    Args:
        folder: the folder to write into; made if need be.
        seed: of the weights.
        n_mels: mel bands, 80 or 128.
        has_cantonese: as large-v3, which has one language more.

    Returns:
        The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ids = write_tiny_tokenizer(folder, has_cantonese=has_cantonese)
    # What a CTranslate2 export's config.json holds; the real config.json replaces it.
    runtime = {
        "suppress_ids": sorted([ids["#"], ids["*"], ids["<|startofprev|>"], ids["<|nospeech|>"]]),
        "suppress_ids_begin": [ids["Ġ"], ids["<|endoftext|>"]],
        "alignment_heads": [[1, 0], [1, 2]],
    }
    (folder / "config.json").write_text(json.dumps(runtime), encoding="utf-8")
    shape = WhisperShape(
        d_model=_D_MODEL,
        n_mels=n_mels,
        vocab_size=len(ids),
        encoder_layers=_LAYERS,
        decoder_layers=_LAYERS,
        encoder_heads=_HEADS,
        decoder_heads=_HEADS,
        encoder_ffn=_FFN,
        decoder_ffn=_FFN,
        max_source_positions=1500,
        max_target_positions=_MAX_TARGET_POSITIONS,
        scale_embeddings=False,
        tied=True,
    )
    write_whisper_configs(folder, folder, shape=shape)
    _write_weights(folder, seed=seed)
    return folder


def _write_weights(folder: Path, *, seed: int) -> None:
    import torch
    from safetensors.torch import save_file
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = WhisperForConditionalGeneration(WhisperConfig.from_pretrained(folder))
    weights = {name: value.detach().contiguous() for name, value in model.named_parameters()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
