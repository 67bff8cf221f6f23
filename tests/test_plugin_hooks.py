from __future__ import annotations

import types
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from ruach_core import hookimpl
from ruach_core.errors import DataError, PackError, PluginError, UserError
from ruach_core.plugins import Plugins
from ruach_core.testing.plugins import (
    plugin_registered,
    write_plugin,
)
from ruach_core.types import (
    CorpusInfo,
    ErrorRate,
    EvalReport,
    Finding,
    MetricResult,
    RunInfo,
    SetAside,
    Utterance,
)

RUN = RunInfo("qta", "tiny", Path("out"), 1, 1, 1, 0.1, {})
RATE = ErrorRate(0.5, 0.4, 0.6, 1, 0, 0, 1)
REPORT = EvalReport("qta", "m", "test", "trim", 1, RATE, RATE, RATE, RATE, 0.0, 0.0, 1.0, "n")


def one_line(caught) -> str:
    message = str(caught.value)
    assert "\n" not in message
    return message


def plugin_of(**hooks):
    module = types.SimpleNamespace()
    for name, function in hooks.items():
        setattr(module, name, hookimpl(function))
    return module


# Each hook


class Recorder:
    name = "recorder"
    broken: object = None

    def check(self, utterances, tokenizer):
        yield Finding("recorder", "info", "seen", n=len(utterances))

    def detect(self, source):
        return (source / "recorder.txt").exists()

    def splits(self, source):
        return ["train"]

    def info(self, source):
        return CorpusInfo(title="tapes")

    def read(self, source, split):
        yield Utterance("1", source / "1.wav", "a", split)
        yield SetAside("2", split, "missing", "no file")
        if self.broken:
            raise RuntimeError("tape torn")

    def resolve(self, model, *, progress=True):
        return Path("models") if model == "mine" else None

    def compute(self, references, hypotheses):
        return MetricResult("recorder", 0.5)

    def export(self, model_dir, output_dir, *, quantization):
        if quantization != "int8":
            raise UserError(f"quantization {quantization}: recorder has int8")


class Broken(Recorder):
    name = "broken"
    broken = True

    def check(self, utterances, tokenizer):
        return ["a line"]

    def detect(self, source):
        raise OSError("disk on fire")

    def splits(self, source):
        return ["dev"]

    def resolve(self, model, *, progress=True):
        return "models"

    def compute(self, references, hypotheses):
        return 0.5

    def export(self, model_dir, output_dir, *, quantization):
        raise RuntimeError("no room")


def test_ruach_normalizer_first_result_wins_and_none_passes():
    asked = []

    class Fixed:
        name = "fixed"

        def normalize(self, text, *, purpose):
            return purpose

    def mine(lang, options):
        asked.append((lang, dict(options)))

    def other(lang):
        return Fixed()

    with (
        plugin_registered(plugin_of(ruach_normalizer=other), "other"),
        plugin_registered(plugin_of(ruach_normalizer=mine), "mine"),
    ):
        normalizer = Plugins.load(None).normalizer()
    assert asked == [("und", {})]
    assert normalizer.normalize("x", purpose="score") == "score"


def test_ruach_tokenization_checks_run_for_all_plugins():
    plugin = plugin_of(ruach_tokenization_checks=lambda lang: (Recorder(),))
    with plugin_registered(plugin, "recorder"):
        checks = {check.name: check for check in Plugins.load(None).tokenization_checks()}
    assert checks["recorder"].check([], None)[0].message == "seen"  # type: ignore[arg-type]
    with plugin_registered(plugin_of(ruach_tokenization_checks=lambda: [Broken()]), "b"):
        checks = {check.name: check for check in Plugins.load(None).tokenization_checks()}
    with pytest.raises(PluginError, match=r"'b' .*checks\.check: returned a str, not a Finding"):
        checks["broken"].check([], None)  # type: ignore[arg-type]


def test_ruach_dataset_loaders_are_asked_in_order(tmp_path):
    (tmp_path / "recorder.txt").touch()
    with plugin_registered(plugin_of(ruach_dataset_loaders=lambda lang: [Recorder()]), "recorder"):
        plugins = Plugins.load(None)
    loader = plugins.find_dataset_loader(tmp_path)
    assert loader.name == "recorder"
    assert loader.splits(tmp_path) == ("train",)
    assert [type(item) for item in loader.read(tmp_path, "train")] == [Utterance, SetAside]
    (tmp_path / "recorder.txt").unlink()
    with pytest.raises(DataError, match=r"not a layout that any loader knows \(recorder, "):
        plugins.find_dataset_loader(tmp_path)
    with pytest.raises(DataError, match="no such dataset"):
        plugins.find_dataset_loader(tmp_path / "none")


@pytest.mark.parametrize("part", ["", "train", "train.csv"])
def test_a_source_that_may_not_be_read_is_named(tmp_path, part, nobody):
    source = tmp_path / "corpus"
    (source / "train").mkdir(parents=True)
    (source / "train.csv").touch()
    forbidden = source / part
    mode = forbidden.stat().st_mode
    plugins = Plugins.load(None)
    with pytest.raises(DataError, match="not a layout that any loader knows"):
        plugins.find_dataset_loader(source)
    forbidden.chmod(0o200)
    try:
        with nobody(tmp_path), pytest.raises(DataError) as caught:
            plugins.find_dataset_loader(source)
    finally:
        forbidden.chmod(mode)
    assert str(caught.value).startswith(f"{forbidden}: may not be read by this user")


def test_a_source_names_its_loader(tmp_path):
    with plugin_registered(plugin_of(ruach_dataset_loaders=lambda: [Recorder()]), "recorder"):
        plugins = Plugins.load(None)
    source = Path(f"recorder:{tmp_path}")  # nothing there that would be detected
    loader = plugins.find_dataset_loader(source)
    assert loader.name == "recorder"
    first = next(loader.read(source, "train"))
    assert first.audio == tmp_path / "1.wav"
    assert loader.info(source).title == "tapes"
    with pytest.raises(DataError, match=r"tapes:x: no file of that name, and no loader tapes"):
        plugins.find_dataset_loader(Path("tapes:x"))
    (odd := tmp_path / "recorder:odd").mkdir()
    (odd / "recorder.txt").touch()
    assert next(loader.read(odd, "train")).audio == odd / "1.wav"


def test_ruach_dataset_loaders_fault_names_the_last_utterance(tmp_path):
    with plugin_registered(plugin_of(ruach_dataset_loaders=lambda: [Broken()]), "b"):
        (loader,) = [x for x in Plugins.load(None).dataset_loaders() if x.name == "broken"]
    with pytest.raises(
        PluginError, match=r"loaders\.read: RuntimeError: tape torn, after utter.*'2'"
    ):
        list(loader.read(tmp_path, "train"))
    with pytest.raises(PluginError, match=r"loaders\.splits: returned 'dev', not one of train"):
        loader.splits(tmp_path)
    with pytest.raises(PluginError, match=r"loaders\.detect: OSError: disk on fire"):
        loader.detect(tmp_path)


def test_ruach_base_models_give_a_path_or_none():
    with plugin_registered(plugin_of(ruach_base_models=lambda: [Recorder(), Broken()]), "b"):
        sources = {source.name: source for source in Plugins.load(None).base_model_sources()}
    assert sources["recorder"].resolve("mine", progress=False) == Path("models")
    assert sources["recorder"].resolve("other") is None
    with pytest.raises(PluginError, match="returned a str, not a Path or None"):
        sources["broken"].resolve("mine")


def test_ruach_metrics_give_a_result():
    with plugin_registered(plugin_of(ruach_metrics=lambda: [Recorder(), Broken()]), "b"):
        metrics = {metric.name: metric for metric in Plugins.load(None).metrics()}
    assert metrics["recorder"].compute(["a"], ["b"]).value == 0.5
    with pytest.raises(PluginError, match="returned a float, not a MetricResult"):
        metrics["broken"].compute(["a"], ["b"])


def test_ruach_exporters_are_found_by_name(tmp_path):
    with plugin_registered(plugin_of(ruach_exporters=lambda: [Recorder(), Broken()]), "b"):
        plugins = Plugins.load(None)
    plugins.exporter("recorder").export(tmp_path, tmp_path, quantization="int8")
    with pytest.raises(UserError, match="recorder has int8"):
        plugins.exporter("recorder").export(tmp_path, tmp_path, quantization="int4")
    with pytest.raises(PluginError, match=r"'b' \(in this process\).*RuntimeError: no room"):
        plugins.exporter("broken").export(tmp_path, tmp_path, quantization="int8")
    with pytest.raises(UserError, match=r"no exporter 'onnx': there is .*broken.*recorder"):
        plugins.exporter("onnx")


def test_ruach_before_train_is_told_with_a_frozen_argument():
    told = []
    with plugin_registered(plugin_of(ruach_before_train=lambda run: told.append(run)), "a"):
        Plugins.load(None).before_train(RUN)
    assert told == [RUN]

    def meddle(run):
        run.n_train = 0

    with (
        plugin_registered(plugin_of(ruach_before_train=meddle), "b"),
        pytest.raises(PluginError, match=r"'b'.*ruach_before_train: FrozenInstanceError") as caught,
    ):
        Plugins.load(None).before_train(RUN)
    assert isinstance(caught.value.__cause__, FrozenInstanceError)


def test_ruach_after_evaluate_is_told_and_returns_nothing():
    told = []
    with plugin_registered(plugin_of(ruach_after_evaluate=lambda report: told.append(report)), "a"):
        Plugins.load(None).after_evaluate(REPORT)
    assert told == [REPORT]
    with (
        plugin_registered(plugin_of(ruach_after_evaluate=lambda report: "fine"), "b"),
        pytest.raises(PluginError, match="returned a str, not None"),
    ):
        Plugins.load(None).after_evaluate(REPORT)


def test_list_hook_is_called_once():
    calls = []

    def metrics():
        calls.append(1)
        return [Recorder()]

    with plugin_registered(plugin_of(ruach_metrics=metrics), "a"):
        plugins = Plugins.load(None)
    assert plugins.metrics() is plugins.metrics()
    assert calls == [1]


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, "returned None, not a list"),
        ("wer", "returned a str, not a list"),
        (Recorder(), "returned a Recorder, not a list"),
        ([Recorder], "a list with the class Recorder, without making an instance of it"),
        (["wer"], "a list with a str without a method compute\\(\\), not a Metric"),
        ([types.SimpleNamespace(compute=len)], "a SimpleNamespace without a name"),
        ([types.SimpleNamespace(compute=len, name=3)], "whose name is 3"),
    ],
)
def test_wrong_return_types_of_a_list_hook(returned, said):
    with (
        plugin_registered(plugin_of(ruach_metrics=lambda: returned), "odd"),
        pytest.raises(PluginError, match=f"'odd'.*ruach_metrics: .*{said}"),
    ):
        Plugins.load(None).metrics()


def test_duplicate_names_name_both_distributions(site):
    source = (
        "class L:\n    name = 'tapes'\n    def detect(self, s): pass\n"
        "    def splits(self, s): pass\n"
        "    def info(self, s): pass\n"
        "    def read(self, s, p): pass\n"
        "@hookimpl\ndef ruach_dataset_loaders(lang):\n    return [L()]\n"
    )
    write_plugin(site, "one", source, version="1.1")
    write_plugin(site, "two", source, version="2.2")
    with pytest.raises(PackError) as caught:
        Plugins.load(None).dataset_loaders()
    assert one_line(caught) == (
        "ruach_dataset_loaders: plugin 'one' (ruach-one 1.1) and plugin 'two' (ruach-two 2.2) "
        "both bring 'tapes': uninstall one"
    )


def test_removing_a_built_in_gives_the_error_of_a_missing_provider(monkeypatch, tmp_path):
    monkeypatch.setenv("RUACH_PLUGINS", "")
    monkeypatch.setattr("ruach_core.plugins.DEFAULT_PLUGINS", ())
    plugins = Plugins.load(None)
    with pytest.raises(PackError, match="no plugin normalises 'und'"):
        plugins.normalizer()
    with pytest.raises(DataError, match="none installed"):
        plugins.find_dataset_loader(tmp_path)
    with pytest.raises(UserError, match="none installed"):
        plugins.exporter("ctranslate2")
    assert plugins.metrics() == plugins.base_model_sources() == ()


def test_core_brings_what_the_docs_promise():
    plugins = Plugins.load(None)
    assert {"wer", "cer"} <= {metric.name for metric in plugins.metrics()}
    assert plugins.exporter("ctranslate2").name == "ctranslate2"
    assert plugins.dataset_loaders()
    assert plugins.base_model_sources()
