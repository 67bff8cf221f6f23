"""The public vectors, each by its language's pack."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ruach_core.plugins import Plugins

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("RUACH_TEST_DATA", ROOT.parent / "shared" / "data"))
VECTORS = DATA / "vectors_public.json"
AT_LEAST = {"am": 134, "he": 11, "sw": 11, "ti": 13, "yo": 11}

AMHARIC_CATEGORIES = {
    "unicode", "punctuation", "homophone", "labialised", "labiovelar", "combining", "lookalike",
    "surface", "lossless", "mixed", "number", "abbreviation",
}  # fmt: skip


def read_vectors() -> list[Mapping[str, Any]]:
    if not VECTORS.is_file():
        return []
    return list(json.loads(VECTORS.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def plugins_of() -> Callable[[str], Plugins]:
    return cache(Plugins.load)


@pytest.mark.skipif(not VECTORS.is_file(), reason=f"no {VECTORS.name}: set RUACH_TEST_DATA")
def test_vectors_are_all_there() -> None:
    vectors = read_vectors()
    assert Counter(vector["lang"] for vector in vectors) >= Counter(AT_LEAST)
    assert {v["category"] for v in vectors if v["lang"] == "am"} == AMHARIC_CATEGORIES


@pytest.mark.parametrize("vector", read_vectors(), ids=lambda v: v["id"])
def test_vector_holds(plugins_of: Callable[[str], Plugins], vector: Mapping[str, Any]) -> None:
    normalizer = plugins_of(vector["lang"]).normalizer(vector.get("options", {}))
    output = normalizer.normalize(vector["input"], purpose=vector["purpose"])
    assert output in {vector["expected"], *vector.get("accept", ())}
    for variant in vector.get("equiv", ()):
        assert normalizer.normalize(variant, purpose=vector["purpose"]) == output
