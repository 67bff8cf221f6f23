from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruach_core.text import ethiopic
from ruach_core.text.normalization import (
    ChainNormalizer,
    Rule,
    clean_rules,
    remove_punctuation,
    replace_characters,
    replace_pattern,
    replace_sequences,
)
from ruach_core.text.plain_words import plain_words_shortcut

FOLDS = {"ሐ": "ሀ", "ኀ": "ሀ", "ሠ": "ሰ", "ዐ": "አ", "ሑ": "ሁ"}
COMPOSE = replace_sequences("compose", {"ሁዋ": "ኋ", "ሉዋ": "ሏ"})
REPAIR = replace_pattern("repair", "ኘ(?=ሮ|ሠ)", "ፕ", needs="ኘ")
TARGET = (*clean_rules("NFC"), *ethiopic.clean_marks(), REPAIR, *ethiopic.punctuation_rules())
SCORE: tuple[Rule, ...] = (
    *TARGET,
    ethiopic.join_initials(),
    remove_punctuation(between_letters="", between_digits=".:,", after_digits="%"),
    replace_characters("folds", FOLDS),
    COMPOSE,
)
SHORTCUT = plain_words_shortcut(FOLDS, before=[("ኘ", REPAIR)], after=[("ዋ", COMPOSE)])
CHAIN = ChainNormalizer("toy", TARGET, SCORE)
SHORT = ChainNormalizer("toy", TARGET, SCORE, SHORTCUT)

PLAIN_AND_NOT_QUITE = st.text(
    st.one_of(
        st.sampled_from("ሀሐኀሠዐሑሁሉዋኘሮለመ"),
        st.sampled_from("  ።፣፤፥?!"),
        st.sampled_from("ሀለ ።፣፡፦.,:-'\"5፩\u135f\u1390ⶀA\t\u200b\U0001e7e0"),
    ),
    max_size=25,
)


@given(text=PLAIN_AND_NOT_QUITE)
@settings(max_examples=2000, deadline=None)
def test_the_shortcut_gives_what_the_chain_gives(text: str) -> None:
    assert SHORT.normalize(text, purpose="score") == CHAIN.normalize(text, purpose="score")
    assert SHORT.normalize(text, purpose="target") == CHAIN.normalize(text, purpose="target")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ሰላም ለሁሉ", "ሰላም ለሁሉ"),
        ("ሠላም፣ ሐሑዋ።", "ሰላም ሀኋ"),
        ("ኘሮ? ና! ሂድ፤ ነገ፥ ሄደ", "ፕሮ ና ሂድ ነገ ሄደ"),
    ],
)
def test_plain_texts_take_the_shortcut(text: str, expected: str) -> None:
    assert SHORTCUT(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "ሀ  ለ",
        " ሀ",
        "ሀ ",
        "ሀ ። ለ",
        "ሀ።ለ",
        "ሀ።።",
        "ሀ፡ለ",
        "ሀ።?",
        "።",
        "ሀ 5",
        "ሀ.",
        "ሀ\n",
        "A",
    ],
)
def test_other_texts_do_not(text: str) -> None:
    assert SHORTCUT(text) is None


@pytest.mark.parametrize("unit", ["ሐ", "ሐኀሠዐሑ", "ሀ? ", "ሁዋ", "ሀ። ", "!"])
def test_time_is_linear(unit: str) -> None:
    def seconds(n_characters: int) -> float:
        text = unit * (n_characters // len(unit)) + "ሀ"
        laps: list[float] = []
        for _ in range(3):
            start = time.process_time()
            SHORTCUT(text)
            laps.append(time.process_time() - start)
        return min(laps)

    assert seconds(200_000) < 40 * seconds(20_000) + 0.02
