"""The settings of a run: defaults, then a TOML file, then flags; saved with every checkpoint.

Every field can be set by a dotted flag (`--training.epochs 8`) and by the same name in the TOML
file (`[training] epochs = 8`). `None` means that Ruach chooses, from the model's size, the
language or the data, and says what it chose.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from ruach_core.errors import UserError
from ruach_core.sources import DataSources

DEFAULT_DATA = Path("dataset/data")
DEFAULT_MODELS = Path("models")
DEFAULT_BEAM_SIZE = 5
"""What faster-whisper has, so that a report says what users get."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataConfig(_Section):
    """Which clips take part, and how validation is held out of train."""

    max_duration_s: float = Field(30.0, gt=0, le=30.0, description="longer clips are set aside")
    min_duration_s: float = Field(0.2, ge=0, description="shorter clips are set aside")
    validation_share: float = Field(
        0.1, gt=0, lt=0.5, description="share of train held out where no validation split is given"
    )
    max_validation: int = Field(300, ge=1, description="at most so many clips are held out")
    license: str | None = Field(None, description="licence of the data, for the model card")


class TrainingConfig(_Section):
    """The optimisation."""

    epochs: int | None = Field(
        None, ge=1, description="passes over the training clips, by their number"
    )
    learning_rate: float | None = Field(
        None, gt=0, description="peak; by default from the model's size and its zero-shot WER"
    )
    warmup_share: float = Field(0.1, ge=0, lt=1, description="share of steps with a rising rate")
    batch_size: int | None = Field(None, ge=1, description="clips per update, by the data's size")
    micro_batch_s: float | None = Field(
        None, gt=0, description="seconds of window in one forward pass; bounds memory"
    )
    optimizer: Literal["adamw", "adamw8bit"] = Field(
        "adamw", description="adamw; or adamw8bit, whose state takes a quarter of the memory"
    )
    weight_decay: float = Field(0.01, ge=0)
    label_smoothing: float = Field(
        0.1, ge=0, lt=1, description="in what is minimised; the losses shown are without it"
    )
    stochastic_depth: float = Field(
        0.0, ge=0, lt=1, description="probability that a window leaves out the deepest layer"
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="in every layer, beside the model's own 0")
    ctc_weight: float = Field(
        0.0, ge=0, description="of a CTC loss of the letters at the encoder, beside the decoder's, "
        "as 0.5; its head helps to choose among a beam's hypotheses; 0 leaves it out",
    )  # fmt: skip
    encoder_rate: float = Field(
        1.0, gt=0, description="the encoder's learning rate, as a multiple of the decoder's"
    )
    max_grad_norm: float = Field(1.0, gt=0)
    average: int = Field(
        5, ge=0, description="so many of the last epochs are averaged, if validation gains by it; "
        "0 or 1 takes the best epoch as it is",
    )  # fmt: skip
    patience: int = Field(3, ge=1, description="epochs without improvement before stopping")
    precision: Literal["auto", "float32", "bf16", "fp16"] = "auto"
    log_steps: int = Field(5, ge=1)
    checkpoint_minutes: float = Field(
        10.0, ge=0, description="longest time without a checkpoint; one is written at each epoch"
    )
    sharding: Literal["none", "fsdp"] = Field(
        "none",
        description="on several devices: none, each has the whole model; fsdp, each has its part "
        "of weights, gradients and moments, for models that one device can't hold",
    )
    workers: int = Field(2, ge=1, description="threads that read audio ahead of the training")
    text_units: Literal["pieces", "letters"] = Field(
        "pieces",
        description="pieces, as Whisper writes the languages that it knows; letters, each by "
        "itself, for a new language and clips under 10 s: texts take more tokens",
    )
    language_init: Literal["keep", "detect"] = Field(
        "keep",
        description="how the language token begins: keep, as it is; detect, as the sum of all "
        "languages' tokens weighted by what Whisper hears in the training clips",
    )
    max_steps: int | None = Field(None, ge=1, description="stop early, to try things out")
    lora_rank: int = Field(
        0, ge=0, le=512, description="train LoRA adapters of this rank in place of the weights; "
        "0 for none",
    )  # fmt: skip
    lora_alpha: float | None = Field(
        None, gt=0, description="adapters count alpha / rank times; twice the rank by default"
    )
    freeze_encoder: bool = Field(False, description="train the decoder alone")
    cache_encoder: bool = Field(
        False, description="compute the frozen encoder's states once a clip and keep them on disk"
    )
    gradient_checkpointing: bool = Field(
        False, description="compute activations anew in the backward pass in place of keeping them"
    )


_POLICIES: dict[str, dict[str, float]] = {
    "trim": {"jitter_s": 0.0, "packed_share": 0.0, "full_share": 0.0},
    "mix": {"jitter_s": 1.3, "packed_share": 0.2, "full_share": 0.02},
    "pack": {"jitter_s": 0.0, "packed_share": 1.0, "full_share": 0.0},
    "full": {"jitter_s": 0.0, "packed_share": 0.0, "full_share": 1.0},
}


class WindowConfig(_Section):
    """How much audio one encoder pass sees.

    The policy decides what the other settings are by default: `trim`, each clip alone in a window
    of its length; `mix`, that with jitter, a share of packed windows and a few full ones; `pack`,
    all clips in packed windows; `full`, each clip alone in 30 s, as elsewhere.
    """

    policy: Literal["trim", "mix", "pack", "full"] = "mix"
    margin_s: float = Field(0.3, ge=0, le=30, description="least silence after each clip")
    jitter_s: float = Field(
        1.3, ge=0, le=30, description="most extra silence, drawn per update; 0 except in mix"
    )
    packed_share: float = Field(
        0.2, ge=0, le=1, description="share of clips trained several to a 30 s window, with "
        "timestamps; 1 in pack, 0 in trim and full",
    )  # fmt: skip
    full_share: float = Field(
        0.02, ge=0, le=1, description="share of clips trained alone in a full 30 s window; 1 in "
        "full, 0 in trim and pack",
    )  # fmt: skip
    timed_share: float = Field(
        0.5, ge=0, le=1, description="share of packed and full windows taught with timestamps"
    )
    prompt_share: float = Field(
        0.5, ge=0, le=1, description="share of packed windows with the text before as a prompt"
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_by_policy(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {**_POLICIES.get(str(values.get("policy", "mix")), {}), **values}

    @model_validator(mode="after")
    def _check_shares(self) -> WindowConfig:
        if self.packed_share + self.full_share > 1.0:
            raise ValueError("packed_share and full_share are more than 1 together")
        return self


class AugmentConfig(_Section):
    """Speed perturbation (Ko et al., Interspeech 2015), noise, SpecAugment (arXiv 1904.08779)."""

    speed: float = Field(
        0.1, ge=0, le=0.3, description="each clip is played slower, as it is, or faster by this"
    )
    gain_db: float = Field(0.0, ge=0, le=40, description="each clip louder or softer by up to this")
    noise_share: float = Field(0.0, ge=0, le=1, description="share of clips with noise behind them")
    noise_snr_db: float = Field(10.0, description="least signal-to-noise ratio of such a clip")
    silence_share: float = Field(
        0.02, ge=0, le=1, description="windows of noise without speech beside the clips, so that "
        "the model writes nothing there",
    )  # fmt: skip
    spec_augment: bool = True
    time_masks: int = Field(2, ge=0)
    time_mask_share: float = Field(0.1, ge=0, lt=1, description="of the clip, per mask at most")
    frequency_masks: int = Field(2, ge=0)
    frequency_mask_bins: int = Field(27, ge=0, description="mel bins per mask at most")


class EvaluationConfig(_Section):
    """Free-running decoding and what is chosen by it."""

    metric: Literal["wer", "cer"] = Field("wer", description="chooses the best epoch (strict)")
    max_new_tokens: int | None = Field(None, ge=1, le=444, description="from the data by default")
    epochs_in: Literal["ctranslate2", "torch"] = Field(
        "ctranslate2", description="what decodes validation at each epoch; torch is the slower one"
    )
    batch_s: float = Field(60.0, gt=0, description="seconds of window decoded at once")
    beam_size: int = Field(
        DEFAULT_BEAM_SIZE, ge=1, le=50, description="of the measurement on test; epochs are greedy"
    )
    rescoring_beam_size: int = Field(
        10, ge=2, le=50, description="hypotheses that the CTC head, and a language model where one "
        "is fitted, choose from",
    )  # fmt: skip
    zero_shot_clips: int = Field(
        60, ge=0, description="test clips on which the base model is measured; 0 leaves it out"
    )
    review_clips: int = Field(
        200, ge=0, description="clips that are decoded at the end because their text may be wrong, "
        "a fifth of all at most; 0 leaves suspicious.csv out",
    )  # fmt: skip
    bootstrap: int = Field(1000, ge=100, description="resamples of the confidence interval")


class LanguageModelConfig(_Section):
    """Choosing among the beam's hypotheses with an n-gram model of the training text."""

    enabled: bool | None = Field(
        None,
        description="fit it and keep it if validation gains by it; by default where lm.text is set",
    )
    text: Path | None = Field(
        None, description="more text of the language for it: a UTF-8 file, one sentence a line"
    )

    @property
    def is_wanted(self) -> bool:
        """Whether to fit one: training text alone gains too little to do it unasked."""
        return self.text is not None if self.enabled is None else self.enabled


class ExportConfig(_Section):
    """The model that leaves the run."""

    format: str = "ctranslate2"
    quantization: Literal["float16", "int8", "float32", "int8_float16", "int8_float32"] = "float16"
    parity_clips: int = Field(60, ge=1, description="test clips that the parity gate decodes")
    parity_threshold: float = Field(
        0.02, ge=0, description="refuse an export whose WER is surely worse by more than this"
    )


_DECIDING_NOTHING: dict[str, Any] = {
    "data": True,
    "model": True,
    "output": True,
    "lm": True,
    "export": True,
    "dataset": {"license"},
    "training": {"sharding", "micro_batch_s", "workers", "checkpoint_minutes", "log_steps"},
    "evaluation": {"bootstrap", "review_clips", "rescoring_beam_size"},
}
"""Settings that change no weight, so a resumed run may have others."""


class RunConfig(_Section):
    """Everything that decides a run."""

    lang: str = Field(min_length=2, description="language code, as in `ruach langs list`")
    data: DataSources = DataSources.of(DEFAULT_DATA)
    model: str = "auto"
    output: Path | None = None
    seed: int = 42
    options: dict[str, str] = Field(default_factory=dict, description="the pack's own options")
    no_pack: bool = Field(False, description="train without a language pack")
    whisper_language: str | None = Field(
        None, description="Whisper's language token to use, by default the pack's or its own"
    )
    dataset: DataConfig = DataConfig()  # type: ignore[call-arg]
    training: TrainingConfig = TrainingConfig()  # type: ignore[call-arg]
    window: WindowConfig = WindowConfig()  # type: ignore[call-arg]
    augment: AugmentConfig = AugmentConfig()  # type: ignore[call-arg]
    evaluation: EvaluationConfig = EvaluationConfig()  # type: ignore[call-arg]
    lm: LanguageModelConfig = LanguageModelConfig()  # type: ignore[call-arg]
    export: ExportConfig = ExportConfig()  # type: ignore[call-arg]

    @field_validator("data", mode="before")
    @classmethod
    def _parse_data(cls, value: Any) -> Any:
        if isinstance(value, str | Path):
            return DataSources.parse([str(value)])
        if isinstance(value, list | tuple) and all(isinstance(v, str | Path) for v in value):
            return DataSources.parse(str(v) for v in value)
        if isinstance(value, DataSources):
            return value
        raise ValueError("a folder, or a list of them, each with a weight or without: ['a', 'b:2']")

    @field_serializer("data")
    def _write_data(self, data: DataSources) -> str | list[str]:
        texts = [str(source) for source in data.sources]
        return texts[0] if data.is_one else texts

    def digest(self) -> str:
        """Digest of what decides the trained weights; a resumed run must share it.

        Of the data only the sources' weights are in it: a corpus has a fingerprint of its own, and
        so has the base model, since a name may come to mean another one. How an update is cut into
        passes isn't in it: that changes only how much silence is behind a clip, and a run whose
        passes don't fit, or that goes on elsewhere, needs others.
        """
        data = self.model_dump(mode="json", exclude=_DECIDING_NOTHING)
        if any(weight != 1.0 for weight in self.data.weights):
            data["weights"] = list(self.data.weights)
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def read_config_file(path: Path) -> dict[str, Any]:
    """The settings of a TOML file.

    Raises:
        UserError: the file is missing or isn't TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; --config takes a TOML file of settings") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{path}: not a readable TOML file: {error}") from error


def build_config(file: dict[str, Any], flags: dict[str, Any]) -> RunConfig:
    """A RunConfig from a file's settings and flags; flags (dotted names) win.

    Raises:
        UserError: an unknown name or a value out of range; names the setting.
    """
    merged: dict[str, Any] = json.loads(json.dumps(file, default=str))
    for name, value in flags.items():
        if value is None:
            continue
        *parents, leaf = name.split(".")
        section = merged
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise UserError(f"settings: {parent} is a section of settings, not a value")
        section[leaf] = value
    try:
        return RunConfig.model_validate(merged)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']} (got {e['input']!r})"
            for e in error.errors()
        )
        raise UserError(f"settings: {problems}; ruach train --settings lists them all") from error


def setting_names() -> dict[str, str]:
    """Every dotted setting with a line of help: name -> description and default."""
    names: dict[str, str] = {}
    for name, info in RunConfig.model_fields.items():
        section = info.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            for leaf, leaf_info in section.model_fields.items():
                choices = [str(c) for c in get_args(leaf_info.annotation) if isinstance(c, str)]
                about = leaf_info.description or "|".join(choices)
                names[f"{name}.{leaf}"] = f"{about} [default: {leaf_info.default}]".strip()
    return names
