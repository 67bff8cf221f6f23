from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ruach_core.plugins import Plugins

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("RUACH_TEST_DATA", ROOT.parent / "shared" / "data"))
VECTORS = DATA / "vectors_public.json"

CATEGORIES = {
    "unicode", "punctuation", "homophone", "labialised", "labiovelar", "combining", "lookalike",
    "surface", "lossless", "mixed", "number", "abbreviation",
}  # fmt: skip


def _read_vectors() -> list[Mapping[str, Any]]:
    if not VECTORS.is_file():
        return []
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    return [vector for vector in vectors if vector["lang"] == "am"]


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return Plugins.load("am")


@pytest.mark.skipif(not VECTORS.is_file(), reason=f"no {VECTORS.name}: set RUACH_TEST_DATA")
def test_vectors_are_all_there() -> None:
    assert {v["category"] for v in _read_vectors()} == CATEGORIES
    assert len(_read_vectors()) >= 134


@pytest.mark.parametrize("vector", _read_vectors(), ids=lambda v: v["id"])
def test_vector_holds(plugins: Plugins, vector: Mapping[str, Any]) -> None:
    normalizer = plugins.normalizer(vector.get("options", {}))
    right = {vector["expected"], *vector.get("accept", ())}
    output = normalizer.normalize(vector["input"], purpose=vector["purpose"])
    assert output in right
    for variant in vector.get("equiv", ()):
        assert normalizer.normalize(variant, purpose=vector["purpose"]) == output
