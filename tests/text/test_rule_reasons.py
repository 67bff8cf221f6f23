"""Every rule of a pack tells the speaker who reviews it what it does and why."""

from __future__ import annotations

import pytest

from ruach_core.blame import Blame, BlamedNormalizer
from ruach_core.default_plugins.normalizer import build_normalizer
from ruach_core.packs import find_packs
from ruach_core.plugins import Plugins
from ruach_core.text.diff import review_text
from ruach_core.text.latin import latin_folds
from ruach_core.text.normalization import (
    ChainNormalizer,
    Rule,
    replace_characters,
    replace_pattern,
    replace_sequences,
)
from ruach_core.text.numerals import replace_numerals, shield_numerals
from ruach_core.types import Purpose

# A pack that is broken has tests of its own that say so.
CODES = sorted(record.code for record in find_packs() if record.problem is None)
PURPOSES: tuple[Purpose, ...] = ("target", "score")


def find_faults(rules: tuple[object, ...]) -> list[str]:
    """The rules whose reason is no short sentence, with what they have."""
    faults = []
    for rule in rules:
        assert isinstance(rule, Rule)
        reason = rule.reason
        is_line = reason == " ".join(reason.split())
        if not (is_line and 10 <= len(reason) <= 160 and reason.endswith(".")):
            faults.append(f"{rule.name}: {reason!r}")
    return faults


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("code", CODES)
def test_every_rule_of_a_pack_has_a_reason(code: str, purpose: Purpose) -> None:
    rules = Plugins.load(code).normalizer().rules(purpose)
    assert rules
    assert find_faults(rules) == []


@pytest.mark.parametrize("purpose", PURPOSES)
def test_rules_of_the_safe_normalizer_have_reasons(purpose: Purpose) -> None:
    chain = build_normalizer("NFC")
    assert find_faults(chain.target if purpose == "target" else chain.score) == []


def test_rules_of_every_option_have_reasons() -> None:
    n_chains = 0
    for code in CODES:
        plugins = Plugins.load(code)
        assert plugins.manifest is not None
        for name, option in plugins.manifest.options.items():
            for value in option.values:
                normalizer = plugins.normalizer({name: value})
                for purpose in PURPOSES:
                    faults = find_faults(normalizer.rules(purpose))
                    assert faults == [], f"{code} {name}={value} {purpose}"
                    n_chains += 1
    assert n_chains or not CODES


def test_the_check_finds_faults() -> None:
    kept = "One short sentence that tells why."
    reasons = [
        "",
        "Too short",
        "No period at the end",
        "Two\nlines of text.",
        "x" * 160 + ".",
        kept,
    ]
    rules = tuple(Rule(str(number), str, reason) for number, reason in enumerate(reasons))
    assert [fault[0] for fault in find_faults(rules)] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(
    "rule",
    [
        replace_characters("r", {"a": "b"}, reason="Why."),
        replace_sequences("r", {"ab": "b"}, reason="Why."),
        replace_pattern("r", "a", "b", reason="Why."),
        replace_pattern("r", "a", "b", needs="a", reason="Why."),
        replace_pattern("r", "[ac]", "b", needs="ac", reason="Why."),
        replace_numerals("r", lambda numeral, before, after: None, reason="Why."),
    ],
)
def test_builders_pass_the_reason_on(rule: Rule) -> None:
    assert rule.reason == "Why."


def test_a_rule_needs_no_reason() -> None:
    assert Rule("r", str).reason == ""
    assert replace_characters("r", {"a": "b"}).reason == ""


def test_reviews_show_the_reason_rather_than_a_docstring() -> None:
    def told(text: str) -> str:
        """What the docstring says."""
        return text.replace("a", "b")

    rules = (Rule("with", told, " Why\n it is. "), Rule("without", lambda text: text + told("a")))
    chain = ChainNormalizer("chain", target=(*rules, Rule("documented", told)), score=())
    wrapped = BlamedNormalizer(chain, Blame("xx", "xx 1", "ruach_normalizer"))
    review = review_text(wrapped, ["a"], purposes=["target"])
    found = {rule.rule: rule.explanation for rule in review.rules.values()}
    assert found == {"with": "Why it is.", "without": ""}

    chain = ChainNormalizer("chain", target=(Rule("documented", told),), score=())
    wrapped = BlamedNormalizer(chain, Blame("xx", "xx 1", "ruach_normalizer"))
    review = review_text(wrapped, ["a"], purposes=["target"])
    assert [rule.explanation for rule in review.sorted_rules()] == ["What the docstring says."]


def test_shared_rules_that_no_pack_need_use_have_reasons() -> None:
    rules = (*latin_folds("NFC", keep_numerals=True), *latin_folds("NFD"), *shield_numerals(()))
    assert find_faults(rules) == []
