"""Packs made of texts in nine orthographies hold what every pack must hold, unedited."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib

import pytest

from ruach_core.manifest import load_manifest, read_examples
from ruach_core.pack_check import check_pack
from ruach_core.packs import find_pack
from ruach_core.plugins import Plugins
from ruach_core.scaffold.pack import load_chain


def test_check_finds_no_fault(made):
    results = list(check_pack(find_pack(made.code)))
    assert [problem for result in results for problem in result.problems] == []
    assert {"manifest", "alphabet", "import", "samples", "idempotence"} <= {
        r.check for r in results
    }


@pytest.mark.slow
def test_the_packs_own_tests_pass(made_packs):
    """In one process of their own, as `python -m pytest ruach-lang-CODE` runs them."""
    folders = [str(made.folder) for made in made_packs.values()]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *folders]
    parent = next(iter(made_packs.values())).folder.parent
    done = subprocess.run(command, cwd=parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


def test_manifest_says_what_was_chosen(made, scripts):
    manifest = load_manifest(find_pack(made.code))
    assert manifest.script == scripts[made.code]
    assert manifest.letters == made.choices.alphabet
    assert manifest.whisper_language_reason == "made up for tests"
    assert manifest.borrows_whisper_language


def test_chain_that_made_the_samples_is_the_installed_one(made):
    installed = Plugins.load(made.code).normalizer()
    source = (made.folder / f"src/ruach_lang_{made.code}/normalizer.py").read_text("utf-8")
    loaded = load_chain(source, name="loaded")
    for text in made.facts.texts:
        for purpose in ("target", "score"):
            assert installed.normalize(text, purpose=purpose) == loaded.normalize(
                text, purpose=purpose
            )


def test_samples_hold_sentences_of_the_text(made):
    examples = read_examples(made.folder / f"src/ruach_lang_{made.code}/samples.tsv")
    assert len(examples) == made.pack.n_samples >= 20
    assert len({(e.purpose, e.input) for e in examples}) == len(examples)
    assert any(e.input in text for e in examples for text in made.facts.texts if " " in e.input)


def test_target_keeps_every_letter(made):
    """Nothing but apostrophes and the script's own repairs is changed, on the real text."""
    normalizer = Plugins.load(made.code).normalizer()
    for text in made.facts.texts:
        target = normalizer.normalize(text, purpose="target")
        for letter in set(target):
            assert letter in " '" or made.code == "tig" or letter in _composed(text)


def _composed(text: str) -> str:
    from ruach_core.text.unicode import normalize_form

    return normalize_form(text, "NFC")


def test_python_files_are_typed_documented_and_narrow(made):
    for path in made.folder.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source)
        assert ast.get_docstring(tree)
        assert max(map(len, source.splitlines())) <= 88
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                assert node.returns is not None
                assert ast.get_docstring(node)
                assert all(a.annotation is not None for a in node.args.args if a.arg != "self")


def test_every_file_ends_in_one_line_end(made):
    for name, content in made.pack.files.items():
        assert content.endswith("\n") or name.endswith("py.typed")
        assert not content.endswith("\n\n"), name
        assert not re.search(r"\$[a-z]", content), name
        assert not re.search(r"[ \t]+$", content, re.M) or name.endswith(".tsv"), name


def test_project_is_complete(made):
    project = tomllib.loads(made.pack.files["pyproject.toml"])["project"]
    assert project["name"] == made.folder.name
    assert project["entry-points"]["ruach.languages"] == {
        made.code: f"ruach_lang_{made.code}.hooks"
    }
    assert project["license"] == "MIT"
    for name in ("README.md", "CHANGELOG.md", "LICENSE"):
        assert made.pack.files[name].strip()
    assert project["version"] in made.pack.files["CHANGELOG.md"]


def test_readme_keeps_the_explanation(made):
    for line in made.pack.lines:
        assert str(line) in made.pack.files["README.md"]
