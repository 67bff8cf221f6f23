from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]["contracts"]


def test_every_distribution_of_the_repository_is_forbidden_to_core():
    """The contract's tool takes no patterns, so a new pack must be added to it by name."""
    (forbidden,) = [rule["forbidden_modules"] for rule in CONTRACTS if rule["type"] == "forbidden"]
    folders = [
        folder.name.replace("-", "_")
        for parent in ("languages", "plugins", "tests/packs")
        for folder in (ROOT / parent).glob("ruach-*")
    ]
    if not folders:
        pytest.skip("not in a checkout of the repository")
    assert sorted(folders) == sorted(forbidden)


def test_every_module_of_core_has_a_layer():
    (layers,) = [rule["layers"] for rule in CONTRACTS if rule["type"] == "layers"]
    named = {name for layer in layers for name in layer.split(" | ")}
    core = ROOT / "ruach_core"
    modules = {path.stem for path in core.glob("*.py")} - {"__init__"}
    packages = {path.parent.name for path in core.glob("*/__init__.py")}
    assert named == modules | packages
