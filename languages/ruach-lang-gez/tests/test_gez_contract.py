from __future__ import annotations

from ruach_core.testing import LanguagePackContract


class TestGeez(LanguagePackContract):
    code = "gez"
