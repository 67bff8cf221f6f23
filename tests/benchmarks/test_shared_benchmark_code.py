"""What the comparisons share: clips, timing, tables and the names of openai-whisper's tensors."""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile

from ruach_core.errors import UserError
from ruach_core.types import Utterance

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def load_module(name: str) -> ModuleType:
        return importlib.import_module(f"common.{name}")

    return load_module


def test_the_test_data_comes_before_a_sample(
    load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_source = load("clips").find_source
    (tmp_path / "mboshi").mkdir()
    monkeypatch.setenv("RUACH_TEST_DATA", str(tmp_path))
    found = find_source(None, None)
    assert (found.path, found.lang) == (tmp_path / "mboshi", "mdw")


def test_without_data_a_packs_sample_serves(
    load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_source = load("clips").find_source
    monkeypatch.setenv("RUACH_TEST_DATA", str(tmp_path))
    assert find_source(None, None).lang == "am"
    assert find_source(None, "qaa").lang == "qaa"
    assert find_source(None, "mdw").lang == "am"  # that pack has no sample
    assert "sample, synthetic speech" in find_source(None, None).note


def test_a_folder_that_is_not_there_is_refused(load: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no-such: no such folder"):
        load("clips").find_source(tmp_path / "no-such", None)


def test_clips_are_picked_below_a_length(load: Any) -> None:
    module = load("clips")
    source = module.find_source(None, "qaa")
    every = module.read_clips(source, 100)
    durations = sorted(u.duration_s for u in every.utterances)
    assert every.split == "test"
    assert len(durations) > 2
    below = module.read_clips(source, 100, below_s=durations[-1])
    assert len(below.utterances) == len(durations) - 1
    assert len(module.read_clips(source, 2).utterances) == 2
    with pytest.raises(UserError, match="no test clip below"):
        module.read_clips(source, 100, below_s=0.01)


def test_wer_is_of_target_forms(load: Any) -> None:
    module = load("clips")
    clips = module.read_clips(module.find_source(None, "qaa"), 2)
    references = [u.reference for u in clips.utterances]
    assert clips.wer([f" {text}  " for text in references]) == 0.0
    assert clips.wer(["", ""]) == 1.0


def test_variants_are_timed_in_turn(load: Any) -> None:
    said: list[str] = []
    calls = {name: lambda name=name: said.append(name) or name for name in ("a", "b", "c")}
    found = load("timing").alternate(calls, rounds=3, once=frozenset({"b"}))
    assert said == ["a", "b", "c", "a", "c", "a", "c"]
    assert [len(timed.seconds) for timed in found.values()] == [3, 1, 3]
    assert found["c"].result == "c"


def test_the_median_is_of_all_rounds(load: Any) -> None:
    timed = load("timing").Timed(seconds=[9.0, 1.0, 2.0])
    assert timed.median_s == 2.0


def test_a_number_given_goes_before_quick(load: Any) -> None:
    choose = load("report").choose
    quick, usual = argparse.Namespace(quick=True), argparse.Namespace(quick=False)
    assert choose(None, quick, quick=2, usual=9) == 2
    assert choose(None, usual, quick=2, usual=9) == 9
    assert choose(5, quick, quick=2, usual=9) == 5


@pytest.mark.parametrize("flags", [["--clips", "0"], ["--rounds", "-1"], ["--device", "tpu"]])
def test_numbers_below_one_are_refused(
    load: Any, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        load("report").build_parser("Compare.").parse_args(flags)
    assert flags[0] in capsys.readouterr().err


def test_json_is_one_object_and_nothing_else(load: Any, capsys: pytest.CaptureFixture[str]) -> None:
    report = load("report")
    comparison = report.Comparison({"ratio": 2.0}, ["a"], [["b"]], ["c"])
    report.show(comparison, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"ratio": 2.0}
    report.show(comparison, as_json=False)
    assert capsys.readouterr().out.split() == ["a", "b", "c"]


def test_a_users_error_is_one_line(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    report = load("report")
    monkeypatch.setattr("sys.argv", ["x.py"])

    def refuse(_: argparse.Namespace) -> None:
        raise UserError("no such thing")

    with pytest.raises(SystemExit, match=r"x\.py: no such thing$"):
        report.run(report.build_parser("Compare."), refuse)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("model.encoder.conv1.weight", "encoder.conv1.weight"),
        ("model.encoder.embed_positions.weight", "encoder.positional_embedding"),
        ("model.encoder.layers.3.self_attn.k_proj.weight", "encoder.blocks.3.attn.key.weight"),
        ("model.encoder.layers.3.self_attn_layer_norm.bias", "encoder.blocks.3.attn_ln.bias"),
        ("model.encoder.layer_norm.weight", "encoder.ln_post.weight"),
        ("model.decoder.layers.0.encoder_attn.out_proj.bias",
         "decoder.blocks.0.cross_attn.out.bias"),
        ("model.decoder.layers.0.encoder_attn_layer_norm.bias",
         "decoder.blocks.0.cross_attn_ln.bias"),
        ("model.decoder.layers.0.final_layer_norm.bias", "decoder.blocks.0.mlp_ln.bias"),
        ("model.decoder.layers.0.fc2.weight", "decoder.blocks.0.mlp.2.weight"),
        ("model.decoder.embed_tokens.weight", "decoder.token_embedding.weight"),
        ("model.decoder.layer_norm.bias", "decoder.ln.bias"),
    ],
)  # fmt: skip
def test_tensors_get_openais_names(load: Any, name: str, expected: str) -> None:
    assert load("openai_format").rename(name) == expected


def test_a_recording_says_its_clips_in_order(load: Any, tmp_path: Path) -> None:
    clips = []
    for i, text in enumerate(("ba", "be")):
        path = tmp_path / f"{i}.wav"
        soundfile.write(path, np.full(16_000, 0.1 + 0.1 * i), 16_000)
        clips.append(Utterance(path.name, path, text, "test", duration_s=1.0, reference=text))
    found = load("recording").write_recording(clips, tmp_path / "long.wav", seconds=4.0)
    wave, rate = soundfile.read(found.path)
    assert rate == 16_000
    assert found.text == "ba be ba"
    assert found.duration_s == pytest.approx(len(wave) / rate)
    assert len(wave) / rate == pytest.approx(3.0 + 0.4 + 0.8 + 1.5)
    assert wave[8_000] == pytest.approx(0.1, abs=0.01)
    assert abs(wave[16_000 + 3_000]) < 0.01


def test_clips_are_joined_until_they_are_long_enough(load: Any, tmp_path: Path) -> None:
    module = load("recording")
    clips = []
    for i, text in enumerate(("ba", "be", "bi")):
        path = tmp_path / f"{i}.wav"
        soundfile.write(path, np.full(16_000, 0.1), 16_000)
        clips.append(Utterance(path.name, path, text, "train", duration_s=1.0, reference=text))
    found = module.join_clips(clips, tmp_path, n=2, is_full=lambda n, _: n >= 2)
    assert [u.reference for u in found] == ["ba be", "bi ba"]
    assert len({u.id for u in found}) == 2
    for utterance in found:
        wave, _ = soundfile.read(utterance.audio)
        assert utterance.duration_s == pytest.approx(len(wave) / 16_000) == pytest.approx(2.2)


def test_work_goes_to_a_process_and_back_unchanged(load: Any, tmp_path: Path) -> None:
    module = load("work")
    clip = Utterance(
        "a.wav", tmp_path / "a.wav", "Ɓá", "train", start_s=1.5, duration_s=1.0, reference="ɓá"
    )
    for export_dir in (None, tmp_path / "export"):
        work = module.Work(
            (clip,), tmp_path, "mdw", "ln", "cpu", policy="trim", export_dir=export_dir
        )
        assert module.Work.from_json(work.to_json()) == work


def test_a_clock_keeps_the_last_epoch(load: Any) -> None:
    clock = load("clock").StepClock("cpu")
    for n_updates in (3, 2):
        clock.start()
        for _ in range(n_updates):
            clock.tick()
    figures = clock.figures()
    assert figures["n_updates"] == 2
    assert figures["epoch_s"] == sum(clock.step_s) < clock.total_s


def test_the_loops_bar_is_a_clock(load: Any) -> None:
    module = load("clock")
    clock = module.StepClock("cpu")
    clock.start()
    with module.ClockConsole(clock).progress(2, "train") as bar:
        bar.update()
        bar.update()
        bar.set_postfix_str("")
    assert len(clock.step_s) == 2


def test_peak_memory_is_of_this_process_and_never_falls(load: Any) -> None:
    peak_memory_gb = load("memory").peak_memory_gb
    before = peak_memory_gb()
    kept = np.ones(40_000_000)  # 0.32 GB
    assert peak_memory_gb() > before or before > kept.nbytes / 1e9
    assert 0.01 < before < 100
    del kept
    assert peak_memory_gb() >= before


def test_growth_is_per_doubling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    per_doubling = importlib.import_module("scaling").per_doubling
    assert per_doubling([3.0, 6.0, 12.0]) == pytest.approx(2.0)
    assert per_doubling([3.0, 5.0, 3.0]) == pytest.approx(1.0)


@pytest.mark.slow
def test_operations_are_counted_as_by_hand(load: Any, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    width, ffn, frames, ids, vocab = 32, 64, 200, 10, 1_000
    config = transformers.WhisperConfig(
        d_model=width, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=ffn, decoder_ffn_dim=ffn, vocab_size=vocab,
        pad_token_id=0, bos_token_id=0, eos_token_id=0, decoder_start_token_id=1,
    )  # fmt: skip
    config.save_pretrained(tmp_path)
    positions = frames // 2
    convolutions = 3 * (frames * 80 * width + positions * width * width)
    encoder = positions * (4 * width**2 + 2 * width * ffn) + 2 * positions**2 * width
    own = ids * (4 * width**2 + 2 * width * ffn) + 2 * ids**2 * width
    cross = 2 * width**2 * (ids + positions) + 2 * ids * positions * width
    multiplications = convolutions + encoder + own + cross + ids * width * vocab
    found = load("flops").count_training_flops(tmp_path, [(2, frames, ids)] * 3)
    assert found == pytest.approx(3 * 3 * 2 * 2 * multiplications)
