"""Plugins for tests: in this process, or as real distributions in a folder of their own."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ruach_core.plugins import register_in_process, unregister_in_process

PACK_TOML: Mapping[str, str] = {
    "hook_api": "1",
    "min_core": '"0.1"',
    "code": '"qaa"',
    "iso639_3": '"qaa"',
    "name": '"Toy"',
    "autonym": '"Toyish"',
    "script": '"Latn"',
    "unicode_form": '"NFC"',
    "alphabet": '"a-z"',
    "alphabet_source": '"made up for tests"',
    "whisper_language": '"en"',
    "whisper_language_reason": '"nobody speaks it"',
    "tokens_per_char": "0.5",
    "maintainers": '["Nobody <nobody@example.org>"]',
    "license": '"MIT"',
}
"""The top-level keys of a valid `pack.toml`, each value as TOML source."""


@contextmanager
def plugin_registered(plugin: object, name: str) -> Iterator[None]:
    """Every `Plugins.load` inside the block has one more plugin.

    Args:
        plugin: a module, or any object whose functions are marked with `@hookimpl`.
        name: the name to register it under.
    """
    register_in_process(plugin, name)
    try:
        yield
    finally:
        unregister_in_process(name)


@contextmanager
def site_on_path(site: Path) -> Iterator[Path]:
    """The distributions in a folder count as installed inside the block, and are forgotten after.

    Args:
        site: a folder that `write_distribution` has filled, or will.
    """
    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    before = set(sys.modules)
    try:
        yield site
    finally:
        sys.path.remove(str(site))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).is_relative_to(site):
                del sys.modules[name]
        importlib.invalidate_caches()


def write_distribution(
    site: Path,
    name: str,
    *,
    version: str = "1.0",
    entry_points: Mapping[str, Mapping[str, str]],
    files: Mapping[str, str],
) -> None:
    """Install a distribution into a folder, as an installer would lay it out.

    Args:
        site: the folder, to be put on the path (`site_on_path`, or PYTHONPATH).
        name: name of the distribution.
        version: its version.
        entry_points: group -> name -> value.
        files: path relative to the folder -> contents.
    """
    information = site / f"{name.replace('-', '_')}-{version}.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8"
    )
    lines: list[str] = []
    for group, points in entry_points.items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in points.items()), ""]
    (information / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    for path, contents in files.items():
        file = site / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(contents, encoding="utf-8", newline="")
    # A finder remembers a folder's listing by its time stamp, which may not have moved on.
    importlib.invalidate_caches()


def write_plugin(
    site: Path, name: str, source: str, *, distribution: str | None = None, version: str = "1.0"
) -> None:
    """Install a distribution with one plugin, which has no language of its own, into a folder.

    Args:
        site: the folder, to be put on the path.
        name: the plugin's name.
        source: source of its module; `hookimpl` is there already.
        distribution: name of the distribution, by default `ruach-<name>`.
        version: its version.
    """
    distribution = distribution or f"ruach-{name}"
    module = distribution.replace("-", "_")
    write_distribution(
        site,
        distribution,
        version=version,
        entry_points={"ruach.plugins": {name: module}},
        files={f"{module}.py": "from ruach_core import hookimpl\n" + source},
    )


def write_pack(
    site: Path,
    code: str,
    *,
    name: str | None = None,
    version: str = "1.0",
    entry_point: str | None = None,
    keys: Mapping[str, str | None] | None = None,
    tail: str = "",
    toml: str | None = None,
    hooks: str = "",
    samples: str = "target\ta\ta\n",
) -> Path:
    """Install a language pack into a folder; valid unless the arguments make it otherwise.

    Args:
        site: the folder, to be put on the path.
        code: the pack's language code.
        name: name of the distribution, by default `ruach-lang-<code>`.
        version: its version.
        entry_point: name of the entry point, by default the code.
        keys: keys of `pack.toml` to change (TOML source) or to leave out (None).
        tail: TOML source to add, such as tables.
        toml: the whole `pack.toml`, in place of all that.
        hooks: source of the hooks module.
        samples: contents of `samples.tsv`.

    Returns:
        The folder of the pack's package.
    """
    name = name or f"ruach-lang-{code}"
    package = name.replace("-", "_")
    if toml is None:
        merged = {**PACK_TOML, "code": f'"{code}"', **(keys or {})}
        toml = "".join(f"{key} = {value}\n" for key, value in merged.items() if value is not None)
        toml += tail
    write_distribution(
        site,
        name,
        version=version,
        entry_points={"ruach.languages": {entry_point or code: f"{package}.hooks"}},
        files={
            f"{package}/__init__.py": '"""A language pack for tests."""\n',
            f"{package}/pack.toml": toml,
            f"{package}/hooks.py": hooks,
            f"{package}/samples.tsv": samples,
        },
    )
    return site / package


def site_environment(site: Path, **variables: str) -> dict[str, str]:
    """The environment in which a subprocess finds a folder's distributions.

    Args:
        site: the folder.
        variables: further environment variables.
    """
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, **variables}
