from __future__ import annotations

from ruach_core.testing import LanguagePackContract


class TestMboshi(LanguagePackContract):
    code = "mdw"
