from __future__ import annotations

import pytest

from ruach_core.config import TrainingConfig
from ruach_core.text.token_budget import token_budget
from ruach_core.training.hints import letters_hint


class _Tokenizer:
    """So many letters a token."""

    def __init__(self, letters: int) -> None:
        self._letters = letters

    def encode(self, text: str) -> list[int]:
        return list(range(-(-len(text) // self._letters)))


def _hint(
    *, wer: float = 1.2, letters: int = 3, clips_s: float = 4.0, **settings: object
) -> str | None:
    budget = token_budget(["abaka mwasi"] * 20, [clips_s] * 20, _Tokenizer(letters))
    config = TrainingConfig(**settings)  # type: ignore[arg-type]
    # One long clip among many short ones doesn't count.
    durations_s = [clips_s] * 39 + [29.0]
    return letters_hint(config, zero_shot_wer=wer, budget=budget, durations_s=durations_s)


def test_a_new_language_with_short_clips_is_told_of_letters() -> None:
    hint = _hint()
    assert hint is not None
    assert "--training.text_units letters --training.ctc_weight 0.5 --epochs 14" in hint


@pytest.mark.parametrize(
    "case",
    [
        {"wer": 0.3},
        {"letters": 1},
        {"clips_s": 12.0},
        {"text_units": "letters"},
        {"ctc_weight": 0.3},
        {"sharding": "fsdp"},
        {"cache_encoder": True},
        {"lora_rank": 32},
    ],
    ids=str,
)
def test_others_are_not(case: dict[str, object]) -> None:
    assert _hint(**case) is None  # type: ignore[arg-type]
