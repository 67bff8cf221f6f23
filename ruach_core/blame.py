"""Whose fault it is: what plugins return, wrapped so that a fault names the plugin.

A hook is called once, but the object that it returned runs for every utterance, long after pluggy
has gone. Each wrapper here has the interface of one protocol of `ruach_core.types`, checks what
the plugin's method returns, and turns an exception into a PluginError that names the plugin, its
distribution and version, and the method. Errors that the plugin raised on purpose (RuachError)
pass unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from ruach_core.errors import PluginError, RuachError
from ruach_core.types import (
    BaseModelSource,
    CorpusInfo,
    DatasetLoader,
    Exporter,
    Finding,
    Metric,
    MetricResult,
    Purpose,
    SetAside,
    Split,
    TextNormalizer,
    TextTokenizer,
    TokenizationCheck,
    Utterance,
)

_SHOWN_TEXT = 60
_SHOWN_EXCEPTION = 200
"""Most characters of a text and of an exception that a message quotes."""


@dataclass(frozen=True, slots=True)
class Blame:
    """A plugin and the hook or method that is being run."""

    plugin: str
    distribution: str
    hook: str

    def error(self, reason: str, *, utterance_id: str | None = None) -> PluginError:
        """A PluginError for this plugin and hook."""
        return PluginError(
            self.plugin, self.distribution, self.hook, reason, utterance_id=utterance_id
        )

    def wrong_type(self, what: object, wanted: str) -> PluginError:
        """The error for a value of the wrong type."""
        return self.error(f"returned {describe_type(what)}, not {wanted}")

    def of(self, method: str) -> Blame:
        """The blame for a method of what the hook returned: `ruach_normalizer.normalize`."""
        return Blame(self.plugin, self.distribution, f"{self.hook}.{method}")

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the plugin's function; its exceptions become PluginErrors.

        Raises:
            PluginError: the function raised anything but a RuachError.
        """
        try:
            return function(*args, **kwargs)
        except RuachError:
            raise
        # A plugin's code can raise anything, and whatever it is must name the plugin.
        except Exception as error:
            raise self.error(describe_exception(error)) from error


def describe_exception(error: BaseException) -> str:
    """An exception in one line: its type and its message's first line."""
    lines = str(error).strip().splitlines()
    message = lines[0] if lines else ""
    if len(message) > _SHOWN_EXCEPTION:
        message = message[: _SHOWN_EXCEPTION - 3] + "..."
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def describe_type(what: object) -> str:
    """The type of a value for a message: `None`, `the class X`, `an int`."""
    if what is None:
        return "None"
    if isinstance(what, type):
        return f"the class {what.__name__}, without making an instance of it"
    name = type(what).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def find_mismatch(what: object, methods: Sequence[str]) -> str | None:
    """Why an object doesn't have a `.name` and the methods, or None where it has."""
    if isinstance(what, type) or what is None:
        return describe_type(what)
    missing = [method for method in methods if not callable(getattr(what, method, None))]
    if missing:
        return f"{describe_type(what)} without a method {missing[0]}()"
    if not hasattr(what, "name"):
        return f"{describe_type(what)} without a name"
    name = what.name
    if not isinstance(name, str) or not name.strip():
        return f"{describe_type(what)} whose name is {name!r}, not a word"
    return None


class BlamedNormalizer:
    """A TextNormalizer; a fault shows the text at which it happened."""

    __slots__ = ("_blame", "_explain_blame", "_inner", "_normalize", "name")

    METHODS = ("normalize",)

    def __init__(self, inner: TextNormalizer, blame: Blame) -> None:
        self._inner = inner
        self._normalize = inner.normalize
        self._blame = blame.of("normalize")
        self._explain_blame = blame.of("explain")
        self.name = inner.name

    def normalize(self, text: str, *, purpose: Purpose) -> str:
        """The text in its `target` or `score` form.

        Raises:
            PluginError: the plugin's normaliser raised, or returned something else than text.
        """
        # This runs once or more for every utterance: no helper call on the good path.
        try:
            result = self._normalize(text, purpose=purpose)
        except RuachError:
            raise
        # A plugin's code can raise anything, and whatever it is must name the plugin.
        except Exception as error:
            reason = f"{describe_exception(error)} on {_shorten(text)}"
            raise self._blame.error(reason) from error
        if type(result) is not str:
            raise self._blame.wrong_type(result, f"a str, on {_shorten(text)}")
        return result

    def explain(self, text: str, *, purpose: Purpose) -> list[tuple[str, str]] | None:
        """The rules that changed the text, each with the text after it, in order.

        Returns:
            None where the plugin's normaliser has no method `explain`, which is optional.

        Raises:
            PluginError: `explain` raised, or returned something else than pairs of text.
        """
        explain = getattr(self._inner, "explain", None)
        if not callable(explain):
            return None
        blame = self._explain_blame
        steps = blame.call(lambda: list(explain(text, purpose=purpose)))
        for step in steps:
            is_pair = isinstance(step, tuple) and len(step) == 2
            if not is_pair or not all(isinstance(part, str) for part in step):
                raise blame.wrong_type(step, f"a rule's name and a text, on {_shorten(text)}")
        return list(steps)

    def rules(self, purpose: Purpose) -> tuple[object, ...]:
        """The rules of the purpose's chain, or none where the normaliser isn't a chain."""
        rules = getattr(self._inner, purpose, ())
        return rules if isinstance(rules, tuple) else ()


class BlamedCheck:
    """A TokenizationCheck."""

    METHODS = ("check",)

    def __init__(self, inner: TokenizationCheck, blame: Blame) -> None:
        self._inner = inner
        self._blame = blame.of("check")
        self.name = inner.name

    def check(self, utterances: Sequence[Utterance], tokenizer: TextTokenizer) -> list[Finding]:
        """The plugin's findings, all of them.

        Raises:
            PluginError: the check raised, or gave something else than Findings.
        """
        found = self._blame.call(lambda: list(self._inner.check(utterances, tokenizer)))
        for finding in found:
            if not isinstance(finding, Finding):
                raise self._blame.wrong_type(finding, "a Finding")
        return list(found)


def split_source(source: Path) -> tuple[str | None, Path]:
    """The loader that a source names and the source itself: `kaldi:DIR`, `hf:owner/corpus`.

    What exists under its whole name names no loader, nor does a drive letter.
    """
    name, colon, rest = str(source).partition(":")
    if not colon or not rest or len(name) < 2 or "/" in name or source.exists():
        return None, source
    return name, Path(rest)


class BlamedLoader:
    """A DatasetLoader; a fault names the last utterance that was read.

    A source may name the loader in front (see `split_source`); the loader itself sees the rest.
    """

    METHODS = ("detect", "splits", "info", "read")

    def __init__(self, inner: DatasetLoader, blame: Blame) -> None:
        self._inner = inner
        self._blame = blame
        self.name = inner.name
        self.distribution = blame.distribution

    def detect(self, source: Path) -> bool:
        """Whether the source has this layout."""
        return bool(self._blame.of("detect").call(self._inner.detect, source))

    def splits(self, source: Path) -> tuple[Split, ...]:
        """The splits that the source brings.

        Raises:
            PluginError: the loader raised, or named something else than a split.
        """
        blame = self._blame.of("splits")
        splits = blame.call(lambda: tuple(self._inner.splits(split_source(source)[1])))
        for split in splits:
            if split not in get_args(Split):
                raise blame.error(f"returned {split!r}, not one of {', '.join(get_args(Split))}")
        return tuple(splits)

    def info(self, source: Path) -> CorpusInfo:
        """What the corpus says of itself.

        Raises:
            PluginError: the loader raised, or gave something else.
        """
        blame = self._blame.of("info")
        info = blame.call(self._inner.info, split_source(source)[1])
        if not isinstance(info, CorpusInfo):
            raise blame.wrong_type(info, "a CorpusInfo")
        return info

    def read(self, source: Path, split: Split) -> Iterator[Utterance | SetAside]:
        """The split's utterances, lazily.

        Raises:
            PluginError: the loader raised, or gave something else than utterances.
            DataError: as the loader raised it.
        """
        blame = self._blame.of("read")
        last = "before the first utterance"
        try:
            for item in self._inner.read(split_source(source)[1], split):
                if not isinstance(item, Utterance | SetAside):
                    raise blame.wrong_type(item, f"an Utterance or SetAside, {last}")
                yield item
                identity = item.id if isinstance(item, Utterance) else item.utterance_id
                last = f"after utterance {identity!r} of {split}"
        except RuachError:
            raise
        # A plugin's code can raise anything, and whatever it is must name the plugin.
        except Exception as error:
            raise blame.error(f"{describe_exception(error)}, {last}") from error


class BlamedModelSource:
    """A BaseModelSource."""

    METHODS = ("resolve",)

    def __init__(self, inner: BaseModelSource, blame: Blame) -> None:
        self._inner = inner
        self._blame = blame.of("resolve")
        self.name = inner.name

    def resolve(self, model: str, *, progress: bool = True) -> Path | None:
        """The model's folder, or None where this source has no such model.

        Raises:
            PluginError: the source raised, or returned something else than a path.
            UserError: as the source raised it.
        """
        folder = self._blame.call(self._inner.resolve, model, progress=progress)
        if folder is not None and not isinstance(folder, Path):
            raise self._blame.wrong_type(folder, "a Path or None")
        return folder


class BlamedMetric:
    """A Metric."""

    METHODS = ("compute",)

    def __init__(self, inner: Metric, blame: Blame) -> None:
        self._inner = inner
        self._blame = blame.of("compute")
        self.name = inner.name

    def compute(self, references: Sequence[str], hypotheses: Sequence[str]) -> MetricResult:
        """The metric over the pairs.

        Raises:
            PluginError: the metric raised, or returned something else than a MetricResult.
        """
        result = self._blame.call(self._inner.compute, references, hypotheses)
        if not isinstance(result, MetricResult):
            raise self._blame.wrong_type(result, "a MetricResult")
        return result


class BlamedExporter:
    """An Exporter."""

    METHODS = ("export",)

    def __init__(self, inner: Exporter, blame: Blame) -> None:
        self._inner = inner
        self._blame = blame.of("export")
        self.name = inner.name

    def export(self, model_dir: Path, output_dir: Path, *, quantization: str) -> None:
        """Write the export into `output_dir`.

        Raises:
            PluginError: the exporter raised.
            UserError: as the exporter raised it.
        """
        self._blame.call(self._inner.export, model_dir, output_dir, quantization=quantization)


def find_duplicates(named: Iterable[tuple[str, Blame]]) -> tuple[str, Blame, Blame] | None:
    """The first name that two plugins, or one plugin twice, gave to what they returned."""
    seen: dict[str, Blame] = {}
    for name, blame in named:
        if name in seen:
            return name, seen[name], blame
        seen[name] = blame
    return None


def _shorten(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_TEXT else text[: _SHOWN_TEXT - 3] + "...")
