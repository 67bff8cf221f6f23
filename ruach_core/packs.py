"""Find the installed language packs and read their `pack.toml`, without importing any of them.

Only the standard library is imported here, so that `ruach langs list` starts in a fraction of a
second; `ruach_core.manifest` validates what is read in full.
"""

from __future__ import annotations

import contextlib
import importlib.util
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any

from ruach_core.errors import PackError
from ruach_core.types import HOOK_API

LANGUAGES_GROUP = "ruach.languages"
MANIFEST_NAME = "pack.toml"

REQUIRED_KEYS = frozenset(
    {
        "hook_api", "min_core", "code", "iso639_3", "name", "autonym", "script", "unicode_form",
        "alphabet", "alphabet_source", "whisper_language", "tokens_per_char", "maintainers",
        "license",
    }
)  # fmt: skip
OPTIONAL_KEYS = frozenset(
    {"whisper_language_reason", "samples", "options", "repairs", "sample", "datasets"}
)
"""Top-level keys of `pack.toml`: the fields of `ruach_core.manifest.PackManifest`, kept here too
so that a listing can tell a bad pack without loading pydantic."""


@dataclass(frozen=True, slots=True)
class PackRecord:
    """One installed language pack, as far as it can be known without importing it.

    Attributes:
        code: language code; the name of the entry point.
        name: English name of the language, or "" where `pack.toml` can't be read.
        autonym: the language's own name for itself, or "".
        distribution: the distribution that brings the pack.
        version: version of the distribution.
        module: the module with the pack's hooks.
        directory: folder of `pack.toml`, or None where there is none.
        problem: what is wrong and how to mend it, in one line; None for a good pack.
    """

    code: str
    name: str
    autonym: str
    distribution: str
    version: str
    module: str
    directory: Path | None
    problem: str | None

    @property
    def label(self) -> str:
        """How messages name the pack: `pack 'am' (ruach-lang-am 0.1.0)`."""
        return f"pack {self.code!r} ({self.distribution} {self.version})"

    def error(self, reason: str) -> PackError:
        """A PackError for this pack."""
        return PackError(f"{self.label}: {reason}")


def core_version() -> str:
    """Version of the installed ruach-core, or "0" where it runs without being installed."""
    try:
        return version("ruach-core")
    except PackageNotFoundError:
        return "0"


def distribution_of(point: EntryPoint) -> tuple[str, str]:
    """Name and version of the distribution that brings an entry point, for messages."""
    # What a broken uninstall leaves behind may have entry points and no metadata.
    name: str | None = None
    number: str | None = None
    if point.dist is not None:
        with contextlib.suppress(KeyError, PackageNotFoundError):
            name, number = point.dist.name, point.dist.version
    return name or "an unknown distribution", number or "?"


def find_packs() -> list[PackRecord]:
    """Every installed pack, good or bad, sorted by code, then by distribution."""
    records = [_read_record(point) for point in entry_points(group=LANGUAGES_GROUP)]
    records.sort(key=lambda record: (record.code, record.distribution))
    return _mark_duplicates(records)


def find_pack(code: str, *, allow_invalid: bool = False) -> PackRecord:
    """The one pack of a language.

    Args:
        code: the language code, exactly as `ruach langs list` shows it.
        allow_invalid: return a record with a `problem` rather than raise; two packs for one
            code are an error in any case.

    Raises:
        PackError: no pack has the code, two have it, or the pack has a problem.
    """
    packs = find_packs()
    found = [record for record in packs if record.code == code]
    if not found:
        raise PackError(_describe_missing(code, packs))
    record = found[0]
    if len(found) > 1:
        raise PackError(f"language {code!r}: {record.problem}")
    if record.problem is not None and not allow_invalid:
        raise record.error(record.problem)
    return record


def read_pack_toml(directory: Path) -> dict[str, Any]:
    """The raw contents of a pack's `pack.toml`.

    Raises:
        ValueError: the file can't be read or isn't TOML; the message is one line.
    """
    path = directory / MANIFEST_NAME
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{MANIFEST_NAME}: not valid TOML: {error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{MANIFEST_NAME}: not UTF-8 text (byte {error.start})") from error
    except RecursionError as error:
        raise ValueError(f"{MANIFEST_NAME}: nested too deeply") from error
    except OSError as error:
        raise ValueError(f"{MANIFEST_NAME}: can't be read: {error.strerror}") from error


def _describe_missing(code: str, packs: Iterable[PackRecord]) -> str:
    codes = sorted({record.code for record in packs})
    for known in codes:
        if known.casefold() == code.casefold():
            return f"no language pack for {code!r}: codes are written as listed, use {known!r}"
    installed = f"installed: {', '.join(codes)}" if codes else "no pack is installed"
    return (
        f"no language pack for {code!r} ({installed}): run pip install ruach-lang-{code}, make one "
        f"with ruach langs new {code}, or train and evaluate without one by --no-pack"
    )


def _mark_duplicates(records: list[PackRecord]) -> list[PackRecord]:
    by_code: defaultdict[str, list[PackRecord]] = defaultdict(list)
    for record in records:
        by_code[record.code].append(record)
    marked: list[PackRecord] = []
    for same in by_code.values():
        if len(same) == 1:
            marked += same
            continue
        names = " and ".join(f"{record.distribution} {record.version}" for record in same)
        problem = (
            f"{len(same)} packs for one code, {names}: keep one, "
            f"for example by pip uninstall {same[-1].distribution}"
        )
        marked += [replace(record, problem=problem) for record in same]
    return marked


def _read_record(point: EntryPoint) -> PackRecord:
    distribution, number = distribution_of(point)
    record = PackRecord(
        code=point.name,
        name="",
        autonym="",
        distribution=distribution,
        version=number,
        module=point.value.partition("[")[0].strip(),
        directory=None,
        problem=None,
    )
    try:
        directory = _locate(record)
        record = replace(record, directory=directory)
        data = read_pack_toml(directory)
    except (ValueError, OSError) as error:
        return replace(
            record,
            problem=f"{_one_line(str(error))}; run pip install --force-reinstall {distribution}, "
            "or tell its maintainers",
        )
    problem = _find_problem(record, data)
    return replace(
        record,
        name=_one_line(data.get("name")),
        autonym=_one_line(data.get("autonym")),
        problem=None if problem is None else _one_line(problem),
    )


def _one_line(value: object) -> str:
    """A pack's text, fit for a row of a table or a message; "" for what isn't text."""
    if not isinstance(value, str):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in value).split())


def _locate(record: PackRecord) -> Path:
    """The folder of the pack's top-level package; raises ValueError with a one-line reason."""
    if not all(part.isidentifier() for part in record.module.split(".")):
        raise ValueError(f"entry point {record.module!r} isn't a module name")
    # find_spec on a top-level name imports nothing, and works for editable installs too, where
    # asking the distribution for its files doesn't.
    top_level = record.module.partition(".")[0]
    try:
        spec = importlib.util.find_spec(top_level)
    except (ImportError, ValueError) as error:
        raise ValueError(f"package {top_level} can't be found: {error}") from error
    if spec is None:
        raise ValueError(f"package {top_level} can't be found")
    for location in spec.submodule_search_locations or ():
        if (Path(location) / MANIFEST_NAME).is_file():
            return Path(location)
    raise ValueError(f"package {top_level} has no {MANIFEST_NAME} beside its __init__.py")


def _find_problem(record: PackRecord, data: Mapping[str, Any]) -> str | None:
    """The first fault of the manifest that the standard library alone can tell."""
    upgrade_core = "run pip install --upgrade ruach-core"
    upgrade_pack = f"run pip install --upgrade {record.distribution}"
    hook_api, min_core, code = (data.get(key) for key in ("hook_api", "min_core", "code"))
    if isinstance(hook_api, int) and hook_api > HOOK_API:
        return (
            f"made for hook API {hook_api}, but ruach-core {core_version()} has {HOOK_API}: "
            f"{upgrade_core}, or install an older {record.distribution}"
        )
    if isinstance(hook_api, int) and hook_api < HOOK_API:
        return (
            f"made for hook API {hook_api}, but ruach-core {core_version()} has {HOOK_API}: "
            f"{upgrade_pack}"
        )
    if isinstance(min_core, str) and _release(min_core) > _release(core_version()):
        return f"needs ruach-core {min_core} or newer, found {core_version()}: {upgrade_core}"
    unknown = sorted(data.keys() - REQUIRED_KEYS - OPTIONAL_KEYS)
    if unknown:
        return (
            f"{MANIFEST_NAME}: {unknown[0]}: unknown key; correct or remove it, or {upgrade_pack}"
        )
    missing = sorted(REQUIRED_KEYS - data.keys())
    if missing:
        return f"{MANIFEST_NAME}: {missing[0]}: missing; add it, or {upgrade_pack}"
    if code != record.code:
        return (
            f"entry point {record.code!r} differs from code {code!r} in {MANIFEST_NAME}: "
            f"make them equal in the pack, or {upgrade_pack}"
        )
    return None


def _release(text: str) -> tuple[int, ...]:
    """The release numbers of a version ("0.3.0rc1" -> (0, 3)), for comparison."""
    match = re.match(r"\d+(?:\.\d+)*", text)
    numbers = [int(part) for part in match[0].split(".")] if match else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
