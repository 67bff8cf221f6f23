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


def _read_vectors() -> list[Mapping[str, Any]]:
    if not VECTORS.is_file():
        return []
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    return [vector for vector in vectors if vector["lang"] == "ti"]


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return Plugins.load("ti")


@pytest.mark.skipif(not VECTORS.is_file(), reason=f"no {VECTORS.name}: set RUACH_TEST_DATA")
def test_vectors_are_all_there() -> None:
    assert len(_read_vectors()) >= 13


@pytest.mark.parametrize("vector", _read_vectors(), ids=lambda v: v["id"])
def test_vector_holds(plugins: Plugins, vector: Mapping[str, Any]) -> None:
    normalizer = plugins.normalizer(vector.get("options", {}))
    output = normalizer.normalize(vector["input"], purpose=vector["purpose"])
    # What the pack says by default is what the vectors expect, contested ones included.
    assert output == vector["expected"]
    for variant in vector.get("equiv", ()):
        assert normalizer.normalize(variant, purpose=vector["purpose"]) == output
