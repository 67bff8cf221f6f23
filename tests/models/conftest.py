"""A tiny random Whisper of odd sizes, so that no two dimensions can be mixed up unseen."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class TinyWhisper:
    """A transformers folder, and the CTranslate2 conversions of it."""

    root: Path

    @property
    def transformers_dir(self) -> Path:
        return self.root / "transformers"

    @property
    def ct2_dir(self) -> Path:
        return self.converted("float32")

    def converted(self, quantization: str) -> Path:
        """Converted by CTranslate2's own converter, once for each quantization."""
        from ctranslate2.converters import TransformersConverter

        target = self.root / quantization
        if not target.exists():
            source = str(self.transformers_dir)
            converter = TransformersConverter(source, copy_files=["tokenizer.json"])
            converter.convert(str(target), quantization=quantization)
        return target


def special_tokens(n_languages: int) -> list[str]:
    """Whisper's special tokens in order; large-v3 has 100 languages, the others 99."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    codes = ["en", "am"] + [f"q{a}{b}" for a in "ab" for b in letters] + [f"r{b}" for b in letters]
    codes += [f"s{b}" for b in letters]
    languages = [f"<|{code}|>" for code in codes[:n_languages]]
    assert len(set(languages)) == n_languages
    return [
        "<|endoftext|>", "<|startoftranscript|>", *languages, "<|translate|>", "<|transcribe|>",
        "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>",
    ]  # fmt: skip


def write_tokenizer(folder: Path, *, n_languages: int) -> dict[str, int]:
    """Write a byte-level tokenizer without merges; returns the ids of its special tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = special_tokens(n_languages)
    vocab = {token: i for i, token in enumerate([*alphabet, special[0]])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "WhisperTokenizer", "pad_token": special[0]}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return {token: tokenizer.token_to_id(token) for token in special}


def build_tiny_whisper(root: Path, *, n_languages: int = 99) -> TinyWhisper:
    """A random Whisper: 2 encoder and 3 decoder layers, 128 mel bins, 20 s of positions."""
    import torch
    from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

    source = root / "transformers"
    source.mkdir(parents=True)
    ids = write_tokenizer(source, n_languages=n_languages)
    end = ids["<|endoftext|>"]
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=ids["<|notimestamps|>"] + 1 + 1501, num_mel_bins=128, d_model=32,
        encoder_layers=2, encoder_attention_heads=4, encoder_ffn_dim=48,
        decoder_layers=3, decoder_attention_heads=2, decoder_ffn_dim=56,
        max_source_positions=1000, max_target_positions=64,
        decoder_start_token_id=end + 1, bos_token_id=end, eos_token_id=end, pad_token_id=end,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    with torch.no_grad():  # a fresh model's biases are zeros and its norms ones: nothing to tell
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter))
    model.generation_config = GenerationConfig(
        suppress_tokens=[1, 2, ids["<|startofprev|>"]],
        begin_suppress_tokens=[5, end],
        alignment_heads=[[1, 0], [2, 1]],
        lang_to_id={t: i for t, i in ids.items() if end + 1 < i < ids["<|translate|>"]},
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )
    model.save_pretrained(source)
    return TinyWhisper(root)


@pytest.fixture(scope="session")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> TinyWhisper:
    pytest.importorskip("transformers")
    return build_tiny_whisper(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_whisper_v3(tmp_path_factory: pytest.TempPathFactory) -> TinyWhisper:
    """As large-v3: one language more, so that the ids behind the languages are shifted."""
    pytest.importorskip("transformers")
    return build_tiny_whisper(tmp_path_factory.mktemp("tiny-v3"), n_languages=100)


@pytest.fixture
def ruach_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "cache"
    monkeypatch.setenv("RUACH_CACHE", str(cache))
    return cache
