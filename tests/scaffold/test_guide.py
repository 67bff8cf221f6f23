"""docs/write-a-pack.md: its commands print what it shows, and its rules pass the contract."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from ruach_core.cli import main
from ruach_core.manifest import PackManifest
from ruach_core.pack_check import check_pack
from ruach_core.packs import find_pack
from ruach_core.scaffold.pack import load_chain
from ruach_core.testing.plugins import site_on_path

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "write-a-pack.md").read_text(encoding="utf-8")
NORMALIZER = "src/ruach_lang_gn/normalizer.py"


def block(language: str, containing: str) -> str:
    """The one fenced block of the guide that holds a string."""
    found = re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.M | re.S)
    (only,) = [code for code in found if containing in code]
    return only


@pytest.fixture
def clips(tmp_path, monkeypatch) -> Path:
    """The metadata that the guide's shell script writes; the audio isn't read here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUACH_PLUGINS", "")
    sentences = (ROOT / "docs/examples/guarani.txt").read_text(encoding="utf-8").splitlines()
    for split in ("train", "test"):
        rows = [
            f"audio/{n}.wav\t{sentence}\n"
            for n, sentence in enumerate(sentences, start=1)
            if (n % 6 == 0) == (split == "test")
        ]
        (tmp_path / "clips" / split).mkdir(parents=True)
        table = tmp_path / "clips" / split / "metadata.tsv"
        table.write_text("file_name\ttranscription\n" + "".join(rows), encoding="utf-8")
    return tmp_path / "clips"


@pytest.fixture
def new_pack(clips, capsys) -> tuple[Path, str]:
    """The guide's pack, and what the command said."""
    command = block("console", "ruach langs new").replace("\\\n", " ")
    assert main(shlex.split(command)[1:]) == 0
    return clips.parent / "ruach-lang-gn", capsys.readouterr().out


def test_the_guide_shows_what_langs_new_prints(new_pack):
    _, printed = new_pack
    shown = block("text", "a pack for Guarani")
    without_tokens = [
        [line for line in text.strip().splitlines() if not line.startswith("tokens ")]
        for text in (shown, printed)
    ]
    assert without_tokens[0] == without_tokens[1]
    assert re.search(r"^tokens +a character: 0\.\d\d Measured", shown, re.M)


def edit(folder: Path) -> None:
    """What the guide tells: the rule, the repair, the option, the numbers."""
    path = folder / NORMALIZER
    source = path.read_text(encoding="utf-8")
    numbers, _, speak = block("python", "def speak").partition("\n\n")
    names = ("Rule", "clean_rules", "drop_variation_selectors", "fold_case", "remove_punctuation",
             "replace_characters", "replace_pattern", "unify_apostrophes")  # fmt: skip
    imported = "".join(f"    {name},\n" for name in names)
    source = re.sub(r"    Rule,\n.*?(?=\))", imported, source, count=1, flags=re.S)
    source = source.replace("\n\n\ndef build", f"\n{numbers}\n\n{speak.strip()}\n\n\ndef build", 1)
    (repair,) = re.findall(r'`(replace_characters\("look-alikes", .*?\))`', GUIDE)
    rules = block("text", "puso") + f"        {repair},\n"
    rules += '        replace_numerals("numbers", speak),\n'
    source = source.replace(
        "        unify_apostrophes(),\n", f"        unify_apostrophes(),\n{rules}"
    )
    start = source.rindex("    return (")
    source = source[:start] + block("python", "*shield_numerals")
    path.write_text(source, encoding="utf-8")
    manifest = folder / "src/ruach_lang_gn/pack.toml"
    toml = manifest.read_text(encoding="utf-8")
    toml = f"{toml}\n{block('toml', 'repairs')}\n{block('toml', 'options')}"
    manifest.write_text(toml, encoding="utf-8")


def test_the_guides_rules_do_what_it_says(new_pack):
    folder, _ = new_pack
    edit(folder)
    chain = load_chain((folder / NORMALIZER).read_text(encoding="utf-8"), name="edited")
    for line in block("tsv", "porã").splitlines():
        _, text, expected = line.split("\t")
        assert chain.normalize(text, purpose="target") == expected
    for text, expected in [
        ("ĝuahẽ", "g̃uahẽ"),
        ("mitã 5 ha 12, 3% 2po", "mitã po ha 12, 3% 2po"),
        ("05/04/2020 1-2", "05/04/2020 1-2"),
    ]:
        assert chain.normalize(text, purpose="target") == expected
    toml = (folder / "src/ruach_lang_gn/pack.toml").read_text(encoding="utf-8")
    manifest = PackManifest.model_validate(tomllib.loads(toml))
    assert manifest.options["puso"].target == "letter"
    assert [repair.letter for repair in manifest.repairs] == ["ĝ"]


def test_a_changed_rule_names_the_rows_that_it_breaks(
    new_pack, tmp_path, install_pack: Callable[[Path, Path], None]
):
    folder, _ = new_pack
    edit(folder)
    (tmp_path / "site").mkdir()
    with site_on_path(tmp_path / "site") as site:
        install_pack(folder, site)
        problems = [p for result in check_pack(find_pack("gn")) for p in result.problems]
    assert problems
    assert all(re.match(r"samples\.tsv row \d+: .* expected ", problem) for problem in problems)


@pytest.mark.slow
def test_the_guides_rules_pass_the_contract(
    new_pack, tmp_path, install_pack: Callable[[Path, Path], None]
):
    folder, _ = new_pack
    edit(folder)
    samples = folder / "src/ruach_lang_gn/samples.tsv"
    chain = load_chain((folder / NORMALIZER).read_text(encoding="utf-8"), name="edited")
    kept = [
        line
        for line in samples.read_text(encoding="utf-8").splitlines()
        if "\\" in line
        or line.count("\t") != 2
        or line.startswith("purpose")
        or chain.normalize(line.split("\t")[1], purpose=line.split("\t")[0]) == line.split("\t")[2]
    ]
    samples.write_text("\n".join(kept) + "\n" + block("tsv", "porã"), encoding="utf-8")
    (tmp_path / "site").mkdir()
    install_pack(folder, tmp_path / "site")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
