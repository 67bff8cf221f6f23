"""The reference in docs/hooks.md is generated, and up to date."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from ruach_core import hookspecs
from ruach_core.manifest import PackManifest
from ruach_core.packs import LANGUAGES_GROUP
from ruach_core.plugins import COMMANDS_GROUP, PLUGINS_GROUP

DOCS = Path(__file__).resolve().parents[1] / "docs"
SCRIPT = DOCS / "generate_hooks.py"

if not SCRIPT.is_file():
    pytest.skip("not in a checkout of the repository", allow_module_level=True)


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_hooks", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reference_is_up_to_date(script: ModuleType) -> None:
    text = (DOCS / "hooks.md").read_text(encoding="utf-8")
    assert script.fill_document(text) == text, "run python docs/generate_hooks.py"


def test_reference_has_every_hook_protocol_group_and_key(script: ModuleType) -> None:
    reference = script.build_reference()
    for name in script.HOOKS:
        assert f"\n#### {name}\n" in reference
        assert f"[`{name}`](#{name})" in reference
    for name in ("TextNormalizer", "DatasetLoader", "Metric", "Utterance", "ErrorRate", "Split"):
        assert f"\n#### {name}\n" in reference
    hooks = (Path(str(script.__file__)).parent / "hooks.md").read_text(encoding="utf-8")
    for group in (LANGUAGES_GROUP, PLUGINS_GROUP, COMMANDS_GROUP):
        assert f"| `{group}` |" in hooks
    for key in PackManifest.model_fields:
        assert f"| `{key}` |" in reference
    assert "- `normalize(text: str, *, purpose: Purpose) -> str`: The text in its" in reference
    assert "Raises `DataError`" in reference


def test_a_changed_docstring_makes_it_stale(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = script.build_reference()
    monkeypatch.setattr(
        hookspecs.ruach_metrics, "__doc__", "Measures.\n\n    versionadded: 9.9\n    "
    )
    after = script.build_reference()
    assert before != after
    assert "Measures." in after
    assert "Since 9.9." in after


def test_a_changed_signature_makes_it_stale(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    @hookspecs.hookspec
    def ruach_metrics(lang: str) -> None:
        """Other.

        versionadded: 0.1
        """

    monkeypatch.setattr(script, "HOOKS", {"ruach_metrics": ruach_metrics})
    assert "def ruach_metrics(lang: str) -> None" in script.build_reference()
    assert "DatasetLoader" not in script.build_reference()


def test_a_key_that_nobody_described_is_an_error(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {**script.FIELDS, "[[repairs]]": {"letter": "x"}}
    monkeypatch.setattr(script, "FIELDS", fields)
    with pytest.raises(KeyError, match="becomes"):
        script.build_reference()


def test_prose_around_the_reference_stays(script: ModuleType) -> None:
    text = f"before\n{script.BEGIN}\nold\n{script.END}\nafter\n"
    filled = script.fill_document(text)
    assert filled.startswith("before\n")
    assert filled.endswith(f"{script.END}\nafter\n")
    assert "\nold\n" not in filled


@pytest.mark.parametrize("text", ["", "no markers", "{0}\n{1}\n{0}\n{1}"])
def test_missing_markers_are_an_error(script: ModuleType, text: str) -> None:
    with pytest.raises(ValueError, match="markers"):
        script.fill_document(text.format(script.BEGIN, script.END))


def test_check_tells_by_its_exit_status(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = tmp_path / "hooks.md"
    document.write_text(f"{script.BEGIN}\n{script.END}\n", encoding="utf-8")
    monkeypatch.setattr(script, "DOCUMENT", document)
    monkeypatch.setattr("sys.argv", ["generate_hooks.py", "--check"])
    assert script.main() == 1
    monkeypatch.setattr("sys.argv", ["generate_hooks.py"])
    assert script.main() == 0
    monkeypatch.setattr("sys.argv", ["generate_hooks.py", "--check"])
    assert script.main() == 0
