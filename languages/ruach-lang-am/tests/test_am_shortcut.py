"""The shortcut for plain texts gives what the whole chain gives, on Amharic letters and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruach_lang_am.normalizer import build_normalizer

SENTENCES = Path(__file__).parents[1] / "scripts" / "sample_sentences" / "train.txt"
OPTIONS: tuple[Mapping[str, str], ...] = (
    {},
    {"numbers": "keep"},
    {"abbreviations": "keep"},
    {"number_variants": "level"},
    {"labialised_sixth": "fold"},
)
LETTERS = st.one_of(
    st.sampled_from("ኘሮሬላትታቸችየበለከእዕንደሉሁሑዋቤጥዐዓሐሀኀፀሠቍኰዉሺ"),
    st.characters(min_codepoint=0x1200, max_codepoint=0x135A),
)
OTHERS = st.sampled_from(" ። ፣ ፤፥?! ፡.,:'5፩\u135f")


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@given(text=st.text(st.one_of(LETTERS, LETTERS, OTHERS), max_size=25))
@settings(max_examples=600, deadline=None)
def test_the_shortcut_gives_what_the_chain_gives(options: Mapping[str, str], text: str) -> None:
    normalizer = build_normalizer(options)
    chain = replace(normalizer, shortcut=None)
    assert normalizer.normalize(text, purpose="score") == chain.normalize(text, purpose="score")


def test_sentences_take_the_shortcut() -> None:
    shortcut = build_normalizer({}).shortcut
    assert shortcut is not None
    sentences = SENTENCES.read_text(encoding="utf-8").split("\n")[:-1]
    assert len(sentences) > 100
    assert all(shortcut(f"{sentence}።") is not None for sentence in sentences)


def test_a_prefix_that_folding_spells_is_read_at_once() -> None:
    normalizer = build_normalizer({})
    once = normalizer.normalize("ዕንደኘላ", purpose="score")
    assert once == "እንደፕላ" == normalizer.normalize(once, purpose="score")
