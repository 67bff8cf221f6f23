"""The contract must fail on packs that break it: each rule's own test on a pack that breaks it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from ruach_core.errors import PluginError
from ruach_core.testing import LanguagePackContract
from ruach_core.testing.contract_pack import build_backend, find_source
from ruach_core.testing.plugins import site_on_path, write_pack

HOOKS = """
import re
from ruach_core import hookimpl
from ruach_core.text.normalization import (
    SPACES, ChainNormalizer, Rule, clean_rules, replace_pattern, surface_folds,
)
{imports}
TARGET = (*clean_rules("NFC"), {target})
SCORE = (*TARGET, *surface_folds("NFC"), {score})
{tail}

@hookimpl
def ruach_normalizer(lang, options):
    return ChainNormalizer("bad", target=TARGET, score=SCORE)
"""
SAMPLES = "target\ta b\ta b\nscore\tA-b\ta b\n" * 10
OPTION = """
[options.way]
values = ["good", "bad"]
target = "good"
score = "good"
help = "bad breaks the rule"
"""
# The rule is broken under one value of one option alone.
BY_OPTION = """
BAD = (*TARGET,)

@hookimpl
def ruach_normalizer(lang, options):
    rules = BAD if options.get("way") == "bad" else clean_rules("NFC")
    return ChainNormalizer("sometimes", target=rules, score=(*rules, *surface_folds("NFC")))
"""
PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "ruach-lang-{code}"
version = "1.0"

[project.entry-points."ruach.languages"]
{point} = "ruach_lang_{code}.hooks"

[tool.hatch.build.targets.wheel]
packages = ["ruach_lang_{code}"]
exclude = [{exclude}]
"""


class Contract(LanguagePackContract):
    __test__ = False


RULES = sorted(name for name in vars(LanguagePackContract) if name.startswith("test_"))

# The rule's test -> what makes a pack break the rule.
BROKEN: dict[str, dict[str, str]] = {
    "test_pack_check_finds_no_fault": {"samples": SAMPLES + "target\ta\tb\n"},
    "test_samples_cover_both_purposes": {"samples": "target\ta b\ta  b\n" * 20},
    "test_every_sample_row_holds": {"samples": SAMPLES + "target\ta\tb\n"},
    "test_importing_hooks_loads_nothing_heavy": {"imports": "import numpy"},
    "test_normalizer_is_total": {
        "target": 'Rule("raises", lambda t: t if "፠" not in t else t[99])'
    },
    "test_normalizer_is_idempotent": {
        "target": 'Rule("eats", lambda t: t.replace("!!", "!").strip())'
    },
    "test_output_is_in_the_declared_form": {
        "target": 'Rule("form", lambda t: t.replace("a", "e\\u0301"))'
    },
    "test_output_is_one_trimmed_line": {"target": 'Rule("line", lambda t: t.replace(" ", "\\n"))'},
    "test_score_of_target_is_score": {
        "target": 'Rule("trim", lambda t: " ".join(t.replace("!", " ").split()))',
        "tail": 'SCORE = (*clean_rules("NFC"), Rule("x", lambda t: t.replace("!", "x")))',
    },
    "test_marks_never_split_words": {
        "target": 'replace_pattern("split", "[\\u0300-\\u036f]", " "), SPACES'
    },
    "test_target_changes_no_letter_but_declared_repairs": {
        "target": 'Rule("folds", lambda t: t.replace("q", "k"))'
    },
    # Every dot of a row looks for the row's end.
    "test_time_is_linear": {"target": r'replace_pattern("dots", r"\.+!", "!")'},
    # Tests of their own, below: these need more than hooks and samples.
    "test_manifest_is_valid_in_the_wheel": {},
    "test_sample_can_be_read": {},
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    with site_on_path(folder):
        yield folder


def write_bad_pack(
    site: Path, code: str, *, imports: str = "", target: str = "", score: str = "",
    tail: str = "", samples: str = SAMPLES, toml: str = "",
) -> Path:  # fmt: skip
    hooks = HOOKS.format(imports=imports, target=target, score=score, tail=tail)
    return write_pack(site, code, hooks=hooks, samples=samples, tail=toml)


def contract_of(code: str) -> LanguagePackContract:
    contract = type(f"Contract{code}", (Contract,), {"code": code})()
    assert isinstance(contract, LanguagePackContract)
    return contract


def run_rule(code: str, rule: str, folder: Path) -> None:
    method = getattr(contract_of(code), rule)
    if "tmp_path" in inspect.signature(method).parameters:
        method(folder)
    else:
        method()


def code_of(number: int, first: str = "b") -> str:
    return f"q{first}{chr(ord('a') + number)}"


def test_every_rule_has_a_pack_that_breaks_it() -> None:
    assert sorted(BROKEN) == RULES


def test_a_good_pack_passes(site: Path, tmp_path: Path) -> None:
    write_bad_pack(site, "qaz")
    skipped = []
    for rule in RULES:
        try:
            run_rule("qaz", rule, tmp_path)
        except pytest.skip.Exception:
            skipped.append(rule)
    assert skipped == ["test_manifest_is_valid_in_the_wheel", "test_sample_can_be_read"]


@pytest.mark.parametrize("rule", [rule for rule, fault in BROKEN.items() if fault])
def test_a_broken_pack_fails_by_its_rule(site: Path, tmp_path: Path, rule: str) -> None:
    code = code_of(RULES.index(rule))
    write_bad_pack(site, code, **BROKEN[rule])
    caught = PluginError if rule == "test_normalizer_is_total" else AssertionError
    with pytest.raises(caught):
        run_rule(code, rule, tmp_path)


# Rules of the normaliser, whose fault is in the rules for `target` alone.
OF_NORMALIZERS = [rule for rule, fault in BROKEN.items() if set(fault) == {"target"}]


@pytest.mark.parametrize("rule", OF_NORMALIZERS)
def test_a_pack_broken_under_one_option_fails(site: Path, tmp_path: Path, rule: str) -> None:
    code = code_of(RULES.index(rule), "c")
    write_bad_pack(site, code, tail=BY_OPTION, toml=OPTION, **BROKEN[rule])
    with pytest.raises((AssertionError, PluginError)):
        run_rule(code, rule, tmp_path)


@pytest.mark.parametrize("rule", ["test_normalizer_is_idempotent", "test_normalizer_is_total"])
def test_fuzzing_finds_what_the_fixed_texts_do_not_have(
    site: Path, tmp_path: Path, rule: str
) -> None:
    code = code_of(RULES.index(rule), "d")
    # No fixed text has two such letters in a row.
    becomes = "m[2]" if rule == "test_normalizer_is_idempotent" else "m[3]"
    fault = f'replace_pattern("rare", "([c-x])([d-y])", lambda m: {becomes})'
    write_bad_pack(site, code, target=fault)
    # Hypothesis raises a group where it finds several faults.
    with pytest.raises((AssertionError, PluginError, ExceptionGroup)):
        run_rule(code, rule, tmp_path)


def write_source(site: Path, code: str, *, point: str = "", exclude: str = "") -> None:
    write_bad_pack(site, code)
    text = PYPROJECT.format(code=code, point=point or code, exclude=exclude)
    (site / "pyproject.toml").write_text(text, encoding="utf-8")


def test_a_whole_wheel_passes(site: Path, tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    write_source(site, "qea")
    run_rule("qea", "test_manifest_is_valid_in_the_wheel", tmp_path / "work")


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("qeb", {"exclude": '"*.toml"'}),
        ("qec", {"exclude": '"*.tsv"'}),
        ("qed", {"exclude": '"hooks.py"'}),
        ("qee", {"point": "qxx"}),
    ],
)
def test_a_faulty_wheel_fails(site: Path, tmp_path: Path, code: str, fault: dict[str, str]) -> None:
    pytest.importorskip("hatchling")
    write_source(site, code, **fault)
    with pytest.raises(AssertionError):
        run_rule(code, "test_manifest_is_valid_in_the_wheel", tmp_path / "work")


def test_the_source_is_found_from_the_package_or_from_the_tests(tmp_path: Path) -> None:
    source = tmp_path / "ruach-lang-qeg"
    (source / "tests").mkdir(parents=True)
    text = PYPROJECT.format(code="qeg", point="qeg", exclude="")
    (source / "pyproject.toml").write_text(text, encoding="utf-8")
    installed = tmp_path / "site-packages" / "ruach_lang_qeg" / "pack.toml"
    test = source / "tests" / "test_qeg.py"
    assert find_source("Ruach_Lang.qeg", installed, test) == source
    assert find_source("ruach-lang-qeg", source / "src" / "ruach_lang_qeg" / "pack.toml") == source
    assert find_source("ruach-lang-qeg", installed) is None
    assert find_source("ruach-lang-other", test) is None
    assert build_backend(source) == "hatchling.build"


def test_a_sample_without_its_clips_fails(site: Path, tmp_path: Path) -> None:
    sample = '[sample]\npath = "sample"\nsynthetic = true\ndescription = "x"\nlicense = "MIT"\n'
    folder = write_bad_pack(site, "qef", toml=sample)
    for split in ("train", "test"):
        (folder / "sample" / split).mkdir(parents=True)
        (folder / "sample" / split / "metadata.csv").write_text(
            "file_name,transcription\naudio/1.wav,a b\n", encoding="utf-8"
        )
    with pytest.raises(AssertionError):
        run_rule("qef", "test_sample_can_be_read", tmp_path)
