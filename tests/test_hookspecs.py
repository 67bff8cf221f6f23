from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest

from ruach_core import hookspecs

ROOT = Path(__file__).parent.parent
HOOKS = {name: function for name, function in vars(hookspecs).items() if name.startswith("ruach_")}


def describe(function) -> dict[str, object]:
    options = function.ruach_spec
    return {
        "arguments": list(inspect.signature(function).parameters),
        "firstresult": bool(options["firstresult"]),
    }


def test_hooks_are_those_of_the_snapshot():
    snapshot = json.loads((ROOT / "tests" / "hookspecs.json").read_text(encoding="utf-8"))
    assert snapshot == {
        "hook_api": hookspecs.HOOK_API,
        "hooks": {name: describe(function) for name, function in HOOKS.items()},
    }, "a change of hooks is a change of the public door: see docs/hooks.md, then the snapshot"


@pytest.mark.parametrize("name", HOOKS)
def test_hook_is_in_the_reference_with_its_exact_signature(name):
    reference = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
    signature = str(inspect.signature(HOOKS[name])).replace("'", "")
    assert f"```python\ndef {name}{signature}\n```" in reference


@pytest.mark.parametrize("name", HOOKS)
def test_hook_has_a_test_and_a_docstring(name):
    tests = (ROOT / "tests" / "test_plugin_hooks.py").read_text(encoding="utf-8")
    assert f"def test_{name}_" in tests
    assert "versionadded: " in (HOOKS[name].__doc__ or "")


def test_reference_has_no_hook_that_is_gone():
    reference = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
    documented = {
        line.removeprefix("def ").partition("(")[0]
        for line in reference.splitlines()
        if line.startswith("def ruach_") and line.endswith(("None", "]"))
    }
    assert documented == set(HOOKS)
