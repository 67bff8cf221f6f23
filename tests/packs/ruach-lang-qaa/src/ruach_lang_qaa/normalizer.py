"""Normalises Toy: core's rules, and the pack's own option `case`."""

from __future__ import annotations

from ruach_core.text.normalization import (
    ChainNormalizer,
    Rule,
    clean_rules,
    fold_case,
    surface_folds,
)


def build_normalizer(*, case: str | None = None) -> ChainNormalizer:
    """The normaliser of Toy.

    Args:
        case: `keep` or `lower`; None keeps it for `target` and lowers it for `score`.
    """
    folds = surface_folds("NFC")
    lower = fold_case("NFC")
    clean = clean_rules("NFC")
    target: tuple[Rule, ...] = (*clean, lower) if case == "lower" else clean
    if case == "keep":
        folds = tuple(rule for rule in folds if rule.name != lower.name)
    return ChainNormalizer(name="toy 0.1.0", target=target, score=(*target, *folds))
