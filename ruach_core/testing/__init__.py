"""Test helpers for language packs and plugins; they need pytest and hypothesis.

A pack's test of the contract is one class:

    from ruach_core.testing import LanguagePackContract

    class TestAmharic(LanguagePackContract):
        code = "am"
"""

from __future__ import annotations

import pytest

# Before the import: pytest explains only the asserts of modules that it knows beforehand.
pytest.register_assert_rewrite("ruach_core.testing.contract")

from ruach_core.testing.contract import LanguagePackContract  # noqa: E402

__all__ = ["LanguagePackContract"]
