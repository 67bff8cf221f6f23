"""A per-user cache of model folders that were built on this machine.

A folder appears under its final name only once it is whole. Two processes may build the same one
at the same time: the first rename wins, and the other takes the winner's.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ruach_core.errors import UserError

_COMPLETE = "COMPLETE"  # JSON: the size in bytes of every file, by name
_STALE_S = 24 * 3600.0


def cache_dir() -> Path:
    """`$RUACH_CACHE`, else `$XDG_CACHE_HOME/ruach`, else `~/.cache/ruach`; may not exist yet."""
    if own := os.environ.get("RUACH_CACHE"):
        return Path(own).expanduser()
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg).expanduser() / "ruach"
    return Path("~/.cache/ruach").expanduser()


def cached_folder(key: str, build: Callable[[Path], None]) -> Path:
    """The cached folder of that key, built first where it is absent or damaged.

    Args:
        key: file name that says what is in the folder and changes with its content (a digest).
        build: fills a folder that doesn't exist yet; whatever it raises passes through, and
            nothing of what it wrote stays.

    Raises:
        UserError: the cache can't be written.
    """
    models = cache_dir() / "models"
    final = models / key
    if is_complete(final):
        return final
    try:
        models.mkdir(parents=True, exist_ok=True)
        _remove_stale(models)
        workspace = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=models))
        try:
            built = workspace / "model"
            build(built)
            _write_complete(built)
            _publish(built, final, workspace)
        finally:
            shutil.rmtree(workspace, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"{models}: can't be written ({error.strerror or error}); set RUACH_CACHE to a folder "
            "on a disk with room"
        ) from error
    return final


def is_complete(folder: Path) -> bool:
    """Whether a cached folder still holds every file that it was built with, at its size."""
    try:
        sizes = json.loads((folder / _COMPLETE).read_text(encoding="utf-8"))
        return bool(sizes) and all((folder / n).stat().st_size == s for n, s in sizes.items())
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def _write_complete(folder: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    for name in sizes:
        _sync(folder / name)
    (folder / _COMPLETE).write_text(json.dumps(sizes, indent=2) + "\n", encoding="utf-8")
    _sync(folder / _COMPLETE)


def _sync(path: Path) -> None:
    # A rename may reach the disk before the data does; after a power cut the sizes would be right
    # and the content zeros.
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _publish(built: Path, final: Path, workspace: Path) -> None:
    """Give the folder its final name, unless another process was first."""
    try:
        built.rename(final)
        return
    except OSError:
        if is_complete(final):
            return
        if not final.exists():
            raise
    # What is there is damaged: it goes aside, not away, until the new one stands.
    final.rename(workspace / "damaged")
    try:
        built.rename(final)
    except OSError:
        if not is_complete(final):
            raise


def _remove_stale(models: Path) -> None:
    """Remove what killed builds left, once it is a day old."""
    oldest = time.time() - _STALE_S
    for path in models.glob(".*-*"):
        try:
            is_stale = path.stat().st_mtime < oldest
        except FileNotFoundError:  # its owner has just finished
            continue
        if is_stale:
            shutil.rmtree(path, ignore_errors=True)
