from __future__ import annotations

import pytest

from ruach_core.errors import UserError
from ruach_core.export.parity import ParityRow, check_parity, compute_types, parity_lines


def row(
    export_wer: float,
    *,
    window: str = "trim",
    compute_type: str = "float32",
    p_value: float = 0.01,
    differing: float = 0.25,
) -> ParityRow:
    return ParityRow(
        window=window,  # type: ignore[arg-type]
        compute_type=compute_type,
        n_utterances=60,
        model_wer=0.30,
        export_wer=export_wer,
        differing=differing,
        p_value=p_value,
    )


def test_an_export_within_the_threshold_passes():
    assert not check_parity([row(0.30), row(0.3199), row(0.10)], 0.02)
    assert not check_parity([row(0.30)], 0.0)


def test_a_better_export_passes_however_different():
    assert not check_parity([row(0.0)], 0.0)


def test_a_loss_that_may_be_chance_is_told():
    rows = [row(0.31), row(0.50, p_value=0.3), row(0.40, p_value=0.6)]
    doubt = check_parity(rows, 0.02)
    assert "20.0 points above the model's on 60 clips, which may be chance" in doubt
    assert "--export.parity_clips" in doubt
    with pytest.raises(UserError, match=r"10\.0 points"):
        check_parity([*rows, row(0.40)], 0.02)


def test_a_broken_export_is_refused_on_the_fewest_clips():
    with pytest.raises(UserError, match="export refused"):
        check_parity([row(0.95, p_value=0.5, differing=1.0)], 0.02)
    assert check_parity([row(0.95, p_value=0.5, differing=0.3)], 0.02)
    assert check_parity([row(0.75, p_value=0.5, differing=1.0)], 0.02)


def test_the_worst_row_is_named():
    rows = [row(0.33), row(0.45, window="full", compute_type="int8_float32"), row(0.31)]
    with pytest.raises(UserError) as caught:
        check_parity(rows, 0.02)
    message = str(caught.value)
    for part in ("int8_float32", "full window", "15.0 points", "60 clips", "at most 2.0",
                 "--export.quantization", "--export.parity_threshold"):  # fmt: skip
        assert part in message
    assert "\n" not in message


def test_one_bad_window_is_enough():
    with pytest.raises(UserError):
        check_parity([row(0.30), row(0.33, window="full")], 0.02)


@pytest.mark.parametrize(
    ("quantization", "expected"),
    [
        ("float16", ("default", "int8")),
        ("float32", ("default", "int8")),
        ("int8", ("default",)),
        ("int8_float16", ("default",)),
        ("int8_float32", ("default",)),
    ],
)
def test_an_export_is_measured_as_users_will_load_it(quantization, expected):
    assert compute_types(quantization) == expected


def test_table():
    header, first, second = parity_lines([row(0.31), row(0.28, window="full")])
    assert "model WER" in header
    assert "texts" in header
    for part in ("trim", "float32", "30.0 %", "31.0 %", "+1.0", "75 % identical"):
        assert part in first
    assert "-2.0" in second


def test_difference_is_a_fraction_and_positive_when_worse():
    assert row(0.35).difference == pytest.approx(0.05)


@pytest.mark.slow
def test_measured_on_a_model_and_its_export(tiny_whisper, tmp_path):
    """The same weights, decoded by torch and by CTranslate2 in float32: the same texts."""
    import numpy as np
    import soundfile

    from ruach_core.evaluation.torch_decode import TorchRecognizer
    from ruach_core.export.parity import measure_parity
    from ruach_core.models.special_tokens import SpecialTokens, WhisperTokenizer
    from ruach_core.plugins import Plugins
    from ruach_core.training.preparation import load_model
    from ruach_core.types import Utterance

    plugins = Plugins.load("qaa")
    clips = []
    for n in range(3):
        path = tmp_path / f"{n}.wav"
        soundfile.write(path, 0.3 * np.sin(np.arange(8_000 + 1_600 * n) * 0.1 * (n + 1)), 16_000)
        clips.append(Utterance(f"{n}", path, "ba be", "test", duration_s=0.5 + 0.1 * n))
    tokenizer = WhisperTokenizer.read(tiny_whisper)
    tokens = SpecialTokens.of(tokenizer, "en")
    model = load_model(tiny_whisper, tokens, [])
    recognizer = TorchRecognizer(
        model, tokenizer, tokens, max_new_tokens=12, window_margin_s=0.3, batch_s=60.0
    )
    export = tmp_path / "export"
    export.mkdir()
    plugins.exporter("ctranslate2").export(tiny_whisper, export, quantization="float32")
    rows = measure_parity(
        clips,
        model_decode=lambda window: recognizer.decode(clips, window=window),
        export_dir=export,
        language="en",
        quantization="float32",
        max_new_tokens=12,
        window_margin_s=0.3,
        normalizer=plugins.normalizer({}),
    )
    assert [(r.window, r.compute_type) for r in rows] == [
        ("trim", "float32"), ("full", "float32"),
        ("trim", "int8_float32"), ("full", "int8_float32"),
    ]  # fmt: skip
    assert [r.differing for r in rows[:2]] == [0.0, 0.0]
    assert [r.difference for r in rows[:2]] == [0.0, 0.0]
    assert {r.n_utterances for r in rows} == {3}
