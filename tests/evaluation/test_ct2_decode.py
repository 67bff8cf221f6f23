from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruach_core.errors import DataError, UserError
from ruach_core.evaluation.ct2_decode import Ct2Recognizer, ct2_max_length
from ruach_core.evaluation.decoding_batches import plan_batches
from ruach_core.evaluation.export_info import ExportInfo
from ruach_core.evaluation.metrics import count_edits, pool_counts
from ruach_core.features import MAX_SAMPLES
from ruach_core.types import SAMPLING_RATE, Utterance


def test_export_info_without_run_json_is_stock_whisper(tmp_path: Path) -> None:
    assert ExportInfo.read(tmp_path) == ExportInfo(None, None, 1.0, 444, "full")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"lang": "mdw", "whisper_language": "ln", "window_margin_s": 0.3, "generation_length": 90},
         ExportInfo("mdw", "ln", 0.3, 90, "trim")),
        ({"lang": "am", "window_margin_s": 0.0, "generation_length": 9999},
         ExportInfo("am", None, 0.0, 444, "trim")),
        ({"lang": "am", "window": "full", "window_margin_s": 0.3},
         ExportInfo("am", None, 0.3, 444, "full")),
        ({"hears_silence": True}, ExportInfo(hears_silence=True)),
        ({}, ExportInfo()),
    ],
)  # fmt: skip
def test_export_info_reads_run_json(
    tmp_path: Path, content: dict[str, object], expected: ExportInfo
) -> None:
    (tmp_path / "run.json").write_text(json.dumps({**content, "more": [1]}))
    assert ExportInfo.read(tmp_path) == expected


@pytest.mark.parametrize("text", ["{", "[]", '{"generation_length": "many"}'])
def test_export_info_refuses_a_broken_run_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UserError, match=r"run\.json"):
        ExportInfo.read(tmp_path)


@given(st.integers(1, 444))
def test_ct2_max_length_gives_the_tokens_asked_for(n_tokens: int) -> None:
    # CTranslate2's own rule, for the prompt of four that starts at position 3.
    length = ct2_max_length(n_tokens)
    assert min(length // 2, length - 3) == n_tokens


@given(
    st.lists(st.integers(0, MAX_SAMPLES), max_size=40),
    st.floats(1, 200),
    st.sampled_from(["trim", "full"]),
)
def test_plan_batches_takes_each_clip_once_within_the_budget(
    lengths: list[int], batch_s: float, window: str
) -> None:
    batches = plan_batches(lengths, window=window, margin_s=1.0, batch_s=batch_s)  # type: ignore[arg-type]
    assert sorted(i for batch in batches for i in batch.indices) == list(range(len(lengths)))
    for batch in batches:
        n_clips = len(batch.indices)
        assert n_clips == 1 or n_clips * batch.n_samples <= batch_s * SAMPLING_RATE
        longest = max(lengths[i] for i in batch.indices)
        assert longest <= batch.n_samples <= MAX_SAMPLES
        if window == "full":
            assert batch.n_samples == MAX_SAMPLES
        else:
            assert batch.n_samples <= longest + 1.1 * SAMPLING_RATE + 1


def test_plan_batches_puts_like_lengths_together() -> None:
    second = SAMPLING_RATE
    batches = plan_batches(
        [second, 9 * second, second, 9 * second], window="trim", margin_s=1.0, batch_s=20
    )
    assert [sorted(batch.indices) for batch in batches] == [[1, 3], [0, 2]]
    assert [batch.n_samples for batch in batches] == [10 * second, 2 * second]


def test_a_folder_that_is_no_export_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tokenizer\.json"):
        Ct2Recognizer(tmp_path, language="en")


def _wer(texts: list[str], hypotheses: list[str]) -> float:
    def plain(text: str) -> str:
        return text.lower().replace(",", "").replace(".", "")

    counts = count_edits([*map(plain, texts)], [*map(plain, hypotheses)], unit="word")
    return pool_counts(counts).rate


@pytest.fixture(scope="module")
def recognizer(whisper_base_export: Path) -> Ct2Recognizer:
    return Ct2Recognizer(whisper_base_export, language="en", compute_type="int8", threads=1)


@pytest.mark.slow
def test_real_speech_in_the_full_window(
    recognizer: Ct2Recognizer, spoken: list[tuple[str, Path]], waveforms: list[np.ndarray]
) -> None:
    done: list[int] = []
    texts = recognizer.decode(waveforms, window="full", on_progress=done.append)
    assert _wer([text for text, _ in spoken], texts) < 0.1
    assert sum(done) == len(waveforms)
    assert all(text == text.strip() for text in texts)


@pytest.mark.slow
def test_results_come_in_the_order_of_the_input(
    recognizer: Ct2Recognizer, spoken: list[tuple[str, Path]], waveforms: list[np.ndarray]
) -> None:
    forward = recognizer.decode(waveforms, window="full", batch_s=30)
    backward = recognizer.decode(waveforms[::-1], window="full", batch_s=90)
    assert forward == backward[::-1]
    assert len(set(forward)) == len(spoken)


@pytest.mark.slow
def test_utterances_are_read_from_their_files_and_segments(
    recognizer: Ct2Recognizer, spoken: list[tuple[str, Path]], waveforms: list[np.ndarray]
) -> None:
    text, path = spoken[0]
    duration_s = len(waveforms[0]) / SAMPLING_RATE
    whole = Utterance("whole", path, text, "test", duration_s=duration_s)
    first = Utterance("first", path, text, "test", start_s=0.0, end_s=0.8, duration_s=0.8)
    hypotheses = recognizer.decode_utterances([first, whole], window="full")
    assert [h.utterance_id for h in hypotheses] == ["first", "whole"]
    assert hypotheses[1].text == recognizer.decode(waveforms[:1], window="full")[0]
    assert len(hypotheses[0].text) < len(hypotheses[1].text)


@pytest.mark.slow
def test_batches_are_halved_where_memory_runs_out(
    recognizer: Ct2Recognizer, waveforms: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = recognizer.decode(waveforms[:1] * 3, window="trim")
    generate, asked = recognizer._generate, []

    def limited(features: object, n_clips: int, n_best: int) -> object:
        asked.append(n_clips)
        if n_clips > 1:
            raise RuntimeError("CUDA failed with error out of memory")
        return generate(features, n_clips, n_best)

    monkeypatch.setattr(recognizer, "_generate", limited)
    assert recognizer.decode(waveforms[:1] * 3, window="trim") == expected
    assert asked[0] == 3
    assert asked[-3:] == [1, 1, 1]

    def failing(features: object, n_clips: int, n_best: int) -> object:
        raise RuntimeError("CUDA failed with error out of memory")

    monkeypatch.setattr(recognizer, "_generate", failing)
    with pytest.raises(RuntimeError, match="out of memory"):
        recognizer.decode(waveforms[:1], window="trim")


@pytest.mark.slow
def test_short_windows_are_decoded(
    recognizer: Ct2Recognizer, spoken: list[tuple[str, Path]], waveforms: list[np.ndarray]
) -> None:
    # whisper-base wasn't trained on short windows, but the long clip comes through well enough.
    texts = recognizer.decode(waveforms[-1:], window="trim")
    assert _wer([spoken[-1][0]], texts) < 0.5


@pytest.mark.slow
def test_empty_tiny_and_silent_waveforms_are_decoded(recognizer: Ct2Recognizer) -> None:
    shapes = [np.zeros(n, dtype=np.float32) for n in (0, 1, 160, SAMPLING_RATE)]
    for window in ("trim", "full"):
        texts = recognizer.decode(shapes, window=window)  # type: ignore[arg-type]
        assert len(texts) == 4
    assert recognizer.decode([], window="trim") == []


@pytest.mark.slow
@pytest.mark.parametrize("n_tokens", [1, 2, 5])
def test_new_tokens_are_limited_to_the_number_asked_for(
    whisper_base_export: Path, waveforms: list[np.ndarray], n_tokens: int
) -> None:
    recognizer = Ct2Recognizer(
        whisper_base_export, language="en", compute_type="int8", max_new_tokens=n_tokens, threads=1
    )
    assert len(recognizer.decode_ids(waveforms[:1], window="full")[0]) == n_tokens


@pytest.mark.slow
def test_a_text_may_be_longer_than_224_tokens(
    whisper_base_export: Path, waveforms: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer = Ct2Recognizer(whisper_base_export, language="en", compute_type="int8", threads=1)
    generate = recognizer._model.generate
    # With the end suppressed the model goes on until the limit.
    endless = {"suppress_tokens": [-1, recognizer.tokens.end]}

    class _Endless:
        n_mels = recognizer._model.n_mels

        def generate(self, *args: object, **kwargs: object) -> object:
            return generate(*args, **{**kwargs, **endless})

    monkeypatch.setattr(recognizer, "_model", _Endless())
    assert len(recognizer.decode_ids(waveforms[:1], window="full")[0]) == 444


@pytest.mark.slow
def test_a_clip_over_30_s_is_named(recognizer: Ct2Recognizer, tmp_path: Path) -> None:
    long = np.zeros(MAX_SAMPLES + 1, dtype=np.float32)
    with pytest.raises(DataError, match=r"^clip 2: 30\.0 s long.*ruach transcribe"):
        recognizer.decode([long[:10], long])
    with pytest.raises(DataError, match=r"^talk\.wav: "):
        recognizer.decode([long], names=["talk.wav"])


@pytest.mark.slow
def test_faults_of_the_model_are_one_line(whisper_base_export: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="int3"):
        Ct2Recognizer(whisper_base_export, language="en", compute_type="int3")
    with pytest.raises(UserError, match="no language token 'tlh'"):
        Ct2Recognizer(whisper_base_export, language="tlh")
    (tmp_path / "tokenizer.json").symlink_to(whisper_base_export / "tokenizer.json")
    with pytest.raises(UserError, match=r"no model\.bin"):
        Ct2Recognizer(tmp_path, language="en")
    (tmp_path / "model.bin").write_bytes(b"not a model")
    with pytest.raises(UserError, match="can't load the model") as caught:
        Ct2Recognizer(tmp_path, language="en")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_decoding_loads_neither_torch_nor_transformers(
    whisper_base_export: Path, spoken: list[tuple[str, Path]]
) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from ruach_core.data.audio import load_audio\n"
        "from ruach_core.evaluation.ct2_decode import Ct2Recognizer\n"
        "import ruach_core.evaluation.report, ruach_core.default_plugins.metrics\n"
        "r = Ct2Recognizer(Path(sys.argv[1]), language='en', threads=1, compute_type='int8')\n"
        "assert r.decode([load_audio(Path(sys.argv[2]))], window='full')[0]\n"
        "heavy = {'torch', 'transformers', 'datasets', 'accelerate'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)\n"
    )
    arguments = [sys.executable, "-c", code, str(whisper_base_export), str(spoken[0][1])]
    result = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
