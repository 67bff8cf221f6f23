from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from ruach_core.cli import main
from ruach_core.config import RunConfig, build_config, read_config_file, setting_names
from ruach_core.errors import UserError

SECTIONS = {
    name: info.annotation
    for name, info in RunConfig.model_fields.items()
    if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)
}
LEAVES = [f"{name}.{leaf}" for name, section in SECTIONS.items() for leaf in section.model_fields]


def get(config: RunConfig, name: str) -> Any:
    value: Any = config
    for part in name.split("."):
        value = getattr(value, part)
    return value


def other_value(name: str) -> str:
    """A valid value, as a flag gives it, that isn't the default."""
    section, leaf = name.split(".")
    info = SECTIONS[section].model_fields[leaf]
    kinds = set(typing.get_args(info.annotation) or (info.annotation,)) - {type(None)}
    choices = [k for k in kinds if isinstance(k, str)]
    if choices:
        return next(choice for choice in sorted(choices) if choice != info.default)
    if kinds == {bool}:
        return str(not info.default).lower()
    if kinds in ({str}, {Path}):
        return "another"
    candidates = ("1", "2", "3", "150") if kinds == {int} else ("0.25", "0.5", "0.01", "2.5")
    for candidate in candidates:
        try:
            if get(build_config({}, {"lang": "am", name: candidate}), name) != info.default:
                return candidate
        except UserError:
            continue
    raise AssertionError(f"no valid value found for {name}")


def test_there_are_settings():
    assert len(LEAVES) > 25
    assert "training.epochs" in LEAVES


@pytest.mark.parametrize("name", LEAVES)
def test_every_setting_by_flag_and_by_file(name, tmp_path):
    value = other_value(name)
    default = build_config({}, {"lang": "am"})
    by_flag = build_config({}, {"lang": "am", name: value})
    assert get(by_flag, name) != get(default, name)

    section, leaf = name.split(".")
    found = get(by_flag, name)
    literal = f'"{found}"' if isinstance(found, str | Path) else str(found).lower()
    file = tmp_path / "run.toml"
    file.write_text(f'lang = "am"\n[{section}]\n{leaf} = {literal}\n', encoding="utf-8")
    assert build_config(read_config_file(file), {}) == by_flag


def test_settings_lists_every_setting_with_its_default(capsys):
    assert main(["train", "--settings"]) == 0
    printed = capsys.readouterr().out
    for name in LEAVES:
        section, leaf = name.split(".")
        assert f"--{name}\n" in printed
        assert f"[default: {SECTIONS[section].model_fields[leaf].default}]" in printed
    assert set(setting_names()) == set(LEAVES)


def test_choices_are_listed():
    assert "trim|mix|pack|full" in setting_names()["window.policy"]


def test_file_then_flags(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text(
        'lang = "mdw"\nseed = 7\nmodel = "whisper-small"\n'
        '[training]\nepochs = 3\nlearning_rate = 5e-5\n[options]\nnumbers = "keep"\n',
        encoding="utf-8",
    )
    config = build_config(
        read_config_file(file),
        {"training.epochs": "4", "model": None, "options.case": "lower", "data": "clips"},
    )
    assert (config.lang, config.seed, config.model) == ("mdw", 7, "whisper-small")
    assert config.training.epochs == 4
    assert config.training.learning_rate == 5e-5
    assert config.training.batch_size is None
    assert config.options == {"numbers": "keep", "case": "lower"}
    assert str(config.data) == "clips"


def test_a_file_with_a_byte_order_mark(tmp_path):
    file = tmp_path / "run.toml"
    file.write_bytes('\ufefflang = "am"\n'.encode())
    assert build_config(read_config_file(file), {}).lang == "am"


def refusal(file: dict[str, Any], flags: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        build_config(file, flags)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "name", ["training.epoch", "trainings.epochs", "colour", "window.trim.margin_s", "options.a.b"]
)
def test_unknown_names_are_named(name):
    message = refusal({"lang": "am"}, {name: "3"})
    assert name.split(".")[0] in message
    assert "--settings" in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("training.epochs", "0"),
        ("training.epochs", "2.5"),
        ("training.epochs", "many"),
        ("training.learning_rate", "-1e-4"),
        ("training.learning_rate", "nan"),
        ("training.learning_rate", "inf"),
        ("training.precision", "fp8"),
        ("window.policy", "stretch"),
        ("window.full_share", "1.1"),
        ("window.full_share", "nan"),
        ("dataset.max_duration_s", "31"),
        ("evaluation.max_new_tokens", "445"),
        ("export.quantization", "int4"),
        ("export.parity_threshold", "nan"),
        ("augment.spec_augment", "perhaps"),
        ("lang", ""),
    ],
)
def test_values_out_of_range_are_named(name, value):
    message = refusal({"lang": "am"}, {name: value})
    assert name in message
    assert repr(value) in message


def test_a_section_that_is_a_value():
    assert "training" in refusal({"lang": "am", "training": 3}, {})
    assert "training" in refusal({"lang": "am", "training": 3}, {"training.epochs": "2"})


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_config_file(tmp_path / "absent.toml")
    bad = tmp_path / "bad.toml"
    bad.write_text("lang = am", encoding="utf-8")
    with pytest.raises(UserError, match=r"bad\.toml: not a readable TOML file") as caught:
        read_config_file(bad)
    assert "\n" not in str(caught.value)
    bad.write_bytes(b"lang = '\xff'")
    with pytest.raises(UserError, match="not a readable TOML file"):
        read_config_file(bad)
    with pytest.raises(UserError, match="not a readable TOML file"):
        read_config_file(tmp_path)


def test_digest_covers_what_decides_the_weights():
    def digest(**flags: Any) -> str:
        return build_config({}, {"lang": "am", **flags}).digest()

    base = digest()
    assert base == digest()
    for name, value in {"seed": 1, "training.epochs": 2, "window.policy": "full",
                        "augment.time_masks": 9, "options.a": "b"}.items():  # fmt: skip
        assert digest(**{name: value}) != base, name
    # Names of data and base model decide nothing (both have digests of their own), nor does what is
    # exported afterwards.
    for name, value in {"data": "x", "model": "x", "output": "y", "export.quantization": "int8",
                        "export.parity_threshold": 0.5, "lm.enabled": True}.items():  # fmt: skip
        assert digest(**{name: value}) == base, name
    # Nor does how an update is cut into passes, what is read ahead, said, or reported.
    for name, value in {"training.micro_batch_s": 9, "training.workers": 7,
                        "training.checkpoint_minutes": 1, "training.log_steps": 2,
                        "training.sharding": "fsdp", "dataset.license": "CC0",
                        "evaluation.bootstrap": 200, "evaluation.review_clips": 0,
                        "evaluation.rescoring_beam_size": 4}.items():  # fmt: skip
        assert digest(**{name: value}) == base, name


def test_settings_come_back_from_json():
    config = build_config({}, {"lang": "am", "output": "somewhere", "options.numbers": "keep",
                               "training.learning_rate": "1e-5"})  # fmt: skip
    assert RunConfig.model_validate_json(config.model_dump_json()) == config
