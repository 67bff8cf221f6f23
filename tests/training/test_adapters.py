"""LoRA, a frozen encoder, gradient checkpointing: what is trained, and what leaves the run."""

from __future__ import annotations

from typing import Any

import pytest

from ruach_core.config import TrainingConfig
from ruach_core.errors import UserError
from ruach_core.export.folder import save_model
from ruach_core.training import adapters
from ruach_core.training.adapters import (
    check_extras,
    choose_trained,
    count_parameters,
    merge_adapters,
    plain_whisper,
)
from ruach_core.training.costs import named_size
from ruach_core.training.device import footprint_of

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")
pytestmark = pytest.mark.slow

PLAIN = {"training.ctc_weight": 0.0}
LORA = {**PLAIN, "training.lora_rank": 4}


@pytest.fixture
def lora() -> None:
    pytest.importorskip("peft")


def weights(model: Any) -> dict[str, Any]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def logits(model: Any) -> Any:
    heard = torch.randn(2, 80, 100, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        return model(input_features=heard, decoder_input_ids=torch.tensor([[50258, 50259, 5]] * 2),
                     use_cache=False).logits  # fmt: skip


def shaken(model: Any) -> Any:
    """As if it had been trained: an adapter's product begins at zero."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


@pytest.mark.usefixtures("lora")
class TestLora:
    def test_adapters_alone_are_trained_on_every_linear_layer(self, setting):
        loop = setting.loop(**LORA)
        before = weights(loop.updater.model)
        loop.run()
        changed = {
            n for n, p in weights(loop.updater.model).items() if not torch.equal(p, before[n])
        }
        assert changed
        assert all(".lora_" in name for name in changed)
        layers = {name.split(".lora_")[0] for name in changed}
        # 2 layers a side: 4 attention matrices, in the decoder 8, and 2 of the feed-forward.
        assert len(layers) == 2 * (4 + 2) + 2 * (8 + 2)

    def test_the_first_values_are_the_seed_s(self, setting):
        first, again, other = (
            weights(setting.loop(seed=s, **LORA).updater.model) for s in (1, 1, 2)
        )
        name = next(name for name in first if "lora_A" in name)
        assert torch.equal(first[name], again[name])
        assert not torch.equal(first[name], other[name])

    def test_a_model_with_adapters_begins_as_the_base_model(self, setting):
        base, adapted = (
            setting.loop().updater.model.eval(),
            setting.loop(**LORA).updater.model.eval(),
        )
        assert torch.equal(logits(adapted), logits(base))

    def test_checkpoints_hold_adapters_alone(self, setting):
        from safetensors.numpy import load_file

        loop = setting.loop(**LORA)
        loop.run()
        assert loop.best_dir is not None
        folders = [loop.best_dir, *setting.checkpoints.glob("checkpoint-*")]
        assert len(folders) == 2
        for folder in folders:
            saved = load_file(folder / "model.safetensors")
            assert saved
            assert all(".lora_" in name for name in saved)

    def test_merged_the_model_says_the_same(self, setting):
        model = shaken(setting.loop(**LORA).updater.model)
        adapted = logits(model)
        assert not torch.allclose(adapted, logits(setting.loop().updater.model.eval()), atol=1e-2)
        with plain_whisper(model):
            torch.testing.assert_close(logits(model), adapted, atol=1e-4, rtol=0)
        merge_adapters(model)
        torch.testing.assert_close(logits(model), adapted, atol=1e-4, rtol=0)

    def test_merging_for_a_while_leaves_no_trace(self, setting):
        model = shaken(setting.loop(**LORA).updater.model)
        before, was = weights(model), logits(model)
        names = set(setting.loop(**PLAIN).updater.model.state_dict())
        with plain_whisper(model):
            assert set(model.state_dict()) == names
        after = weights(model)
        assert after.keys() == before.keys()
        assert all(torch.equal(after[name], before[name]) for name in before)
        assert torch.equal(logits(model), was)

    def test_adapters_come_back_when_the_evaluation_fails(self, setting):
        model = shaken(setting.loop(**LORA).updater.model)
        before = weights(model)
        with pytest.raises(KeyError), plain_whisper(model):
            raise KeyError
        assert weights(model).keys() == before.keys()

    def test_each_evaluation_sees_a_plain_whisper(self, setting):
        names: list[set[str]] = []

        def evaluate(loop: Any) -> dict[str, float]:
            names.append(set(loop.updater.model.state_dict()))
            return {"eval_wer": 0.5, "eval_cer": 0.5, "eval_loss": 1.0}

        setting.loop(evaluate=evaluate, **LORA).run()
        assert names == [set(setting.loop(**PLAIN).updater.model.state_dict())]

    def test_what_is_saved_is_a_plain_whisper(self, setting, tmp_path):
        from transformers import WhisperForConditionalGeneration

        model = shaken(setting.loop(**LORA).updater.model)
        merge_adapters(model)
        save_model(model, setting.model_dir, tmp_path)
        assert not list(tmp_path.glob("adapter*"))
        loaded, report = WhisperForConditionalGeneration.from_pretrained(
            tmp_path, output_loading_info=True
        )
        assert not report["missing_keys"]
        assert not report["unexpected_keys"]
        heard = torch.zeros(1, 80, 3000)
        ids = torch.tensor([[50258, 50259]])
        with torch.inference_mode():
            found = loaded.eval()(input_features=heard, decoder_input_ids=ids).logits
            expected = model(input_features=heard, decoder_input_ids=ids).logits
        torch.testing.assert_close(found, expected)

    def test_beside_a_frozen_encoder_the_decoder_alone_is_adapted(self, setting):
        model = setting.loop(**LORA, **FROZEN).updater.model
        assert all(".decoder." in n for n, p in model.named_parameters() if p.requires_grad)

    def test_a_resumed_run_ends_like_an_unbroken_one(self, longer):
        flags = {**LORA, "training.batch_size": 2, "training.epochs": 2}
        unbroken = longer.loop(**flags)
        unbroken.run()
        expected = weights(unbroken.updater.model)

        class StoppedError(Exception):
            pass

        def stop(loop: Any) -> dict[str, float]:
            if loop.progress.epoch == 1:
                raise StoppedError
            return {"eval_wer": 0.5, "eval_cer": 0.5, "eval_loss": 1.0}

        with pytest.raises(StoppedError):
            longer.loop(evaluate=stop, **flags).run()
        resumed = longer.loop(**flags)
        assert resumed.run(resume=True).update == 6
        found = weights(resumed.updater.model)
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_missing_package_is_named_with_its_remedy(setting, monkeypatch):
    monkeypatch.setattr(adapters, "find_spec", lambda name: None)
    training = setting.loop()._plan.config.training
    check_extras(training)
    for change, remedy in (
        ({"lora_rank": 8}, "pip install 'ruach-core[lora]'"),
        ({"optimizer": "adamw8bit"}, "pip install 'ruach-core[8bit]'"),
    ):
        with pytest.raises(UserError) as caught:
            check_extras(training.model_copy(update=change))
        assert remedy in str(caught.value)
        assert "\n" not in str(caught.value)


FROZEN = {"training.freeze_encoder": True}
CHECKPOINTED = {"training.gradient_checkpointing": True}


class TestFrozenEncoder:
    def test_the_encoder_stays_as_it_is(self, setting):
        loop = setting.loop(**FROZEN)
        before = weights(loop.updater.model)
        loop.run()
        after = weights(loop.updater.model)
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert changed == {name for name in before if ".encoder." not in name}

    def test_the_encoder_keeps_nothing_for_a_backward_pass(self, setting):
        model = setting.loop(**FROZEN).updater.model.train()
        states = model.get_encoder()(torch.zeros(1, 80, 100)).last_hidden_state
        assert not states.requires_grad

    def test_the_encoder_is_never_in_training_mode(self, setting):
        model = setting.loop(**FROZEN).updater.model.train()
        assert model.get_decoder().training
        assert not any(module.training for module in model.get_encoder().modules())


def saved_bytes_and_gradients(loop: Any) -> tuple[int, dict[str, Any]]:
    """What one update keeps for its backward pass but for the logits, and its gradients."""
    (batch,) = loop._plan.batches(0)
    (micro_batch,) = batch.micro_batches
    tensors = loop._plan.collator(micro_batch, 0)
    model, kept = loop.updater.model.train(), {}
    own = {p.data_ptr() for p in model.parameters()}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        is_layers = tensor.shape[-1:] != (model.config.vocab_size,)
        if is_layers and storage.data_ptr() not in own:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # kept alive: no address twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = loop.updater.losses(loop.updater.model, tensors)[0]
    n_bytes = sum(n for n, _ in kept.values())
    loss.backward()
    return n_bytes, {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


class TestGradientCheckpointing:
    @pytest.mark.parametrize("more", [{}, FROZEN])
    def test_same_gradients_from_fewer_kept_bytes(self, setting, more):
        usual, expected = saved_bytes_and_gradients(setting.loop(**more))
        fewer, found = saved_bytes_and_gradients(setting.loop(**CHECKPOINTED, **more))
        assert found.keys() == expected.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, msg=name)
        assert fewer < 0.6 * usual

    def test_the_encoder_s_layers_are_checkpointed_too(self, setting):
        """Our own forward replaces the encoder's."""
        calls = []
        loop = setting.loop(**CHECKPOINTED)
        for layer in loop.updater.model.get_encoder().layers:
            layer.self_attn.register_forward_hook(lambda *_: calls.append(1))
        saved_bytes_and_gradients(loop)
        assert len(calls) == 2 * 2  # each once forward, once again in the backward pass

    def test_adapters_learn_through_checkpointed_layers(self, setting):
        pytest.importorskip("peft")
        _, expected = saved_bytes_and_gradients(setting.loop(**LORA))
        _, found = saved_bytes_and_gradients(setting.loop(**LORA, **CHECKPOINTED))
        assert found.keys() == expected.keys()
        assert any(".encoder." in name for name in found)
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, msg=name)


def test_memory_estimates_know_what_is_trained(setting):
    def kept(precision="bf16", **flags):
        loop = setting.loop(**{f"training.{name}": value for name, value in flags.items()})
        return loop, footprint_of(loop.updater.model, loop._plan.config.training, precision)

    loop, full = kept()
    n_all = sum(p.numel() for p in loop.updater.model.parameters())
    n_positions = loop.updater.model.get_encoder().embed_positions.weight.numel()
    runtime = round(0.8 * 2**30)
    assert full.model_bytes == 18 * (n_all - n_positions) + 6 * n_positions + runtime
    assert full.activation_share == 1.0
    assert kept("float32")[1].model_bytes == full.model_bytes - 2 * n_all
    frozen, checkpointed = kept(freeze_encoder=True)[1], kept(gradient_checkpointing=True)[1]
    assert frozen.model_bytes < full.model_bytes
    assert frozen.activation_share < 0.5
    assert checkpointed.activation_share < 0.5


def test_adapters_are_counted_before_they_are_there(setting):
    """`ruach plan` has no model to count in; the tiny one's shape isn't a size of Whisper's."""
    pytest.importorskip("peft")
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    shape = WhisperConfig(
        d_model=384, encoder_layers=4, decoder_layers=4, vocab_size=51865, encoder_ffn_dim=1536,
        decoder_ffn_dim=1536, encoder_attention_heads=6, decoder_attention_heads=6,
    )  # fmt: skip
    tiny = named_size("tiny")
    assert tiny is not None
    for settings in ({"lora_rank": 8}, {"lora_rank": 8, "freeze_encoder": True},
                     {"freeze_encoder": True}):  # fmt: skip
        config = TrainingConfig.model_validate(settings)
        with torch.device("meta"):
            model = WhisperForConditionalGeneration(shape)
            choose_trained(model, config, seed=0)
        n_trained, _ = count_parameters(model)
        assert tiny.count_trained(config) == pytest.approx(n_trained, rel=0.02)
