"""Memory runs out: passes get smaller, what is learned stays the same."""

from __future__ import annotations

from typing import Any

import pytest

from ruach_core.errors import UserError
from ruach_core.evaluation.torch_decode import TorchRecognizer
from ruach_core.models.memory import is_out_of_memory
from ruach_core.models.special_tokens import SpecialTokens, WhisperTokenizer
from ruach_core.training.memory import explained
from ruach_core.training.ranks import Ranks
from ruach_core.types import Utterance

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")
pytestmark = pytest.mark.slow

CPU = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 1 bytes. Error code 12 (Cannot allocate memory)"
)
ERRORS = [torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), CPU,
          MemoryError()]  # fmt: skip


@pytest.mark.parametrize("error", ERRORS)
def test_what_memory_errors_are(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shapes don't match"), ValueError("out of memory")])
def test_what_others_are(error):
    assert not is_out_of_memory(error)


def limit(model: Any, most: int, error: BaseException, *, where: str = "forward") -> list[int]:
    """Lets the encoder hear at most so many windows at once; returns how many it was asked for."""
    heard: list[int] = []
    encoder = model.get_encoder()
    forward = encoder.forward

    def limited(input_features: Any, *arguments: Any, **named: Any) -> Any:
        heard.append(len(input_features))
        if len(input_features) > most and where == "forward":
            raise error
        output = forward(input_features, *arguments, **named)
        if len(input_features) > most:

            def refuse(_: Any) -> Any:
                raise error

            output.last_hidden_state.register_hook(refuse)
        return output

    encoder.forward = limited
    return heard


def weights(loop: Any) -> dict[str, Any]:
    return {name: p.detach().clone() for name, p in loop.updater.model.named_parameters()}


LIMIT = "training.micro_batch_s"
FLAGS = {"training.batch_size": 6, "training.epochs": 3, "training.patience": 9}


@pytest.mark.parametrize("where", ["forward", "backward"])
@pytest.mark.parametrize("error", ERRORS)
def test_smaller_passes_learn_the_same(longer, error, where):
    lines: list[str] = []
    loop = longer.loop(on_line=lines.append, **FLAGS)
    (whole,) = loop._plan.batches(0)[0].micro_batches
    assert len(whole.windows) == 6
    heard = limit(loop.updater.model, 2, error, where=where)
    progress = loop.run()

    said = [line for line in lines if "out of memory" in line]
    assert len(said) == 2  # six windows, three, and one
    assert heard == [6, 3, *[1] * 18]
    assert progress.update == 3
    assert progress.micro_batch_s == pytest.approx(whole.window_s / 4)

    expected = longer.loop(**FLAGS, **{"training.micro_batch_s": progress.micro_batch_s})
    assert len(expected._plan.batches(0)[0].micro_batches) == 6
    assert expected.run().history == progress.history
    for name, value in weights(expected).items():
        torch.testing.assert_close(weights(loop)[name], value, atol=1e-6, rtol=0, msg=name)


@pytest.mark.parametrize(("given", "n_windows"), [({}, 3), ({LIMIT: 60.0}, 3), ({LIMIT: 1.0}, 1)])
def test_a_resumed_run_keeps_to_what_fits_and_may_be_given_less(longer, given, n_windows):
    lines: list[str] = []

    class StoppedError(Exception):
        pass

    def stop(loop: Any) -> dict[str, float]:
        if loop.progress.epoch == 1:
            raise StoppedError
        return {"eval_wer": 0.5, "eval_cer": 0.5, "eval_loss": 1.0}

    loop = longer.loop(evaluate=stop, **FLAGS)
    limit(loop.updater.model, 4, CPU)
    with pytest.raises(StoppedError):
        loop.run()
    resumed = longer.loop(on_line=lines.append, **FLAGS, **given)
    heard = limit(resumed.updater.model, 4, CPU)
    assert resumed.run(resume=True).update == 3
    assert set(heard) == {n_windows}
    assert not any("out of memory" in line for line in lines)


def test_among_several_processes_the_way_on_is_to_resume(longer):
    loop = longer.loop(**FLAGS)
    (whole,) = loop._plan.batches(0)[0].micro_batches
    loop._ranks = Ranks(0, 2)
    with pytest.raises(UserError, match=r"a lower --training\.micro_batch_s") as caught:
        loop._back_off(whole)
    assert "go on with --resume" in str(caught.value)
    assert str(caught.value).endswith(f"such as {whole.window_s / 2:.1f}")
    assert "--overwrite" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_window_that_does_not_fit_ends_the_run_in_one_line(longer):
    loop = longer.loop(**FLAGS)
    limit(loop.updater.model, 0, MemoryError())
    with pytest.raises(UserError) as caught:
        loop.run()
    message = str(caught.value)
    assert "one window" in message
    for remedy in ("--model", "lora_rank", "gradient_checkpointing", "--dataset.max_duration_s"):
        assert remedy in message
    assert "\n" not in message


def test_other_errors_pass(longer):
    loop = longer.loop(**FLAGS)
    limit(loop.updater.model, 0, RuntimeError("shapes don't match"))
    with pytest.raises(RuntimeError, match="shapes"):
        loop.run()


def test_what_smaller_passes_do_not_mend_is_one_line():
    with pytest.raises(UserError, match="adamw8bit") as caught, explained():
        raise ERRORS[0]
    assert "\n" not in str(caught.value)
    with pytest.raises(RuntimeError, match="shapes"), explained():
        raise RuntimeError("shapes don't match")


@pytest.mark.parametrize("error", ERRORS)
def test_decoding_halves_its_batches(setting, error):
    model = setting.loop().updater.model
    tokenizer = WhisperTokenizer.read(setting.model_dir)

    def decode(clips: list[Utterance]) -> list[tuple[str, str]]:
        recognizer = TorchRecognizer(
            model, tokenizer, SpecialTokens.of(tokenizer, "en"), max_new_tokens=4,
            window_margin_s=0.3,
        )  # fmt: skip
        done: list[int] = []
        found = recognizer.decode(clips, on_progress=done.append)
        assert sum(done) == len(clips)
        return [(h.utterance_id, h.text) for h in found]

    clips = setting.utterances
    expected = decode(clips)
    heard = limit(model, 1, error)
    assert decode(clips) == expected
    assert heard == [4, 2, 1, 1, 1, 1]

    limit(model, 0, error)
    with pytest.raises((RuntimeError, MemoryError)):
        decode(clips)
