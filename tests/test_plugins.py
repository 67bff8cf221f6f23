from __future__ import annotations

import pytest

from ruach_core.errors import PackError, PluginError, UserError
from ruach_core.packs import core_version
from ruach_core.plugins import DEFAULT_PLUGINS, Plugins, survey_plugins
from ruach_core.testing.plugins import (
    write_distribution,
    write_pack,
    write_plugin,
)

NORMALIZER = """
from ruach_core import hookimpl

class Shouter:
    name = "shouter 1"
    def normalize(self, text, *, purpose):
        {body}

@hookimpl
def ruach_normalizer(lang, options):
    return Shouter()
"""
OPTIONS = """
[options.case]
values = ["upper", "lower"]
target = "upper"
score = "lower"
help = "which case"
"""


def one_line(caught) -> str:
    message = str(caught.value)
    assert "\n" not in message
    return message


# Packs


def test_pack_is_loaded_and_asked_first(site):
    write_pack(site, "qta", hooks=NORMALIZER.format(body="return text.upper()"), tail=OPTIONS)
    plugins = Plugins.load("qta")
    assert plugins.lang == "qta"
    assert plugins.pack is not None
    assert plugins.pack.distribution == "ruach-lang-qta"
    assert plugins.manifest is not None
    normalizer = plugins.normalizer({"case": "lower"})
    assert normalizer.name == "shouter 1"
    assert normalizer.normalize("abc", purpose="target") == "ABC"


def test_pack_without_hooks_gets_the_core_normalizer(site):
    write_pack(site, "qta")
    assert Plugins.load("qta").normalizer().normalize(" e\u0301  x ", purpose="target") == "é x"


def test_misspelt_hook_of_a_pack(site):
    write_pack(
        site, "qta", hooks=NORMALIZER.format(body="pass").replace("normalizer(", "normaliser(")
    )
    with pytest.raises(PackError) as caught:
        Plugins.load("qta")
    assert one_line(caught) == (
        "pack 'qta' (ruach-lang-qta 1.0): unknown hook ruach_normaliser: "
        "did you mean ruach_normalizer?; correct it, or uninstall ruach-lang-qta"
    )


def test_unknown_argument_of_a_hook(site):
    write_pack(
        site, "qta", hooks=NORMALIZER.format(body="pass").replace("(lang, options)", "(language)")
    )
    with pytest.raises(PackError) as caught:
        Plugins.load("qta")
    message = one_line(caught)
    assert message.startswith("pack 'qta' (ruach-lang-qta 1.0): ")
    assert "language" in message
    assert "ruach_normalizer" in message


def test_hook_without_its_marker(site):
    write_pack(site, "qta", hooks="def ruach_normalizer(lang, options):\n    return None\n")
    with pytest.raises(PackError, match=r"'qta'.*ruach_normalizer lacks its marker"):
        Plugins.load("qta")


def test_imported_hook_of_another_module_is_not_taken_for_the_packs_own(site):
    write_pack(site, "qta", hooks="from ruach_core.hookspecs import ruach_normalizer\n")
    assert Plugins.load("qta").normalizer().name.startswith("core")


def test_hook_wrapper_is_refused(site):
    hooks = (
        "from ruach_core import hookimpl\n@hookimpl(wrapper=True)\n"
        "def ruach_normalizer(lang):\n    return (yield)\n"
    )
    write_pack(site, "qta", hooks=hooks)
    with pytest.raises(PackError, match="ruach_normalizer is a hook wrapper"):
        Plugins.load("qta")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def f(:", "SyntaxError: "),
        ("raise ValueError('one\\ntwo')", "ValueError: one;"),
    ],
)
def test_pack_whose_import_fails(site, source, said):
    write_pack(site, "qta", hooks=source)
    with pytest.raises(PackError) as caught:
        Plugins.load("qta")
    message = one_line(caught)
    assert message.startswith(
        "pack 'qta' (ruach-lang-qta 1.0): import of ruach_lang_qta.hooks failed: "
    )
    assert said in message
    assert message.endswith("run pip install --force-reinstall ruach-lang-qta, or uninstall it")


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("'abc'", "returned a str without a method normalize()"),
        ("Shouter", "returned the class Shouter, without making an instance of it"),
        ("[Shouter()]", "returned a list without a method normalize()"),
        ("42", "returned an int without a method normalize()"),
    ],
)
def test_wrong_return_type_of_the_normalizer_hook(site, returned, said):
    hooks = NORMALIZER.format(body="return text").replace("return Shouter()", f"return {returned}")
    write_pack(site, "qta", hooks=hooks, version="0.2")
    with pytest.raises(PluginError) as caught:
        Plugins.load("qta").normalizer()
    assert one_line(caught) == (
        f"plugin 'qta' (ruach-lang-qta 0.2) failed in ruach_normalizer: {said}, not a "
        "TextNormalizer or None; report it to the plugin's maintainers, or uninstall the plugin"
    )


def test_normalizer_that_fails_on_a_text_shows_it_and_can_name_the_utterance(site):
    write_pack(site, "qta", hooks=NORMALIZER.format(body="return {}[text]"))
    normalizer = Plugins.load("qta").normalizer()
    with pytest.raises(PluginError) as caught:
        normalizer.normalize("x" * 500, purpose="score")
    error = caught.value
    assert (error.plugin, error.distribution) == ("qta", "ruach-lang-qta 1.0")
    assert error.hook == "ruach_normalizer.normalize"
    assert isinstance(error.__cause__, KeyError)
    assert len(one_line(caught)) < 450  # of a text of 500
    assert "at utterance 'a/1.wav'" in str(error.at("a/1.wav"))


def test_normalizer_that_returns_no_text(site):
    write_pack(site, "qta", hooks=NORMALIZER.format(body="return None"))
    with pytest.raises(PluginError, match="returned None, not a str, on 'abc'"):
        Plugins.load("qta").normalizer().normalize("abc", purpose="score")


def test_errors_that_a_plugin_means_pass_unchanged(site):
    body = "from ruach_core.errors import UserError; raise UserError('mend it')"
    write_pack(site, "qta", hooks=NORMALIZER.format(body=body))
    with pytest.raises(UserError, match=r"^mend it$"):
        Plugins.load("qta").normalizer().normalize("abc", purpose="score")


def test_unknown_option_and_value_list_the_valid_ones(site):
    write_pack(site, "qta", tail=OPTIONS)
    plugins = Plugins.load("qta")
    with pytest.raises(UserError, match="option 'colour' is unknown to 'qta': it has case"):
        plugins.normalizer({"colour": "red"})
    with pytest.raises(UserError, match="case=title: case is one of upper, lower"):
        plugins.normalizer({"case": "title"})
    with pytest.raises(UserError, match="it has none"):
        Plugins.load(None).normalizer({"case": "upper"})


def test_broken_pack_of_another_language_stops_nothing(site):
    write_pack(site, "qta")
    write_pack(site, "qtb", toml="?")
    write_pack(site, "qtc", hooks="raise RuntimeError('no')")
    write_pack(site, "qtd", keys={"hook_api": "99"})
    write_pack(site, "qte", keys={"colour": "1"})
    assert Plugins.load("qta").normalizer().normalize("a", purpose="target") == "a"
    for code in ("qtb", "qtc", "qtd", "qte"):
        with pytest.raises(PackError, match=f"pack '{code}'"):
            Plugins.load(code)


def test_only_the_pack_that_was_asked_for_is_imported(site):
    write_pack(site, "qta")
    write_pack(site, "qtb", hooks="raise AssertionError('imported')")
    names = {record.name for record in Plugins.load("qta").records}
    assert "qta" in names
    assert "qtb" not in names


# Other plugins


def test_plugin_from_an_entry_point_is_loaded(site):
    write_plugin(site, "told", "@hookimpl\ndef ruach_metrics():\n    return []\n", version="4")
    (record,) = [record for record in Plugins.load(None).records if record.name == "told"]
    assert (record.origin, record.hooks, record.status) == (
        "ruach-told 4",
        ("ruach_metrics",),
        "ok",
    )


def test_plugin_may_be_an_object_in_a_module(site):
    source = (
        "class Told:\n    @hookimpl\n    def ruach_metrics(self):\n        return []\n"
        "told = Told()\n"
    )
    write_distribution(
        site,
        "ruach-told",
        entry_points={"ruach.plugins": {"told": "ruach_told:told", "lost": "ruach_told:lost"}},
        files={"ruach_told.py": "from ruach_core import hookimpl\n" + source},
    )
    records = {record.name: record for record in Plugins.load(None).records}
    assert records["told"].hooks == ("ruach_metrics",)
    assert "ruach_told has no lost" in records["lost"].problem


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("1 / 0", "import of ruach_bad failed: ZeroDivisionError"),
        ("@hookimpl\ndef ruach_metricks():\n    pass\n", "did you mean ruach_metrics?"),
        (
            "@hookimpl\ndef ruach_zebra_stripes_2():\n    pass\n",
            "unknown hook ruach_zebra_stripes_2",
        ),
    ],
)
def test_broken_plugin_is_left_out_with_a_warning(site, caplog, source, said):
    write_plugin(site, "bad", source)
    write_plugin(site, "good", "@hookimpl\ndef ruach_metrics():\n    return []\n")
    records = {record.name: record for record in Plugins.load(None).records}
    assert records["good"].status == "ok"
    assert records["bad"].status == "invalid"
    assert said in records["bad"].problem
    (warning,) = caplog.messages
    assert warning.startswith("plugin 'bad' (ruach-bad 1.0): ")
    assert said in warning


def test_optional_hook_of_a_newer_core_is_accepted(site):
    write_plugin(site, "new", "@hookimpl(optionalhook=True)\ndef ruach_of_2030():\n    pass\n")
    records = {record.name: record for record in Plugins.load(None).records}
    assert records["new"].status == "ok"


def test_two_plugins_of_one_name(site, caplog):
    source = "@hookimpl\ndef ruach_metrics():\n    return []\n"
    write_plugin(site, "twin", source, distribution="ruach-one")
    write_plugin(site, "twin", source, distribution="ruach-two")
    Plugins.load(None)
    (warning,) = caplog.messages
    assert "ruach-one 1.0" in warning
    assert "ruach-two 1.0" in warning


def test_allow_list(site, monkeypatch):
    source = "@hookimpl\ndef ruach_metrics():\n    return []\n"
    write_plugin(site, "one", source)
    write_plugin(site, "two", "1 / 0")

    def statuses():
        records = Plugins.load(None).records
        return {r.name: r.status for r in records if r.name in ("one", "two")}

    assert statuses() == {"one": "ok", "two": "invalid"}
    monkeypatch.setenv("RUACH_PLUGINS", "")
    assert statuses() == {"one": "off", "two": "off"}
    monkeypatch.setenv("RUACH_PLUGINS", " one ,")
    assert statuses() == {"one": "ok", "two": "off"}
    monkeypatch.setenv("RUACH_PLUGINS", "two")
    with pytest.raises(PackError, match="plugin 'two'"):
        Plugins.load(None)
    monkeypatch.setenv("RUACH_PLUGINS", "three")
    with pytest.raises(UserError, match=r"names 'three'.*installed: .*one.*two"):
        Plugins.load(None)


def test_trace_shows_each_call(site, monkeypatch, capsys):
    monkeypatch.setenv("RUACH_TRACE_HOOKS", "1")
    write_pack(site, "qta", hooks=NORMALIZER.format(body="return text"))
    Plugins.load("qta").normalizer()
    error = capsys.readouterr().err
    assert "ruach: hook: ruach_normalizer(lang='qta', options=" in error
    assert "by qta (ruach-lang-qta 1.0)" in error
    monkeypatch.setenv("RUACH_TRACE_HOOKS", "0")
    Plugins.load("qta").normalizer()
    assert capsys.readouterr().err == ""


def test_survey_has_a_row_for_everything(site):
    write_pack(site, "qta", hooks=NORMALIZER.format(body="return text"))
    write_pack(site, "qtb", hooks="1 / 0")
    write_pack(site, "qtc", keys={"hook_api": "99"})
    write_plugin(site, "bad", "1 / 0")
    write_distribution(site, "cmd", entry_points={"ruach.commands": {"hi": "no_cmd:hi"}}, files={})
    records = {record.name: record for record in survey_plugins()}
    assert records["qta"].hooks == ("ruach_normalizer",)
    for name in ("qtb", "qtc", "bad", "hi"):
        assert records[name].status == "invalid"
        assert records[name].problem
    assert {record.name for record in records.values() if record.kind == "core"} == {
        f"core.{module.rpartition('.')[2]}" for module in DEFAULT_PLUGINS
    }
    assert records["core.normalizer"].origin == f"ruach-core {core_version()}"
