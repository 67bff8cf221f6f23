"""Slow tests first; and every run tries the same examples.

HYPOTHESIS_PROFILE=explore looks for new ones.

No example has a deadline by the clock: on a busy machine any would miss it now and then. What must
be quick is measured by its processor time, in tests of its own.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", max_examples=2_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow tests, so that no worker is left with the longest file at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
