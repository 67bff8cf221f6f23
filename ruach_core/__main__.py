"""`python -m ruach_core` is the `ruach` command."""

from __future__ import annotations

import sys

from ruach_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
