"""`ruach langs`: list, show, check and try out language packs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ruach_core.cli.langs_check import langs_check
from ruach_core.cli.langs_diff import langs_diff
from ruach_core.cli.langs_new import langs_new
from ruach_core.cli.language import pack_option, parse_options
from ruach_core.cli.table import format_table
from ruach_core.packs import MANIFEST_NAME, PackRecord, find_pack, find_packs
from ruach_core.text.lines import read_lines

if TYPE_CHECKING:
    from ruach_core.manifest import PackManifest
    from ruach_core.types import Purpose, TextNormalizer

_JSON = click.option("--json", "as_json", is_flag=True, help="Write JSON.")


@click.group()
def langs() -> None:
    """List, show, check and try out language packs."""


langs.add_command(langs_check)
langs.add_command(langs_diff)
langs.add_command(langs_new)


@langs.command("list", short_help="List installed language packs.")
@_JSON
def langs_list(*, as_json: bool) -> None:
    """Every installed language pack; a broken one is a row that says what is wrong."""
    packs = find_packs()
    if as_json:
        rows = [
            {
                "code": pack.code,
                "name": pack.name,
                "autonym": pack.autonym,
                "distribution": pack.distribution,
                "version": pack.version,
                "status": _status(pack),
                "problem": pack.problem,
            }
            for pack in packs
        ]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    if not packs:
        click.echo("no language pack is installed: run pip install ruach-lang-CODE", err=True)
        return
    heading = ("CODE", "NAME", "AUTONYM", "DISTRIBUTION", "VERSION", "STATUS")
    click.echo(
        format_table(
            heading,
            [
                (
                    pack.code,
                    pack.name or "-",
                    pack.autonym or "-",
                    pack.distribution,
                    pack.version,
                    f"invalid: {pack.problem}" if pack.problem else "ok",
                )
                for pack in packs
            ],
        )
    )


@langs.command("info", short_help="Show all that a pack says of its language.")
@click.argument("code")
@_JSON
def langs_info(code: str, *, as_json: bool) -> None:
    """Everything that the pack of language CODE says about it."""
    from ruach_core.manifest import load_manifest

    pack = find_pack(code)
    manifest = load_manifest(pack)
    if as_json:
        about: dict[str, Any] = {
            "distribution": pack.distribution,
            "version": pack.version,
            "module": pack.module,
            "directory": str(pack.directory),
            **manifest.model_dump(mode="json"),
            "whisper_token": f"<|{manifest.whisper_language}|>",
            "borrows_whisper_language": manifest.borrows_whisper_language,
            "n_letters": len(manifest.letters),
        }
        click.echo(json.dumps(about, ensure_ascii=False, indent=2))
        return
    click.echo("\n".join(_describe(pack, manifest)))


@langs.command("normalize", short_help="Normalise text as a pack does.")
@click.argument("code")
@click.argument("text", required=False)
@click.option(
    "--purpose",
    type=click.Choice(["target", "score"]),
    required=True,
    help="target: what the model learns to write. score: what WER and CER compare.",
)
@pack_option
def langs_normalize(
    code: str, text: str | None, *, purpose: Purpose, settings: tuple[str, ...]
) -> None:
    """Normalise TEXT, or each line of standard input, in language CODE.

    Input and output are UTF-8, one line of output for each line of input.
    """
    from ruach_core.plugins import Plugins

    options = parse_options(settings)
    normalizer = Plugins.load(code).normalizer(options)
    output = sys.stdout.buffer
    if text is not None:
        # The bytes that the shell gave, whatever encoding the locale took them for.
        lines: Iterator[str] = iter([os.fsencode(text).decode("utf-8", "replace")])
    else:
        lines = read_lines(sys.stdin.buffer, "standard input")
    for line in lines:
        output.write(_normalize_line(line, normalizer, purpose))
        output.flush()


def _normalize_line(line: str, normalizer: TextNormalizer, purpose: Purpose) -> bytes:
    normalized = normalizer.normalize(line, purpose=purpose)
    # Whatever a normaliser leaves in, a reader must get one line for one line.
    return (" ".join(normalized.splitlines()) + "\n").encode("utf-8", "replace")


def _status(pack: PackRecord) -> str:
    return "invalid" if pack.problem else "ok"


def _describe(pack: PackRecord, manifest: PackManifest) -> Iterator[str]:
    token = f"<|{manifest.whisper_language}|>"
    if manifest.borrows_whisper_language:
        token += f", borrowed: {manifest.whisper_language_reason}"
    else:
        token += ", the language's own"
    n_letters = len(manifest.letters)
    yield f"{manifest.name} ({manifest.autonym})"
    rows = [
        ("code", f"{manifest.code}, ISO 639-3 {manifest.iso639_3}"),
        ("pack", f"{pack.distribution} {pack.version}, license {manifest.license}"),
        ("made for", f"hook API {manifest.hook_api}, ruach-core {manifest.min_core} or newer"),
        ("maintainers", ", ".join(manifest.maintainers)),
        ("script", f"{manifest.script}, Unicode form {manifest.unicode_form}"),
        ("alphabet", f"{manifest.alphabet} ({n_letters} letters)"),
        ("alphabet source", manifest.alphabet_source),
        ("Whisper token", token),
        ("tokens per character", f"{manifest.tokens_per_char:g}"),
        ("normaliser examples", manifest.samples),
    ]
    yield from (f"  {label + ':':<22}{value}" for label, value in rows)
    yield from _describe_options(manifest)
    yield from _describe_data(manifest)


def _describe_options(manifest: PackManifest) -> Iterator[str]:
    if not manifest.options:
        yield "options: none"
        return
    yield "options (--option NAME=VALUE):"
    for name, option in manifest.options.items():
        yield f"  {name}={'|'.join(option.values)}: {option.help}"
        yield f"    default for target: {option.target}; for score: {option.score}"


def _describe_data(manifest: PackManifest) -> Iterator[str]:
    sample = manifest.sample
    if sample is None:
        yield f"bundled sample: none in {MANIFEST_NAME}"
    else:
        kind = "synthetic" if sample.synthetic else "recorded"
        yield f"bundled sample: {kind}, license {sample.license}: {sample.description}"
        yield f"  folder {sample.path} of the pack"
    if not manifest.datasets:
        yield "datasets: none listed"
        return
    yield "datasets:"
    for dataset in manifest.datasets:
        hours = f", {dataset.hours:g} h" if dataset.hours is not None else ""
        yield f"  {dataset.name}: license {dataset.license}{hours}, {dataset.url}"
        if dataset.note:
            yield f"    {dataset.note}"
