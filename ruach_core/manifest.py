"""`pack.toml` as a validated model: what a language pack says about its language.

`ruach_core.packs` finds and lists packs with the standard library alone; a run, `ruach langs
info` and `ruach langs check` read the manifest in full, here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from ruach_core.errors import PackError
from ruach_core.packs import MANIFEST_NAME, PackRecord, read_pack_toml
from ruach_core.types import Purpose

_WHISPER_CODES = """
af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr
ht hu hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc
pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue
zh
"""
WHISPER_LANGUAGES = frozenset(_WHISPER_CODES.split())
"""The codes that Whisper has a token for (openai/whisper, tokenizer.py; `yue` since large-v3)."""

_BCP_47 = r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|\d{3}))?(-([a-z0-9]{5,8}|\d[a-z0-9]{3}))*$"
_OPTION_NAME = re.compile(r"^[a-z][a-z0-9_]*$")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([tnr\\]))")
_PURPOSES: dict[str, Purpose] = {purpose: purpose for purpose in get_args(Purpose)}
_PLAIN_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}


def _check_inside(path: str) -> str:
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts or "\\" in path:
        raise ValueError("must be a path inside the pack, relative to pack.toml")
    return path


def _check_text(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


PackPath = Annotated[str, AfterValidator(_check_inside)]
Text = Annotated[str, AfterValidator(_check_text)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PackOption(_Section):
    """One option of a pack's normaliser; each purpose has its own default."""

    values: Annotated[list[Text], Field(min_length=1)]
    target: Text
    score: Text
    help: Text

    @model_validator(mode="after")
    def _check_defaults(self) -> Self:
        for purpose in get_args(Purpose):
            default = getattr(self, purpose)
            if default not in self.values:
                raise ValueError(f"{purpose} is {default!r}, which isn't among values")
        return self


class PackSampleSet(_Section):
    """The small dataset that a pack may bring, in the default dataset layout."""

    path: PackPath
    synthetic: bool
    description: Text
    license: Text


class PackDataset(_Section):
    """A public dataset of the language, as a pointer for users."""

    name: Text
    license: Text
    url: Annotated[str, Field(pattern=r"^https?://\S+$")]
    hours: Annotated[float, Field(gt=0)] | None = None
    note: str = ""


class PackRepair(_Section):
    """A letter that `target` may change, since it is typed for another; all others stay.

    `becomes` is empty for a letter that is deleted. `why` says where the mistake was seen.
    """

    letter: Text
    becomes: str
    why: Text


class PackManifest(_Section):
    """Everything in a `pack.toml`; unknown keys are errors.

    `alphabet` has the letters separated by spaces: an entry is a letter (one or several code
    points), or `x-y` for a range of code points. `whisper_language` is Whisper's own code; one
    that differs from `code` needs a `whisper_language_reason`.
    """

    hook_api: Annotated[int, Field(ge=1)]
    min_core: Annotated[str, Field(pattern=r"^\d+(\.\d+)*$")]
    code: Annotated[str, Field(pattern=_BCP_47)]
    iso639_3: Annotated[str, Field(pattern=r"^[a-z]{3}$")]
    name: Text
    autonym: Text
    script: Annotated[str, Field(pattern=r"^[A-Z][a-z]{3}$")]
    unicode_form: Literal["NFC", "NFD"]
    alphabet: Text
    alphabet_source: Text
    whisper_language: str
    whisper_language_reason: str = ""
    tokens_per_char: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    maintainers: Annotated[list[Text], Field(min_length=1)]
    license: Text
    samples: PackPath = "samples.tsv"
    options: dict[str, PackOption] = {}
    repairs: list[PackRepair] = []
    sample: PackSampleSet | None = None
    datasets: list[PackDataset] = []

    @field_validator("alphabet")
    @classmethod
    def _check_alphabet(cls, alphabet: str) -> str:
        list(_expand_alphabet(alphabet))
        return alphabet

    @field_validator("whisper_language")
    @classmethod
    def _check_whisper_language(cls, code: str) -> str:
        if code not in WHISPER_LANGUAGES:
            raise ValueError(
                f"{code!r} isn't one of Whisper's languages; borrow the code of a close one"
            )
        return code

    @field_validator("options")
    @classmethod
    def _check_option_names(cls, options: dict[str, PackOption]) -> dict[str, PackOption]:
        for name in options:
            if not _OPTION_NAME.match(name):
                raise ValueError(f"{name!r}: an option's name is lower-case letters, digits, _")
        return options

    @model_validator(mode="after")
    def _check_reason(self) -> Self:
        if self.borrows_whisper_language and not self.whisper_language_reason.strip():
            raise ValueError(
                f"whisper_language_reason: missing; say why {self.code!r} borrows "
                f"Whisper's {self.whisper_language!r}"
            )
        return self

    @property
    def borrows_whisper_language(self) -> bool:
        """Whether Whisper's token is another language's."""
        return self.whisper_language != self.code

    @property
    def letters(self) -> tuple[str, ...]:
        """The alphabet's letters, ranges expanded, in order and without repetition."""
        return tuple(dict.fromkeys(_expand_alphabet(self.alphabet)))


def _expand_alphabet(alphabet: str) -> Iterator[str]:
    for entry in alphabet.split():
        if len(entry) == 3 and entry[1] == "-":
            if entry[0] > entry[2]:
                raise ValueError(f"range {entry} runs backwards")
            yield from map(chr, range(ord(entry[0]), ord(entry[2]) + 1))
        else:
            yield entry


def validate_manifest(record: PackRecord) -> tuple[PackManifest | None, list[str]]:
    """The manifest, or every error in it as `pack.toml: field: reason`."""
    if record.directory is None:
        return None, [record.problem or f"no {MANIFEST_NAME}"]
    try:
        data = read_pack_toml(record.directory)
        return PackManifest.model_validate(data), []
    except ValidationError as error:
        return None, [_describe(problem) for problem in error.errors()]
    except ValueError as error:
        return None, [str(error)]


def load_manifest(record: PackRecord) -> PackManifest:
    """The validated manifest of a pack.

    Raises:
        PackError: the first error as `pack.toml: field: reason`.
    """
    manifest, problems = validate_manifest(record)
    if manifest is None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise record.error(
            f"{problems[0]}{more}; run ruach langs check {record.code} for all of it, "
            f"or pip install --upgrade {record.distribution}"
        )
    return manifest


def _describe(problem: Any) -> str:
    reason = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        reason = "unknown key; correct or remove it"
    elif problem["type"] == "missing":
        reason = "missing; add it"
    elif problem["type"] not in ("value_error",):
        reason = f"{reason[0].lower()}{reason[1:]}, got {problem['input']!r}"
    field = ".".join(str(part) for part in problem["loc"])
    return f"{MANIFEST_NAME}: {field}: {reason}" if field else f"{MANIFEST_NAME}: {reason}"


@dataclass(frozen=True, slots=True)
class BundledSample:
    """The clips that an installed pack brings, to try things out.

    Attributes:
        folder: a dataset as `--data` takes one.
        distribution: of the pack.
        facts: what the manifest says of them.
    """

    folder: Path
    distribution: str
    facts: PackSampleSet

    @property
    def kind(self) -> str:
        """How its clips were made."""
        return "synthetic speech" if self.facts.synthetic else "real speech"


@dataclass(frozen=True, slots=True)
class NormalizationExample:
    """One row of a pack's `samples.tsv`: what an input must become.

    Attributes:
        row: line number in the file, from 1.
        purpose: the purpose to normalise for.
        input: the text as a source might write it.
        expected: what the normaliser must return.
        options: the pack's options that the row sets.
    """

    row: int
    purpose: Purpose
    input: str
    expected: str
    options: dict[str, str]


def read_examples(path: Path) -> list[NormalizationExample]:
    r"""Read a `samples.tsv`: columns purpose, input, expected and, if need be, options.

    A first line `purpose<TAB>input<TAB>expected...` is a heading; empty lines and lines that start
    with `#` are passed over. `\t`, `\n`, `\r`, `\\`, `\uXXXX` and `\UXXXXXXXX` stand for the
    characters that an editor would hide or a table can't hold. Options are `NAME=VALUE`, separated
    by commas.

    Raises:
        PackError: the file is missing, or a row can't be understood; names file and row.
    """
    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise PackError(f"{path.name}: can't be read as UTF-8 text: {error}") from error
    examples: list[NormalizationExample] = []
    for row, line in enumerate(lines, start=1):
        line = line.removesuffix("\r")
        if not line.strip() or line.startswith(("#", "purpose\t")):
            continue
        examples.append(_parse_example(line, row, path.name))
    return examples


def _parse_example(line: str, row: int, file: str) -> NormalizationExample:
    cells = line.split("\t")
    purpose = _PURPOSES.get(cells[0])
    if len(cells) not in (3, 4) or purpose is None:
        raise PackError(
            f"{file} row {row}: must be target or score, input, expected and, if need be, options, "
            f"separated by tabs; it has {len(cells)} cells, the first {cells[0]!r}"
        )
    options: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in "".join(cells[3:]).split(","))):
        name, equals, value = part.partition("=")
        if not equals:
            raise PackError(f"{file} row {row}: option {part!r} must be NAME=VALUE")
        options[name.strip()] = value.strip()
    return NormalizationExample(row, purpose, _unescape(cells[1]), _unescape(cells[2]), options)


def _unescape(text: str) -> str:
    def replacement(match: re.Match[str]) -> str:
        if match[3]:
            return _PLAIN_ESCAPES[match[3]]
        return chr(int(match[1] or match[2], 16))

    return _ESCAPE.sub(replacement, text)
