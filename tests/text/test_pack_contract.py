"""The contract must fail on packs that break it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ruach_core.errors import PluginError
from ruach_core.testing import LanguagePackContract
from ruach_core.testing.plugins import site_on_path, write_pack

HOOKS = """
import re
from ruach_core import hookimpl
from ruach_core.text.normalization import ChainNormalizer, Rule, clean_rules, surface_folds

{imports}

TARGET = (*clean_rules("NFC"), {target})
SCORE = (*TARGET, *surface_folds("NFC"))
{tail}


@hookimpl
def ruach_normalizer(lang):
    return ChainNormalizer("bad", target=TARGET, score=SCORE)
"""
SAMPLES = "target\ta b\ta b\nscore\tA-b\ta b\n" * 10


class Contract(LanguagePackContract):
    __test__ = False


def _contract(
    site: Path, code: str, *, imports: str = "", target: str = "", tail: str = "",
    samples: str = SAMPLES,
) -> LanguagePackContract:  # fmt: skip
    hooks = HOOKS.format(imports=imports, target=target, tail=tail)
    write_pack(site, code, hooks=hooks, samples=samples)
    subclass = type(f"Contract{code}", (Contract,), {"code": code})
    contract = subclass()
    assert isinstance(contract, LanguagePackContract)
    return contract


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def test_good_pack_passes(site: Path) -> None:
    with site_on_path(site):
        contract = _contract(site, "qba")
        contract.test_pack_check_finds_no_fault()
        contract.test_samples_cover_both_purposes()
        contract.test_importing_hooks_loads_nothing_heavy()
        contract.test_normalizer_holds_on_any_text()
        contract.test_normalizer_holds_around_every_character()
        contract.test_letters_and_marks_stay_one_word()


def test_heavy_import_is_caught(site: Path) -> None:
    with site_on_path(site), pytest.raises(AssertionError):
        _contract(site, "qbb", imports="import numpy").test_importing_hooks_loads_nothing_heavy()


def test_splitting_at_marks_is_caught(site: Path) -> None:
    split = r'Rule("split", lambda t: re.sub("[\u0300-\u036f]", " ", t).strip())'
    with site_on_path(site), pytest.raises(AssertionError):
        _contract(site, "qbc", target=split).test_letters_and_marks_stay_one_word()


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("qbd", 'Rule("grows", lambda t: t + "x")'),
        ("qbe", 'Rule("newline", lambda t: t.replace(" ", "\\n"))'),
        ("qbf", 'Rule("form", lambda t: t.replace("a", "e\\u0301"))'),
        ("qbg", 'Rule("raises", lambda t: t if "\\ufffd" not in t else 1 // 0)'),
    ],
)
def test_broken_invariants_are_caught(site: Path, code: str, fault: str) -> None:
    with site_on_path(site), pytest.raises((AssertionError, PluginError)):
        _contract(site, code, target=fault).test_normalizer_holds_around_every_character()


def test_fuzzing_catches_a_broken_invariant(site: Path) -> None:
    # Hypothesis raises a group where it finds several faults.
    caught = (AssertionError, PluginError, ExceptionGroup)
    with site_on_path(site), pytest.raises(caught):
        _contract(
            site, "qbk", target='Rule("grows", lambda t: t + "x")'
        ).test_normalizer_holds_on_any_text()


def test_score_that_target_changes_is_caught(site: Path) -> None:
    tail = 'SCORE = (*clean_rules("NFC"), Rule("x", lambda t: t.replace("!", "x")))'
    with site_on_path(site), pytest.raises(AssertionError):
        _contract(
            site, "qbh", target='Rule("trim", lambda t: t.replace("!", ""))', tail=tail
        ).test_normalizer_holds_around_every_character()


def test_wrong_sample_is_caught(site: Path) -> None:
    with site_on_path(site), pytest.raises(AssertionError, match=r"samples\.tsv row 1"):
        _contract(site, "qbi", samples="target\ta\tb\n").test_pack_check_finds_no_fault()


def test_few_samples_are_caught(site: Path) -> None:
    with site_on_path(site), pytest.raises(AssertionError):
        _contract(site, "qbj", samples="target\ta\ta\n").test_samples_cover_both_purposes()
