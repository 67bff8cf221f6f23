"""`train(config)`: the whole way, from settings to a finished model and its export."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ruach_core.config import RunConfig
from ruach_core.data.read import write_set_aside
from ruach_core.data.waveforms import WaveformStore
from ruach_core.files import write_text
from ruach_core.models.resolve import ResolvedModel, resolve_base_model
from ruach_core.models.special_tokens import SpecialTokens
from ruach_core.plugins import Plugins
from ruach_core.training.adapters import check_extras, choose_trained, merge_adapters
from ruach_core.training.averaging import candidate_lines, choose_weights
from ruach_core.training.checkpoint import (
    Progress,
    check_identity,
    digest_model,
    find_checkpoint,
    load_weights,
)
from ruach_core.training.collate import Collator
from ruach_core.training.console import Console
from ruach_core.training.ctc import add_head, has_head
from ruach_core.training.ctc_warm_up import warm_up_head
from ruach_core.training.device import choose_precision, default_micro_batch_s, require_train_extra
from ruach_core.training.drawing import expected_size
from ruach_core.training.encoder_cache import (
    CachedCollator,
    EncoderStates,
    mask_padding,
    without_changes,
)
from ruach_core.training.evaluating import Evaluator
from ruach_core.training.finish import RunResult, ZeroShot, finish
from ruach_core.training.hints import letters_hint
from ruach_core.training.language import blend_language_embedding
from ruach_core.training.loop import Loop, Plan
from ruach_core.training.measuring import Measurer
from ruach_core.training.memory import explained
from ruach_core.training.optimizer import (
    default_batch_size,
    default_epochs,
    default_learning_rate,
)
from ruach_core.training.outputs import Outputs
from ruach_core.training.preparation import (
    Prepared,
    choose_data,
    load_model,
    prepare,
    read_weights,
)
from ruach_core.training.randomness import pick
from ruach_core.training.ranks import Ranks, joined
from ruach_core.training.rescoring import check_language_model
from ruach_core.training.short_plan import short_plan
from ruach_core.training.xray import show_first_batch
from ruach_core.types import RunInfo

WITHOUT_PACK = (
    "No language pack: core's safe normaliser serves (Unicode form, invisible characters, white "
    "space; case and punctuation folded for scoring). A pack would add the alphabet that "
    "transcripts are checked against, the spelling variants that a fair WER forgives, numbers as "
    "words, and how apostrophes and punctuation are written; ruach langs new {lang} --from-data "
    "DIR makes one"
)


def train(
    config: RunConfig, console: Console, *, resume: bool = False, overwrite: bool = False
) -> RunResult | None:
    """Fine-tune, evaluate and export by the settings.

    Started several times with `RANK`, `WORLD_SIZE` and so on in the environment, as launchers do,
    it is one run: the first process does it all, and the others take their share of each update.

    Args:
        config: the settings.
        console: where the run speaks.
        resume: go on from the last checkpoint.
        overwrite: replace an earlier run's folders.

    Returns:
        What the run leaves; None in all processes but the first.

    Raises:
        RuachError: in one line, whatever the user can mend; nothing half-written stays.
    """
    require_train_extra()
    check_extras(config.training)
    config, switched_off = without_changes(config)
    with joined() as ranks, explained():
        if ranks.is_first:
            for line in switched_off:
                console.line(line)
            return _lead(config, console, ranks, resume=resume, overwrite=overwrite)
        _follow(config, ranks, resume=resume)
    return None


def _lead(
    config: RunConfig, console: Console, ranks: Ranks, *, resume: bool, overwrite: bool
) -> RunResult:
    """The whole run, in its only or first process."""
    plugins = Plugins.load(config.lang, use_pack=not config.no_pack)
    plugins.exporter(config.export.format)  # an unknown one is refused now, not after training
    plugins.check_options(config.options)
    check_language_model(config.lm)
    source = choose_data(config, plugins)
    # A folder without data is refused before a model is fetched for it.
    for one in source.sources.sources:
        plugins.find_dataset_loader(one.path)
    console.line(source.note)
    if config.no_pack:
        console.line(WITHOUT_PACK.format(lang=config.lang))
    base = resolve_base_model(config.model, plugins)
    console.line(f"Base model: {base.name} (from {base.source}{_because(base.reason)})")
    outputs = Outputs.of(config, is_sample=source.is_sample)
    outputs.check(resume=resume, overwrite=overwrite)  # before hours of audio are read
    prepared = prepare(config, plugins, source.sources, base.directory, console)
    outputs.claim(resume=resume, overwrite=overwrite)
    write_set_aside(outputs.work / "set_aside.csv", prepared.set_aside)
    model = _build_model(config, base, prepared.tokens, prepared.text_ids, ranks)
    console.line(f"Language token: {prepared.language.describe()}")
    if config.training.language_init == "detect":
        token = prepared.language.whisper_language
        blend_language_embedding(model, prepared.tokenizer, token, prepared.heard)

    evaluator = Evaluator(config, prepared, model, console)
    measurer = Measurer(evaluator, plugins, base.directory, outputs.work)
    identity = {
        "settings": config.digest(),
        "data": prepared.corpus.fingerprint,
        "base weights (--model)": digest_model(base.directory),
    }
    zero_shot = _measure_zero_shot(measurer, outputs, identity, resume=resume)
    for line in choose_trained(model, config.training, seed=config.seed):
        console.line(line)
    add_head(model, prepared.train, config.training, seed=config.seed)
    plan = _plan(config, prepared, outputs, identity, measurer, zero_shot)
    if has_head(model) and not (resume and find_checkpoint(outputs.checkpoints)):
        console.line(warm_up_head(model, plan, console))
    if ranks.count > 1:
        console.line(f"{ranks.count} processes, each with its share of an update's clips")
    ranks.tell(Start.of(plan, base, prepared))
    loop = Loop(model, plan, console, ranks)
    first, forward_s = show_first_batch(loop, plan, prepared, console)
    for line in short_plan(plan, prepared, model, first, forward_s):
        console.line(line)
    plugins.before_train(_run_info(config, base, outputs, prepared))
    loop.run(resume=resume)
    assert loop.best_dir is not None  # the first epoch always improves on nothing
    load_weights(loop.best_dir, model)
    merge_adapters(model)
    _choose_weights(measurer, plan, loop.progress)
    for line in epoch_table(loop.progress.history, loop.progress.best_epoch):
        console.line(line)
    console.line(
        f"{loop.progress.update} updates in {loop.progress.seconds / 60:.1f} minutes with their "
        f"evaluations; {loop.progress.waited_s:.1f} s of it waiting for data"
    )
    losses = loop.updater.clip_losses
    return finish(measurer, outputs, source, base, plan, loop.progress, zero_shot, losses)


@dataclass(frozen=True, slots=True)
class Start:
    """What the first process tells the others before the first update."""

    plan: Plan
    base: ResolvedModel
    tokens: SpecialTokens
    text_ids: list[list[int]]

    @classmethod
    def of(cls, plan: Plan, base: ResolvedModel, prepared: Prepared) -> Start:
        """Everything but what the first process keeps to itself: only it evaluates."""
        told = replace(plan, evaluate=_not_here, checkpoint_dir=plan.checkpoint_dir.absolute())
        return cls(told, base, prepared.tokens, prepared.text_ids)


def _not_here(_: object) -> dict[str, float]:
    raise AssertionError("only the first process evaluates")


def _follow(config: RunConfig, ranks: Ranks, *, resume: bool) -> None:
    """The updates alone, by what the first process found and decided."""
    start: Start = ranks.hear()
    base = start.base
    if not base.directory.is_dir():  # another machine, with a cache of its own
        plugins = Plugins.load(config.lang, use_pack=not config.no_pack)
        base = resolve_base_model(base.name, plugins, progress=False)
    model = _build_model(config, base, start.tokens, start.text_ids, ranks)
    choose_trained(model, config.training, seed=config.seed)
    add_head(model, start.plan.train, config.training, seed=config.seed)
    if config.training.cache_encoder:
        mask_padding(model)
    Loop(model, start.plan, Console(is_quiet=True), ranks).run(resume=resume)


def _build_model(
    config: RunConfig,
    base: ResolvedModel,
    tokens: SpecialTokens,
    text_ids: Sequence[Sequence[int]],
    ranks: Ranks,
) -> Any:
    """The model to train, the same in every process; dropout differs between them.

    It is on the device from the start, in all of them: the first one decodes with it before it is
    trained, and what is drawn for adapters on a device isn't what is drawn elsewhere.
    """
    from accelerate import PartialState

    _seed(config.seed + ranks.number)
    return load_model(base.directory, tokens, text_ids).to(PartialState().device)


def _seed(seed: int) -> None:
    """Seed torch, for dropout in models that have any; the rest is drawn by key."""
    import torch

    torch.manual_seed(seed)


def _because(reason: str) -> str:
    return f"; {reason}" if reason else ""


def _measure_zero_shot(
    measurer: Measurer, outputs: Outputs, identity: dict[str, str], *, resume: bool
) -> ZeroShot:
    """Decode with the base model before it changes; a resumed run reads what was found then."""
    if resume and outputs.zero_shot.is_file():
        saved = json.loads(outputs.zero_shot.read_text(encoding="utf-8"))
        if any(outputs.checkpoints.iterdir()):
            check_identity(outputs.work, saved["identity"], identity)
        if saved["identity"] == identity:
            return ZeroShot(saved["deciding_wer"], saved["texts"], saved["beam_size"])
    evaluator = measurer.evaluator
    config, console = evaluator.config, evaluator.console
    texts: dict[str, str] = {}
    beam_size = config.evaluation.beam_size
    with console.stage("Measuring the base model as it is (zero-shot, 30 s window)"):
        deciding_wer = evaluator.zero_shot_wer()
        clips = pick(evaluator.prepared.test, config.evaluation.zero_shot_clips, seed=config.seed)
        if clips:
            decoded = measurer.decode(clips, "full", title="zero-shot test")
            texts = {h.utterance_id: h.text for h in decoded.hypotheses}
            beam_size = decoded.beam_size
    zero_shot = ZeroShot(deciding_wer, texts, beam_size)
    saved = {"identity": identity, **asdict(zero_shot)}
    write_text(outputs.zero_shot, json.dumps(saved, ensure_ascii=False))
    return zero_shot


def _build_collator(
    config: RunConfig, prepared: Prepared, outputs: Outputs, evaluator: Evaluator, key: str
) -> Collator:
    """Keeps the training clips for the epochs to come: decoded, or encoded where that's asked."""
    model, console, clips = evaluator.model, evaluator.console, prepared.train
    n_mels = model.config.num_mel_bins
    if config.training.cache_encoder:
        mask_padding(model)
        precision, _ = choose_precision(config.training.precision)
        with console.progress(len(clips), "encode audio") as bar:
            states = EncoderStates.build(
                outputs.work / "encoder.float16",
                clips,
                model,
                config.window,
                key=key,
                precision=precision,
                on_progress=bar.update,
            )
        return CachedCollator(
            clips, prepared.text_ids, prepared.tokens, n_mels=n_mels, states=states
        )
    with console.progress(len(clips), "decode audio") as bar:
        store = WaveformStore.build(
            outputs.work / "audio.int16",
            clips,
            fingerprint=prepared.corpus.fingerprint,
            on_progress=bar.update,
        )
    return prepared.collator(config, n_mels=n_mels, read=store.read)


def _plan(
    config: RunConfig,
    prepared: Prepared,
    outputs: Outputs,
    identity: dict[str, str],
    measurer: Measurer,
    zero_shot: ZeroShot,
) -> Plan:
    """Fill in what the settings left to Ruach, and say what was chosen and why."""
    model, console = measurer.evaluator.model, measurer.evaluator.console
    rate, why_rate = config.training.learning_rate, "as set"
    if rate is None:
        rate, why_rate = default_learning_rate(
            model.config.d_model, zero_shot.deciding_wer, lora=config.training.lora_rank > 0
        )
    precision, why_precision = choose_precision(config.training.precision)
    n_drawn = expected_size(prepared.train)
    batch_size = config.training.batch_size or default_batch_size(n_drawn)
    console.line(f"Learning rate {rate:g}: {why_rate}")
    epochs = config.training.epochs or default_epochs(n_drawn)
    console.line(f"Precision {precision}: {why_precision}")
    console.line(f"{epochs} epochs at most, {batch_size} clips per update")
    hint = letters_hint(
        config.training,
        zero_shot_wer=zero_shot.deciding_wer,
        budget=prepared.budget,
        durations_s=[u.duration_s or 0.0 for u in prepared.train],
    )
    if hint:
        console.line(hint)
    return Plan(
        config=config,
        train=prepared.train,
        collator=_build_collator(config, prepared, outputs, measurer.evaluator, str(identity)),
        learning_rate=rate,
        batch_size=batch_size,
        micro_batch_s=config.training.micro_batch_s
        or default_micro_batch_s(
            model, config.training, precision, prepared.budget.fast_tokens_per_second
        ),
        precision=precision,
        checkpoint_dir=outputs.checkpoints,
        identity=identity,
        evaluate=measurer.epoch_figures,
    )


def _run_info(
    config: RunConfig, base: ResolvedModel, outputs: Outputs, prepared: Prepared
) -> RunInfo:
    return RunInfo(
        lang=config.lang,
        base_model=base.name,
        output_dir=outputs.model,
        n_train=len(prepared.train),
        n_validation=len(prepared.validation),
        n_test=len(prepared.test),
        train_hours=sum(u.duration_s or 0.0 for u in prepared.train) / 3600,
        settings=config.model_dump(mode="json"),
    )


def _choose_weights(measurer: Measurer, plan: Plan, progress: Progress) -> None:
    """Give the model the mean of its last epochs, where validation gains by it."""
    progress.weights = f"epoch {progress.best_epoch}"
    if plan.config.training.average < 2:
        return
    console = measurer.evaluator.console
    base = read_weights(measurer.base_dir)
    with console.stage("Averaging the last epochs' weights"):
        candidates = choose_weights(
            measurer.evaluator.model, plan.checkpoint_dir, progress.best_epoch, base,
            measurer.validation_rates,
        )  # fmt: skip
        for line in candidate_lines(candidates):
            console.line(line)
    progress.weights = str(candidates[0])


def epoch_table(history: Sequence[Mapping[str, Any]], best_epoch: int) -> list[str]:
    """Epoch, losses and error rates on the validation split, the best epoch marked."""
    lines = [f"{'epoch':>5}{'train loss':>12}{'eval loss':>11}{'WER':>9}{'CER':>9}"]
    for figures in history:
        if "eval_wer" not in figures:
            continue
        epoch = int(figures["epoch"])
        mark = "  <- best" if epoch == best_epoch else ""
        loss = figures["eval_loss"]  # None where it wasn't finite
        eval_loss = "-" if loss is None else f"{loss:.4f}"
        lines.append(
            f"{epoch:>5}{figures['train_loss']:>12.4f}{eval_loss:>11}"
            f"{100 * figures['eval_wer']:>7.1f} %{100 * figures['eval_cer']:>7.1f} %{mark}"
        )
    return lines
