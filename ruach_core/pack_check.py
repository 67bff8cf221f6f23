"""Check an installed language pack, as `ruach langs check` reports it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args

from ruach_core.errors import PackError, RuachError
from ruach_core.manifest import (
    NormalizationExample,
    PackManifest,
    read_examples,
    validate_manifest,
)
from ruach_core.packs import MANIFEST_NAME, PackRecord
from ruach_core.plugins import Plugins
from ruach_core.text.unicode import normalize_form
from ruach_core.types import Purpose, TextNormalizer


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was checked.

    Attributes:
        check: short name.
        problems: one line each; empty where all is well.
        detail: what was looked at, for a check that passed.
    """

    check: str
    problems: tuple[str, ...] = ()
    detail: str = ""


def check_pack(record: PackRecord) -> Iterator[CheckResult]:
    """Check a pack, stopping where a fault leaves nothing to check further.

    Args:
        record: the pack, which may have a problem.
    """
    manifest, problems = validate_manifest(record)
    if record.problem is not None and not problems:
        problems = [record.problem]
    if manifest is not None:
        problems += _check_files(record, manifest)
    yield CheckResult("manifest", tuple(problems), f"{MANIFEST_NAME} is valid")
    if manifest is None or record.problem is not None:
        return
    yield _check_alphabet(manifest)
    try:
        plugins = Plugins.load(record.code)
        normalizer = plugins.normalizer()
    except RuachError as error:
        yield CheckResult("import", (str(error),))
        return
    yield CheckResult("import", detail=f"{record.module}, normaliser {normalizer.name}")
    yield from _check_examples(record, manifest, plugins)


def _check_files(record: PackRecord, manifest: PackManifest) -> list[str]:
    """What the manifest points at and the pack doesn't have."""
    if record.directory is None:
        return []
    problems = []
    if not (record.directory / manifest.samples).is_file():
        problems.append(f"{MANIFEST_NAME}: samples: there is no file {manifest.samples}; add it")
    if manifest.sample and not (record.directory / manifest.sample.path).is_dir():
        problems.append(
            f"{MANIFEST_NAME}: sample.path: there is no folder {manifest.sample.path}; add it"
        )
    return problems


def _check_alphabet(manifest: PackManifest) -> CheckResult:
    form = manifest.unicode_form
    problems = tuple(
        f"{MANIFEST_NAME}: alphabet: {letter!r} isn't in {form}; write it so"
        for letter in manifest.letters
        if normalize_form(letter, form) != letter
    )
    return CheckResult("alphabet", problems, f"{len(manifest.letters)} letters, all in {form}")


def _check_examples(
    record: PackRecord, manifest: PackManifest, plugins: Plugins
) -> Iterator[CheckResult]:
    file = manifest.samples
    if record.directory is None or not (record.directory / file).is_file():
        return
    try:
        examples = read_examples(record.directory / file)
    except PackError as error:
        yield CheckResult("samples", (str(error),))
        return
    if not examples:
        yield CheckResult("samples", (f"{file}: no rows; add inputs and what they must become",))
        return
    is_sound = True
    held: list[str] = []
    stable: list[str] = []
    formed: list[str] = []
    for example in examples:
        where = f"{file} row {example.row}"
        try:
            normalizer = plugins.normalizer(example.options)
            held += _check_expected(where, example, normalizer)
            for purpose in get_args(Purpose):
                stable += _check_idempotent(where, example.input, purpose, normalizer)
                formed += _check_form(where, example.input, purpose, normalizer, manifest)
        except RuachError as error:
            held.append(f"{where}: {error}")
            is_sound = False
    yield CheckResult("samples", tuple(held), f"{len(examples)} rows of {file} hold")
    if not is_sound:
        return
    yield CheckResult("idempotence", tuple(stable), "normalising twice changes nothing")
    yield CheckResult("unicode form", tuple(formed), f"all output is in {manifest.unicode_form}")


def _check_expected(
    where: str, example: NormalizationExample, normalizer: TextNormalizer
) -> Sequence[str]:
    output = normalizer.normalize(example.input, purpose=example.purpose)
    if output == example.expected:
        return ()
    return (
        f"{where}: {example.purpose} of {example.input!r} is {output!r}, "
        f"expected {example.expected!r}",
    )


def _check_idempotent(
    where: str, text: str, purpose: Purpose, normalizer: TextNormalizer
) -> Sequence[str]:
    once = normalizer.normalize(text, purpose=purpose)
    twice = normalizer.normalize(once, purpose=purpose)
    if once == twice:
        return ()
    return (f"{where}: {purpose} of {text!r} is {once!r}, and normalised again {twice!r}",)


def _check_form(
    where: str, text: str, purpose: Purpose, normalizer: TextNormalizer, manifest: PackManifest
) -> Sequence[str]:
    output = normalizer.normalize(text, purpose=purpose)
    if normalize_form(output, manifest.unicode_form) == output:
        return ()
    return (f"{where}: {purpose} of {text!r} is {output!r}, not in {manifest.unicode_form}",)
