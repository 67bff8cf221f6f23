from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from typing import ClassVar

import pytest

from ruach_core.testing import LanguagePackContract

try:
    distribution("ruach-lang-qaa")
except PackageNotFoundError:
    pytest.skip(
        "the toy pack isn't installed: pip install -e tests/packs/ruach-lang-qaa",
        allow_module_level=True,
    )


class TestToy(LanguagePackContract):
    code: ClassVar[str] = "qaa"
