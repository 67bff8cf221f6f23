"""Ruach: any language + any dataset -> same pipeline -> working speech-to-text model.

`ruach_core.hookimpl` marks a plugin's hooks (see `ruach_core.hookspecs`). Nothing is imported
here up front: `ruach --help` and `ruach langs list` must start in a fraction of a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ruach_core.hookspecs import hookimpl as hookimpl

    __version__: str


def __getattr__(name: str) -> Any:
    if name == "hookimpl":
        from ruach_core.hookspecs import hookimpl

        return hookimpl
    if name == "__version__":
        from importlib.metadata import version

        return version("ruach-core")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
