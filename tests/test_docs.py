"""The documentation: its commands exist, its links lead somewhere, its examples work."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ruach_core.cli import cli
from ruach_core.config import RunConfig, build_config, read_config_file, setting_names

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "languages/*/*.md", "plugins/*/*.md", "tests/packs/*/*.md")
    for path in ROOT.glob(pattern)
)
PACKAGING = [
    ROOT / name
    for name in (
        "Dockerfile",
        "compose.yaml",
        ".dockerignore",
        "tox.ini",
        ".ci/run",
        "constraints.txt",
    )
]
DISTRIBUTIONS = sorted(
    path.parent
    for pattern in ("pyproject.toml", "languages/*/pyproject.toml", "plugins/*/pyproject.toml",
                    "tests/packs/*/pyproject.toml")
    for path in ROOT.glob(pattern)
)  # fmt: skip

# Hosts of registries, paths of some machine, and folders beside a copy of the repository.
FORBIDDEN = (
    r"pypi\.(org|python)", r"pythonhosted", r"files\.python", r"download\.pytorch",
    r"registry\.npmjs", r"deb\.debian", r"docker\.io", r"ghcr\.io", r"quay\.io", r"nvcr\.io",
    r"(?<![\w.])/(work|opt|root|tmp/bash)\b", r"\.\./shared",
)  # fmt: skip


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Fenced and indented code blocks: the language (empty for indented ones) and the code."""
    for match in re.finditer(r"^```(\w*)\n(.*?)^```", text, re.M | re.S):
        yield match[1], match[2]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    for match in re.finditer(r"(?:^ {4}.*\n)+", prose, re.M):
        yield "", re.sub(r"^ {4}", "", match[0], flags=re.M)


def commands(path: Path) -> list[str]:
    """The `ruach ...` command lines of a document: in code blocks, and whole ones in prose."""
    text = path.read_text(encoding="utf-8")
    found = []
    for language, code in blocks(text):
        if language in ("", "sh", "bash", "console"):
            joined = code.replace("\\\n", " ")
            found += [line.strip() for line in joined.splitlines()]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    found += re.findall(r"`(ruach [^`]+)`", prose.replace("\n", " "))
    return [re.sub(r"\s+", " ", line) for line in found if re.match(r"ruach\s+[a-z-]", line)]


def plugin_commands() -> dict[str, str]:
    """Commands that the repository's plugins bring, and which one brings each."""
    found = {}
    for folder in DISTRIBUTIONS:
        content = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        points = content["project"].get("entry-points", {})
        found.update(dict.fromkeys(points.get("ruach.commands", {}), content["project"]["name"]))
    return found


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words lead to, and what is left of them."""
    command: click.Command = cli
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        following = command.get_command(click.Context(command), words[0])
        assert following is not None, f"no command {words[0]!r}"
        command, words = following, words[1:]
    return command, words


ALL_COMMANDS = [
    pytest.param(line, id=f"{relative(path)}: {line}")
    for path in DOCUMENTS
    for line in commands(path)
]


@pytest.mark.parametrize("line", ALL_COMMANDS)
def test_commands_exist_with_their_options(line: str) -> None:
    words = shlex.split(line.partition(" > ")[0].partition(" | ")[0])[1:]
    if words[0] in ("COMMAND",):
        return
    plugin = plugin_commands().get(words[0])
    if plugin and cli.get_command(click.Context(cli), words[0]) is None:
        pytest.skip(f"{plugin} isn't installed")
    command, rest = resolve(words)
    known = {name for option in command.params for name in option.opts} | {"--help", "-h"}
    known |= {"--traceback", "--version"}
    if command.name == "train":
        # A plugin's command that launches a training takes what ruach train takes.
        known |= {name for option in resolve(["train"])[0].params for name in option.opts}
    if command.name in ("train", "plan"):
        known |= {f"--{name}" for name in setting_names()}
    for word in rest:
        if word.startswith("-"):
            option = word.partition("=")[0]
            assert option in known, f"{option} is no option of ruach {command.name}"


def all_options(command: click.Command) -> set[str]:
    """The options of a command and of those below it."""
    found = {name for option in command.params for name in option.opts}
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            found |= all_options(below) if below else set()
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_options_and_settings_in_prose_exist(path: Path) -> None:
    """What stands in backticks as an option (`--epochs N`) or a setting (`training.epochs`)."""
    settings = setting_names()
    sections = {name.partition(".")[0] for name in settings}
    known = all_options(cli) | {f"--{name}" for name in settings} | {"--constraint"}  # pip's
    prose = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    for span in re.findall(r"`([^`]+)`", prose):
        if span.startswith("--"):
            assert span.split()[0].partition("=")[0] in known
        elif span.endswith(".json"):
            continue  # a file
        elif re.fullmatch(r"[a-z]+\.[a-z_]+", span) and span.partition(".")[0] in sections:
            assert span in settings


def test_the_main_commands_are_documented() -> None:
    readme = {" ".join(line.split()[:2]) for line in commands(ROOT / "README.md")}
    assert {"ruach train", "ruach evaluate", "ruach transcribe", "ruach langs"} <= readme


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.exists(), f"{target}: no such file"
        if anchor:
            assert anchor in anchors(linked), f"{target}: no such heading"


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", [*DOCUMENTS, *PACKAGING], ids=relative)
def test_nothing_names_a_registry_or_a_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = [match[0] for pattern in FORBIDDEN for match in re.finditer(pattern, text)]
    assert not found


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_no_placeholder_is_left(path: Path) -> None:
    assert not re.findall(r"@[A-Z]+@|\bTODO\b|\bTBD\b|\bXXX\b", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("folder", DISTRIBUTIONS, ids=relative)
def test_distributions_are_complete(folder: Path) -> None:
    for name in ("README.md", "CHANGELOG.md", "LICENSE"):
        assert (folder / name).read_text(encoding="utf-8").strip(), f"{name} is empty"
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "MIT"
    assert project["requires-python"] == ">=3.11"
    changelog = (folder / "CHANGELOG.md").read_text(encoding="utf-8")
    assert project["version"] in changelog or "Unreleased" in changelog
    if folder != ROOT:
        assert project["name"] == folder.name


def test_all_distributions_are_found() -> None:
    names = {relative(folder) for folder in DISTRIBUTIONS}
    assert {".", "languages/ruach-lang-am", "plugins/ruach-model-whisper-base"} <= names


def test_every_distribution_is_tested_and_typed_by_tox() -> None:
    tox = (ROOT / "tox.ini").read_text(encoding="utf-8")
    for folder in DISTRIBUTIONS:
        if folder != ROOT:
            assert f"{{tox_root}}/{relative(folder)} " in tox.replace("\n", " ") + " "
            assert f"{{tox_root}}/{relative(folder)}/src" in tox


def test_example_settings_are_valid_and_its_comments_true() -> None:
    path = ROOT / "docs" / "example.toml"
    config = build_config(read_config_file(path), {})
    assert config.model == "whisper-small"
    assert config.training.batch_size == 16


def test_the_readme_states_the_defaults() -> None:
    """The README says: every five updates, three epochs, ten minutes, a tenth."""
    config = RunConfig(lang="am")
    assert config.training.log_steps == 5
    assert config.training.patience == 3
    assert config.training.checkpoint_minutes == 10
    assert config.dataset.validation_share == 0.1
    assert config.dataset.max_duration_s == 30
