"""From texts and answers to a folder with a whole pack: nothing is half written."""

from __future__ import annotations

import os
import shutil
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ruach_core.errors import DataError, UserError
from ruach_core.plugins import Plugins
from ruach_core.scaffold.choose import Choices, Line, count
from ruach_core.scaffold.observe import TextFacts
from ruach_core.scaffold.render import About, render_files, render_normalizer
from ruach_core.scaffold.samples import write_samples
from ruach_core.scaffold.tokens import estimate_tokens, find_tokenizer, measure_tokens
from ruach_core.text.normalization import ChainNormalizer
from ruach_core.types import SetAside, Split

_BYTE_ORDER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@dataclass(frozen=True, slots=True)
class NewPack:
    """The files of a pack by their paths, and why they are as they are."""

    files: Mapping[str, str]
    lines: tuple[Line, ...]
    n_samples: int


def read_text_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 text.

    Raises:
        DataError: it can't be read, isn't UTF-8, or is empty; names the line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror or error}") from error
    lines: list[str] = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            found = _BYTE_ORDER_MARKS.get(data[:2], "something else")
            raise DataError(
                f"{path} line {number}: not UTF-8 but {found}; convert the text, for example "
                "with iconv"
            ) from None
    if not any(line.strip() for line in lines):
        raise DataError(f"{path}: no text in it")
    return lines


def read_transcripts(source: Path) -> tuple[list[str], str]:
    """The transcripts of a dataset, without its test split, and what was read, in words.

    Raises:
        DataError: no loader knows the layout, or there is no transcript.
    """
    plugins = Plugins.load(None)
    loader = plugins.find_dataset_loader(source)
    splits = loader.splits(source)
    texts: list[str] = []
    n_faulty = 0
    read: list[Split] = [split for split in splits if split != "test"] or list(splits)
    for split in read:
        for item in loader.read(source, split):
            if isinstance(item, SetAside):
                n_faulty += 1
            else:
                texts.append(item.transcript)
    if not any(text.strip() for text in texts):
        raise DataError(f"{source}: no transcript in {', '.join(read)}")
    faulty = f", {count(n_faulty, 'row')} that can't be read left out" if n_faulty else ""
    return texts, f"the transcripts of {source} ({', '.join(read)}{faulty})"


def build_pack(
    about: About, facts: TextFacts, choices: Choices, *, folder: str, model: str | None = None
) -> NewPack:
    """Render every file of a pack.

    Args:
        about: what the user says.
        facts: of the texts, which the samples are taken from.
        choices: what follows from them.
        folder: the folder's name.
        model: base model whose tokenizer measures the texts; see `find_tokenizer`.

    Raises:
        UserError: the model that the user names can't be had.
    """
    source = render_normalizer(about, choices)
    normalizer = load_chain(source, name=about.distribution)
    found = find_tokenizer(model, Plugins.load(None)) if facts.texts else None
    targets = (normalizer.normalize(text, purpose="target") for text in facts.texts)
    measured = measure_tokens(targets, *found) if found else None
    tokens = measured or estimate_tokens(choices.script, choices.alphabet)
    lines = (*choices.lines, *_describe_whisper(about, f"{tokens.rate:.2f} {tokens.note}"))
    samples = write_samples(normalizer, facts, choices)
    files = render_files(
        about,
        choices,
        folder=folder,
        normalizer=source,
        samples=samples,
        tokens=tokens,
        lines=lines,
    )
    n_samples = sum(line.startswith(("target\t", "score\t")) for line in samples.splitlines())
    return NewPack(files, lines, n_samples)


def load_chain(source: str, *, name: str) -> ChainNormalizer:
    """The rules in the source of a `normalizer.py`, before it is installed.

    The samples must hold under the rules as they are written, so these very rules are run.
    """
    module = types.ModuleType("new_pack_normalizer")
    exec(compile(source, "normalizer.py", "exec"), module.__dict__)
    target = module.target_rules()
    return ChainNormalizer(name, target, (*target, *module.score_folds()))


def write_pack(output: Path, pack: NewPack) -> None:
    """Write the files aside and rename the folder.

    Raises:
        UserError: there is something of that name.
    """
    check_free(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    aside = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        for name, content in pack.files.items():
            path = aside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8", newline="\n")
        check_free(output)
        aside.rename(output)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def check_free(output: Path) -> None:
    """Check that nothing would be overwritten.

    Raises:
        UserError: there is something of that name.
    """
    if output.exists() or output.is_symlink():
        raise UserError(f"{output}: exists already; remove it, or give another --output")


def _describe_whisper(about: About, tokens: str) -> Iterator[Line]:
    token = f"<|{about.whisper_language}|>"
    if about.reason:
        yield Line("Whisper token", f"{token}, borrowed: {about.reason}")
    else:
        yield Line("Whisper token", f"{token}, the language's own")
    yield Line("tokens", f"a character: {tokens}")
