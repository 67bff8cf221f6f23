"""From settings to a plan: data, model, tokens and budgets, each with a readable line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruach_core.config import DEFAULT_DATA, RunConfig
from ruach_core.data.corpus import Corpus
from ruach_core.data.read import count_reasons, read_corpus
from ruach_core.data.waveforms import load_utterance
from ruach_core.errors import DataError
from ruach_core.features import FloatArray
from ruach_core.models.special_tokens import SpecialTokens, WhisperTokenizer
from ruach_core.models.windows import allow_short_windows
from ruach_core.sources import DataSources
from ruach_core.text.token_budget import (
    EncodedOnce,
    TokenBudget,
    refuse_long_labels,
    token_budget,
)
from ruach_core.training.collate import Collator
from ruach_core.training.drawing import epoch_sizes, expected_size
from ruach_core.training.language import (
    HEARD_CLIPS,
    RunLanguage,
    hear_languages,
    heard_line,
    known_language,
    language_by_ear,
)
from ruach_core.training.optimizer import default_epochs
from ruach_core.training.randomness import pick
from ruach_core.types import Finding, SetAside, TextNormalizer, TextTokenizer, Utterance

if TYPE_CHECKING:
    from ruach_core.plugins import Plugins
    from ruach_core.training.console import Console


@dataclass(frozen=True, slots=True)
class ChosenData:
    """Where the run's clips come from."""

    sources: DataSources
    is_sample: bool
    note: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """What training starts from.

    `train`, `validation` and `test` hold only clips whose text fits Whisper's decoder; `text_ids`
    are the token ids of each training reference, `set_aside` every clip that takes no part.
    `heard` has Whisper's own language probabilities where the run asked for them, else nothing.
    """

    corpus: Corpus
    train: tuple[Utterance, ...]
    validation: tuple[Utterance, ...]
    test: tuple[Utterance, ...]
    set_aside: tuple[SetAside, ...]
    text_ids: list[list[int]]
    budget: TokenBudget
    max_new_tokens: int
    tokenizer: WhisperTokenizer
    tokens: SpecialTokens
    language: RunLanguage
    heard: Mapping[str, float]
    normalizer: TextNormalizer

    def collator(
        self,
        config: RunConfig,
        *,
        n_mels: int,
        read: Callable[[Utterance], FloatArray] = load_utterance,
    ) -> Collator:
        """What makes the training clips' tensors; `read` gives an utterance's waveform."""
        return Collator(
            self.train,
            self.text_ids,
            self.tokens,
            n_mels=n_mels,
            augment=config.augment,
            seed=config.seed,
            read=read,
        )


@dataclass(frozen=True, slots=True)
class Examined:
    """What reading and checking a data source found; nothing is written to disk for it.

    `train`, `validation` and `test` hold only clips whose text fits Whisper's decoder, `set_aside`
    every clip that takes no part, `findings` what the plugins' checks say of the training texts.
    """

    corpus: Corpus
    train: tuple[Utterance, ...]
    validation: tuple[Utterance, ...]
    test: tuple[Utterance, ...]
    set_aside: tuple[SetAside, ...]
    budget: TokenBudget
    findings: tuple[Finding, ...]
    normalizer: TextNormalizer

    def complete(
        self,
        config: RunConfig,
        tokenizer: WhisperTokenizer,
        language: RunLanguage,
        heard: Mapping[str, float],
    ) -> Prepared:
        """What training starts from, once the language's token is known."""
        return Prepared(
            corpus=self.corpus,
            train=self.train,
            validation=self.validation,
            test=self.test,
            set_aside=self.set_aside,
            text_ids=[tokenizer.encode_text(u.reference or "") for u in self.train],
            budget=self.budget,
            max_new_tokens=config.evaluation.max_new_tokens or self.budget.generation_length,
            tokenizer=tokenizer,
            tokens=SpecialTokens.of(tokenizer, language.whisper_language),
            language=language,
            heard=heard,
            normalizer=self.normalizer,
        )


def choose_data(config: RunConfig, plugins: Plugins) -> ChosenData:
    """The dataset that was asked for, or the pack's bundled sample where none is in place.

    Raises:
        DataError: there is neither.
    """
    if config.data != DataSources.of(DEFAULT_DATA) or DEFAULT_DATA.exists():
        return ChosenData(config.data, False, f"Data: {config.data}")
    sample = plugins.sample
    if sample is None:
        raise DataError(
            f"{DEFAULT_DATA}: no dataset is in place, and the language pack brings no sample; give "
            "--data DIR with train/metadata.csv (file_name,transcription) and its audio"
        )
    note = (
        f"No dataset in {DEFAULT_DATA}: training on the SAMPLE bundled with {sample.distribution} "
        f"({sample.kind}), to try things out; the model will not understand real speech"
    )
    return ChosenData(DataSources.of(sample.folder), True, note)


def prepare(
    config: RunConfig, plugins: Plugins, sources: DataSources, model_dir: Path, console: Console
) -> Prepared:
    """Read and check the corpus; print what was found.

    Raises:
        DataError: nothing usable is left, or a check found an error.
    """
    by_letter = config.training.text_units == "letters"
    tokenizer = WhisperTokenizer.read(model_dir, by_letter=by_letter)
    found = examine(config, plugins, sources, tokenizer, console)
    for line in corpus_lines(
        found.train, found.validation, found.test, found.set_aside, found.corpus.notes
    ):
        console.line(line)
    for line in source_lines(found.corpus, found.train):
        console.line(line)
    for line in [*found.budget.lines(), *finding_lines(found.findings)]:
        console.line(line)
    refuse_errors(found.findings)
    language, heard = _choose_language(config, plugins, found.train, tokenizer, model_dir, console)
    return found.complete(config, tokenizer, language, heard)


def examine(
    config: RunConfig,
    plugins: Plugins,
    sources: DataSources,
    tokenizer: TextTokenizer,
    console: Console,
    *,
    runs_checks: bool = True,
) -> Examined:
    """Read the corpus, count its tokens, and run the plugins' checks on the training texts.

    Args:
        config: the settings.
        plugins: of the run.
        sources: the dataset, or several.
        tokenizer: the base model's.
        console: shows progress.
        runs_checks: whether the plugins' checks look at the texts; they need a real tokenizer.

    Raises:
        DataError: the source can't be read, or too little that is usable is left.
    """
    normalizer = plugins.normalizer(config.options)
    with console.stage(f"Reading {sources}"):
        corpus = _read(config, plugins, sources, normalizer, console)
    # Test texts choose nothing, so they aren't counted.
    seen = [*corpus.train, *corpus.validation]
    budget = token_budget(
        [u.reference or "" for u in seen], [u.duration_s or 0.0 for u in seen], tokenizer
    )
    train, train_refused = refuse_long_labels(corpus.train, tokenizer)
    validation, validation_refused = refuse_long_labels(corpus.validation, tokenizer)
    test, test_refused = refuse_long_labels(corpus.test, tokenizer)
    set_aside = (*corpus.set_aside, *train_refused, *validation_refused, *test_refused)
    if len(train) < 2 or not validation:
        raise DataError(
            f"{sources}: {len(train)} training and {len(validation)} validation clips are left "
            f"after {len(set_aside)} were set aside; more clips are needed"
        )
    n_epochs = config.training.epochs or default_epochs(expected_size(train))
    epoch_sizes(train, seed=config.seed, n_epochs=n_epochs)  # refuses an epoch without clips
    once = EncodedOnce(tokenizer)
    checks = plugins.tokenization_checks() if runs_checks else []
    return Examined(
        corpus=corpus,
        train=train,
        validation=validation,
        test=test,
        set_aside=set_aside,
        budget=budget,
        findings=tuple(finding for check in checks for finding in check.check(train, once)),
        normalizer=normalizer,
    )


def corpus_lines(
    train: Sequence[Utterance],
    validation: Sequence[Utterance],
    test: Sequence[Utterance],
    set_aside: Sequence[SetAside],
    notes: Sequence[str],
) -> list[str]:
    """Readable lines on the splits and on what was set aside."""
    lines = []
    for name, split in (("train", train), ("validation", validation), ("test", test)):
        speakers = {u.speaker_id for u in split if u.speaker_id}
        seconds = sum(u.duration_s or 0.0 for u in split)
        mean = seconds / len(split) if split else 0.0
        lines.append(
            f"{name:<11}{len(split):>7} clips  {seconds / 3600:7.2f} h  {mean:5.1f} s each  "
            f"{len(speakers) or 'unknown'} speakers"
        )
    if set_aside:
        listed = count_reasons(set_aside)
        first = set_aside[0]
        lines.append(f"set aside  {len(set_aside):>7} clips  {listed}")
        lines.append(f"           for example {first.utterance_id}: {first.detail}")
    return [*lines, *(f"note: {note}" for note in notes)]


def source_lines(corpus: Corpus, train: Sequence[Utterance]) -> list[str]:
    """What each of several sources gives to training; nothing where there is one without a weight.

    Args:
        corpus: of all sources.
        train: the clips that are trained on.
    """
    if len(corpus.parts) == 1 and corpus.parts[0].weight == 1.0:
        return []
    n_all = sum(u.weight for u in train)
    lines = []
    for part in corpus.parts:
        n_clips = sum(u.source == part.name for u in train)
        drawn = part.weight * n_clips
        lines.append(
            f"source     {part.name or corpus.source}: {n_clips} train clips, weight "
            f"{part.weight:g}: about {drawn:.0f} drawn an epoch, {drawn / n_all:.0%} of all"
        )
    return lines


def _choose_language(
    config: RunConfig,
    plugins: Plugins,
    train: Sequence[Utterance],
    tokenizer: WhisperTokenizer,
    model_dir: Path,
    console: Console,
) -> tuple[RunLanguage, dict[str, float]]:
    """The language token, and what Whisper hears in the clips if that was asked for or decides."""
    language = known_language(config, plugins)
    if language is not None and config.training.language_init == "keep":
        return language, {}
    clips = pick(train, HEARD_CLIPS, seed=config.seed)
    with console.stage(f"Asking Whisper what language it hears in {len(clips)} clips"):
        heard = hear_languages(_read_model(model_dir), clips, tokenizer)
    console.line(heard_line(heard))
    return language or language_by_ear(config.lang, heard), heard


def _read_model(model_dir: Path) -> Any:
    import torch
    from transformers import WhisperForConditionalGeneration

    return WhisperForConditionalGeneration.from_pretrained(
        model_dir, dtype=torch.float32, local_files_only=True, use_safetensors=True
    )


def read_weights(model_dir: Path) -> dict[str, Any]:
    """A base model's weights as tensors, by parameter name."""
    return {name: p.detach() for name, p in _read_model(model_dir).named_parameters()}


def load_model(model_dir: Path, tokens: SpecialTokens, text_ids: Sequence[Sequence[int]]) -> Any:
    """The base model, in float32, with short windows allowed and the language fixed.

    Tokens that the training text holds are taken off Whisper's list of suppressed ones, which has
    quotes, brackets and hyphens.
    """
    model = _read_model(model_dir)
    config = model.generation_config
    used = {i for ids in text_ids for i in ids}
    config.suppress_tokens = [i for i in config.suppress_tokens or [] if i not in used]
    config.language, config.task = tokens.whisper_language, "transcribe"
    config.forced_decoder_ids = None
    # Positions are sinusoids, fixed in every Whisper.
    model.get_encoder().embed_positions.requires_grad_(False)
    return allow_short_windows(model)


def finding_lines(findings: Sequence[Finding]) -> list[str]:
    """The checks' warnings, and those of their notes that ask something of the user."""
    lines = []
    for finding in findings:
        if finding.severity == "warning":
            lines.append(f"warning: {_describe(finding)}")
        # A note without a remedy asks nothing of the user, and ruach langs check shows it.
        elif finding.severity == "info" and finding.remedy:
            lines.append(f"note: {finding.check}: {finding.message}; {finding.remedy}")
    return lines


def refuse_errors(findings: Sequence[Finding]) -> None:
    """Stop where a check found an error.

    Raises:
        DataError: with the first one.
    """
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        more = f" (and {len(errors) - 1} more errors)" if len(errors) > 1 else ""
        raise DataError(_describe(errors[0]) + more)


def _describe(finding: Finding) -> str:
    line = f"{finding.check}: {finding.message}"
    line += f" (for example {finding.example})" if finding.example else ""
    return f"{line}; {finding.remedy}" if finding.remedy else line


def _read(
    config: RunConfig,
    plugins: Plugins,
    sources: DataSources,
    normalizer: TextNormalizer,
    console: Console,
) -> Corpus:
    bars: dict[str, Any] = {}

    def on_progress(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            context = console.progress(total, stage)
            bars[stage] = (context, context.__enter__())
        bars[stage][1].update(done - getattr(bars[stage][1], "n", 0))

    try:
        return read_corpus(
            sources,
            plugins,
            normalizer=normalizer,
            settings=config.dataset,
            seed=config.seed,
            on_progress=on_progress,
        )
    finally:
        for context, _ in reversed(bars.values()):
            context.__exit__(None, None, None)
