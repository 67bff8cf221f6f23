from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from ruach_core.errors import PackError
from ruach_core.manifest import PackManifest
from ruach_core.packs import OPTIONAL_KEYS, REQUIRED_KEYS, find_pack, find_packs
from ruach_core.testing.plugins import site_on_path, write_distribution, write_pack


def problem_of(code: str) -> str:
    (record,) = [record for record in find_packs() if record.code == code]
    assert record.problem is not None
    assert "\n" not in record.problem
    return record.problem


def test_find_packs_reads_name_and_version_without_importing(site):
    directory = write_pack(site, "qtb", version="2.1", hooks="raise RuntimeError('imported')")
    write_pack(site, "qta", keys={"name": '"Alpha"', "autonym": '"Ⲁⲗⲫⲁ"'})
    mine = [record for record in find_packs() if record.code in ("qta", "qtb")]
    assert [record.code for record in mine] == ["qta", "qtb"]
    assert mine[0].autonym == "Ⲁⲗⲫⲁ"
    assert mine[0].name == "Alpha"
    second = mine[1]
    assert (second.distribution, second.version) == ("ruach-lang-qtb", "2.1")
    assert second.module == "ruach_lang_qtb.hooks"
    assert second.directory == directory
    assert second.problem is None


def test_keys_of_the_listing_are_those_of_the_manifest():
    fields = PackManifest.model_fields
    assert fields.keys() == REQUIRED_KEYS | OPTIONAL_KEYS
    assert {name for name, field in fields.items() if field.is_required()} == REQUIRED_KEYS


def test_unknown_code_names_installed_packs_and_the_command(site):
    write_pack(site, "qta")
    with pytest.raises(PackError, match=r"'qzz' \(installed: .*qta.*pip install ruach-lang-qzz"):
        find_pack("qzz")


def test_code_in_other_case_is_told_how_to_write_it(site):
    write_pack(site, "qta")
    with pytest.raises(PackError, match="use 'qta'"):
        find_pack("QTA")


def test_newer_hook_api_names_pack_and_remedy(site):
    write_pack(site, "qta", keys={"hook_api": "2"})
    with pytest.raises(PackError) as caught:
        find_pack("qta")
    core = importlib.metadata.version("ruach-core")
    assert str(caught.value) == (
        f"pack 'qta' (ruach-lang-qta 1.0): made for hook API 2, but ruach-core {core} has 1: "
        "run pip install --upgrade ruach-core, or install an older ruach-lang-qta"
    )


def test_older_hook_api_asks_for_a_newer_pack(site):
    write_pack(site, "qta", keys={"hook_api": "0"})
    assert problem_of("qta").endswith("run pip install --upgrade ruach-lang-qta")


@pytest.mark.parametrize(
    ("min_core", "is_met"),
    [("0", True), ("0.1", True), ("0.1.0", True), ("0.0.99", True), ("99.0", False)],
)
def test_min_core(site, min_core, is_met):
    write_pack(site, "qta", keys={"min_core": f'"{min_core}"'})
    if is_met:
        assert find_pack("qta").problem is None
    else:
        problem = problem_of("qta")
        assert f"needs ruach-core {min_core} or newer" in problem
        assert "pip install --upgrade ruach-core" in problem


def test_two_packs_for_one_code_name_both(site):
    write_pack(site, "qta")
    write_pack(site, "qta", name="other-qta", version="3.0")
    with pytest.raises(PackError) as caught:
        find_pack("qta", allow_invalid=True)
    assert str(caught.value) == (
        "language 'qta': 2 packs for one code, other-qta 3.0 and ruach-lang-qta 1.0: "
        "keep one, for example by pip uninstall ruach-lang-qta"
    )
    assert len([record for record in find_packs() if record.code == "qta"]) == 2


def test_entry_point_that_differs_from_code(site):
    write_pack(site, "qta", entry_point="qtx")
    with pytest.raises(PackError, match="entry point 'qtx' differs from code 'qta' in"):
        find_pack("qtx")


def test_unknown_key(site):
    write_pack(site, "qta", keys={"colour": '"red"'})
    assert problem_of("qta").startswith("pack.toml: colour: unknown key; correct or remove it")


def test_missing_key(site):
    write_pack(site, "qta", keys={"script": None})
    assert problem_of("qta").startswith("pack.toml: script: missing")


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("code = = 1", r"not valid TOML: .*line 1"),
        ("a = 1\na = 2\n", "not valid TOML"),
        ("[a\n", "not valid TOML"),
    ],
)
def test_broken_toml(site, toml, said):
    write_pack(site, "qta", toml=toml)
    with pytest.raises(PackError, match=said) as caught:
        find_pack("qta")
    assert "ruach-lang-qta 1.0" in str(caught.value)
    assert "pip install --force-reinstall ruach-lang-qta" in str(caught.value)


def test_toml_in_another_encoding(site):
    directory = write_pack(site, "qta")
    (directory / "pack.toml").write_bytes('name = "Français"'.encode("latin-1"))
    assert problem_of("qta").startswith("pack.toml: not UTF-8 text (byte 12)")


def test_toml_with_a_byte_order_mark_and_windows_lines(site):
    directory = write_pack(site, "qta")
    text = (directory / "pack.toml").read_text(encoding="utf-8")
    (directory / "pack.toml").write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    assert find_pack("qta").name == "Toy"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no_such_package_at_all.hooks", "package no_such_package_at_all can't be found"),
        ("not a module", "entry point 'not a module' isn't a module name"),
        ("json", "package json has no pack.toml"),
        ("zlib", "package zlib has no pack.toml"),
    ],
)
def test_entry_point_that_leads_nowhere_is_a_row(site, value, said):
    write_distribution(
        site, "ruach-lang-qta", entry_points={"ruach.languages": {"qta": value}}, files={}
    )
    assert said in problem_of("qta")


def test_bad_packs_do_not_hide_good_ones(site):
    write_pack(site, "qta", toml="?")
    write_pack(site, "qtb")
    write_distribution(
        site, "x", entry_points={"ruach.languages": {"qtc": "nowhere.hooks"}}, files={}
    )
    assert find_pack("qtb").problem is None


def test_editable_install_is_found(site, tmp_path):
    source = tmp_path / "source"
    write_pack(source, "qta")
    # What an editable install leaves behind: metadata here, and the path of the source elsewhere.
    site.mkdir()
    (source / "ruach_lang_qta-1.0.dist-info").rename(site / "ruach_lang_qta-1.0.dist-info")
    with site_on_path(source):
        assert find_pack("qta").directory == Path(source / "ruach_lang_qta")


def test_odd_text_in_a_pack_stays_in_its_row(site):
    write_pack(site, "qta", keys={"name": '"Two\\nlines \\u001b[31mred"', '"a\\nb"': "1"})
    (record,) = [record for record in find_packs() if record.code == "qta"]
    assert record.name == "Two lines [31mred"
    assert problem_of("qta").startswith("pack.toml: a b: unknown key")


def test_toml_nested_too_deeply(site):
    write_pack(site, "qta", toml="a = " + "[" * 100_000)
    assert "nested too deeply" in problem_of("qta")


def test_remains_of_a_broken_uninstall_are_rows(site):
    for code in ("qta", "qtb"):
        write_pack(site, code)
        (site / f"ruach_lang_{code}-1.0.dist-info" / "METADATA").unlink()
    records = [record for record in find_packs() if record.code in ("qta", "qtb")]
    assert [record.distribution for record in records] == ["an unknown distribution"] * 2


def test_folder_that_cannot_be_read_is_a_row(site):
    directory = write_pack(site, "qta")
    (directory / "pack.toml").unlink()
    (directory / "pack.toml").mkdir()
    assert "has no pack.toml" in problem_of("qta")
