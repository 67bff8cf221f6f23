from __future__ import annotations

import random
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruach_core.default_plugins.metrics import ruach_metrics
from ruach_core.evaluation.metrics import (
    EditCounts,
    compare_systems,
    compression_ratio,
    count_edits,
    error_rate,
    has_loop,
    loop_rate,
    pool_counts,
    replacement_rate,
)

AMHARIC = (
    "ሰላም ለሁላችሁ ዛሬ ጠዋት ወደ ገበያ ሄጄ ዳቦ እና ወተት ገዛሁ ከዚያም ወደ ቤት ተመልሼ ከቤተሰቤ ጋር ቁርስ በላሁ "
    "ከሰዓት በኋላ ጓደኛዬ መጣ አብረን ወደ ትምህርት ቤት ሄድን መምህሩ ስለ አገራችን ታሪክ አስተማረን ማታ ላይ መጽሐፍ አነበብኩ"
)


def _edit_distance(reference: list[str], hypothesis: list[str]) -> int:
    row = list(range(len(hypothesis) + 1))
    for i, left in enumerate(reference, start=1):
        diagonal, row[0] = row[0], i
        for j, right in enumerate(hypothesis, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (left != right))
    return row[-1]


def test_count_edits_of_words() -> None:
    counts = count_edits(["a b c d"], ["a x c d e"], unit="word")
    assert counts == [EditCounts(substitutions=1, deletions=0, insertions=1, hits=3)]
    assert counts[0].n_reference == 4
    assert counts[0].rate == pytest.approx(0.5)


def test_count_edits_splits_words_at_any_white_space() -> None:
    assert count_edits([" a\tb\u00a0c\n"], ["a b c"], unit="word")[0].errors == 0


def test_count_edits_of_characters_counts_single_spaces() -> None:
    joined, double = count_edits(["ab cd", "ab  cd"], ["abcd", "ab cd"], unit="character")
    assert joined == EditCounts(0, 1, 0, 4)
    assert double.errors == 0


def test_count_edits_of_characters_counts_code_points() -> None:
    # e with a combining acute is two code points; the letter alone misses one of them.
    assert count_edits(["e\u0301"], ["e"], unit="character")[0] == EditCounts(0, 1, 0, 1)


@pytest.mark.parametrize("unit", ["word", "character"])
def test_empty_sides_are_defined(unit: str) -> None:
    counts = count_edits(["", "", "b", " "], ["", "a", "", ""], unit=unit)  # type: ignore[arg-type]
    assert counts == [
        EditCounts(0, 0, 0, 0),
        EditCounts(0, 0, 1, 0),
        EditCounts(0, 1, 0, 0),
        EditCounts(0, 0, 0, 0),
    ]
    assert error_rate(counts[:1]).rate == 0.0
    assert error_rate(counts[1:2]).rate == 1.0
    assert error_rate(counts).rate == 2.0


def test_error_rate_of_nothing_is_zero() -> None:
    rate = error_rate([])
    assert (rate.rate, rate.low, rate.high) == (0.0, 0.0, 0.0)
    assert pool_counts([]) == EditCounts(0, 0, 0, 0)


def test_count_edits_refuses_sides_of_unequal_number() -> None:
    with pytest.raises(ValueError, match="2 references but 1 hypotheses"):
        count_edits(["a", "b"], ["a"], unit="word")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from("ሀለሐ"), max_size=8),
            st.lists(st.sampled_from("ሀለሐ"), max_size=8),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_counts_are_the_edit_distance_and_add_up(pairs: list[tuple[list[str], list[str]]]) -> None:
    references = [" ".join(reference) for reference, _ in pairs]
    hypotheses = [" ".join(hypothesis) for _, hypothesis in pairs]
    counts = count_edits(references, hypotheses, unit="word")
    for (reference, hypothesis), count in zip(pairs, counts, strict=True):
        assert count.errors == _edit_distance(reference, hypothesis)
        assert count.n_reference == len(reference)
        assert count.hits + count.substitutions + count.insertions == len(hypothesis)


def _random_counts(n: int, rate: float, seed: int) -> list[EditCounts]:
    generator = random.Random(seed)
    counts = []
    for _ in range(n):
        length = generator.randint(3, 12)
        wrong = sum(generator.random() < rate for _ in range(length))
        counts.append(EditCounts(wrong, 0, 0, length - wrong))
    return counts


def test_interval_holds_the_rate_and_shrinks_with_clips() -> None:
    few, many = (error_rate(_random_counts(n, 0.3, seed=n)) for n in (50, 5_000))
    for rate in (few, many):
        assert rate.low < rate.rate < rate.high
    assert (few.high - few.low) > 5 * (many.high - many.low)
    assert many.low < 0.3 < many.high


def test_interval_agrees_with_the_normal_approximation() -> None:
    counts = [EditCounts(i % 4 == 0, 0, 0, i % 4 != 0) for i in range(400)]
    rate = error_rate(counts, resamples=4_000)
    half = 1.96 * np.sqrt(0.25 * 0.75 / 400)
    assert rate.rate == 0.25
    assert rate.high - rate.low == pytest.approx(2 * half, rel=0.1)


def test_interval_covers_the_true_rate_about_as_often_as_it_says() -> None:
    inside = 0
    for seed in range(200):
        rate = error_rate(_random_counts(100, 0.4, seed=seed), resamples=400, seed=seed)
        inside += rate.low <= 0.4 <= rate.high
    assert 180 <= inside <= 199


def test_interval_is_the_same_for_the_same_seed_only() -> None:
    counts = _random_counts(60, 0.4, seed=1)
    assert error_rate(counts, seed=7) == error_rate(counts, seed=7)
    assert error_rate(counts, seed=7) != error_rate(counts, seed=8)


def test_bootstrap_of_ten_thousand_clips_is_fast_and_bounded() -> None:
    counts = _random_counts(10_000, 0.4, seed=1)
    began = time.perf_counter()
    rate = error_rate(counts)
    assert time.perf_counter() - began < 5.0
    assert rate.low < rate.rate < rate.high


def test_compare_tells_a_clearly_better_system() -> None:
    worse, better = _random_counts(120, 0.5, seed=1), []
    for count in worse:
        fixed = count.substitutions // 2
        better.append(EditCounts(count.substitutions - fixed, 0, 0, count.hits + fixed))
    comparison = compare_systems(worse, better)
    assert comparison.difference < 0
    assert comparison.high < 0
    assert comparison.verdict("base", "tuned") == "tuned is better than base, p < 0.01"
    swapped = compare_systems(better, worse)
    assert swapped.verdict("base", "tuned") == "base is better than tuned, p < 0.01"


def test_compare_cannot_tell_equal_systems() -> None:
    counts = _random_counts(120, 0.5, seed=1)
    comparison = compare_systems(counts, counts)
    assert comparison.p_value == 1.0
    assert comparison.verdict() == "can't tell with 120 clips"


def test_compare_rarely_sees_a_difference_where_there_is_none() -> None:
    found = 0
    for seed in range(300):
        generator = random.Random(1_000 + seed)
        first = _random_counts(80, 0.4, seed=seed)
        # The same clips and error rate: each system has its own luck.
        second = []
        for count in first:
            wrong = sum(generator.random() < 0.4 for _ in range(count.n_reference))
            second.append(EditCounts(wrong, 0, 0, count.n_reference - wrong))
        found += compare_systems(first, second, resamples=500).p_value < 0.05
    # 5 % of 300 is 15; a one-sided count would find 30.
    assert 5 <= found <= 23


def test_paired_test_finds_what_unpaired_intervals_overlap_on() -> None:
    first = _random_counts(120, 0.5, seed=3)
    second = [
        EditCounts(c.substitutions - (i % 4 == 0 and c.substitutions > 0), 0, 0, c.hits)
        for i, c in enumerate(first)
    ]
    second = [
        EditCounts(b.substitutions, 0, 0, a.n_reference - b.substitutions)
        for a, b in zip(first, second, strict=True)
    ]
    assert error_rate(second).high > error_rate(first).low
    assert compare_systems(first, second).p_value < 0.01


@pytest.mark.parametrize("n_same", [0, 40])
@pytest.mark.parametrize("n_differing", [1, 2, 5, 6, 9])
def test_compare_is_no_surer_than_the_clips_that_differ(n_differing: int, n_same: int) -> None:
    """All differ in one direction: the exact sign-flip test gives 2 of 2^k patterns of signs."""
    same = [EditCounts(1, 0, 0, 9)] * n_same
    first = [*same, *[EditCounts(0, 0, 0, 10)] * n_differing]
    second = [*same, *[EditCounts(5, 0, 0, 5)] * n_differing]
    comparison = compare_systems(first, second)
    assert comparison.p_value >= 2 / 2**n_differing
    assert (comparison.p_value < 0.05) == (n_differing >= 6)


def test_compare_refuses_other_references() -> None:
    with pytest.raises(ValueError, match="same references"):
        compare_systems([EditCounts(1, 0, 0, 1)], [EditCounts(1, 0, 0, 2)])


@pytest.mark.parametrize(
    "text",
    [
        "we went to to to to the market",
        "and then " * 4,
        "ሰላም ለሁላችሁ " * 4,
        "." * 8,
        "ሃ" * 20,
        "la la-la la-la la-la la-lalalalalalalala",
        ("a sentence that is longer than ten words altogether so that only its compression "
         "gives it away in the end ") * 5,
    ],
)  # fmt: skip
def test_has_loop(text: str) -> None:
    assert has_loop(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "a", "no no no", "ha ha ha", "bora bora bora", "1000000", AMHARIC, AMHARIC[:60]],
)
def test_has_no_loop(text: str) -> None:
    assert not has_loop(text)


def test_compression_does_not_depend_on_the_script() -> None:
    latin = {}
    transliterated = "".join(latin.setdefault(c, chr(0x41 + len(latin))) for c in AMHARIC)
    assert compression_ratio(AMHARIC) == pytest.approx(compression_ratio(transliterated), rel=0.15)
    assert compression_ratio("") == 0.0


def test_loop_rate_excuses_what_was_said() -> None:
    said = "go go go go"
    assert loop_rate([said, said, "stop"], [said, "go", "stop"]) == pytest.approx(1 / 3)
    assert loop_rate([]) == 0.0


def test_replacement_rate() -> None:
    assert replacement_rate(["a\ufffdb\ufffd", "ab", "c", "d"]) == 0.25


def test_default_metrics_have_the_rates_of_the_reports() -> None:
    wer, cer = ruach_metrics()
    assert (wer.name, cer.name) == ("wer", "cer")
    result = wer.compute(["a b", "c d"], ["a b", "c x y"])
    assert result.value == 0.5
    assert result.details["substitutions"] == 1.0
    assert result.details["insertions"] == 1.0
    assert result.details["low"] <= 0.5 <= result.details["high"]
    assert cer.compute(["abcd"], ["abcx"]).value == 0.25
