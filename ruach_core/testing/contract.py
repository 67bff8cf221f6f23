"""`LanguagePackContract`: what every language pack must hold, as a test class to subclass."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ruach_core.manifest import NormalizationExample, PackManifest, read_examples
from ruach_core.pack_check import check_pack
from ruach_core.packs import find_pack
from ruach_core.plugins import Plugins
from ruach_core.text.unicode import normalize_form
from ruach_core.types import SetAside, Split, TextNormalizer

MIN_EXAMPLES = 20
"""Rows that a pack's `samples.tsv` must have."""

HEAVY_MODULES = (
    "torch", "transformers", "datasets", "accelerate", "ctranslate2", "faster_whisper", "jiwer",
    "numpy", "pydantic",
)  # fmt: skip
"""What importing a pack's hooks must not load, so that listing packs stays fast."""

# Characters that have broken normalisers: white space and invisible characters, quotes and
# apostrophes, digits with their separators, marks that reorder or compose, case pairs that change
# length, lone surrogates.
_TRICKY = (
    " \t\n\r\x0b\x85\xa0\u2028\u3000\u200b\u200c\u200d\u200e\u2060\ufeff\xad\x00\x97"
    "'\"’‘ʼ“”«»‹›<>`´.,:;?!…-–—/\\()[]{}_%&+=÷*#@|~^$€"
    "0123456789٣३፩፻½²aAzZéÉßẞİıŉǰσςﬁKÅ"
    "\u0301\u0300\u0323\u0327\u0345\u0338\u034f\u135f\u05b8\u094d\u20dd\ufe0f"
    "፡።፣፤፥፦፧፠፨\ud800\udbff\udc00\udfff\ufffd\U0001f44d\U0001f3fd\U00011000"
)

_fuzzed = settings(
    max_examples=300,
    deadline=None,
    # The class is made to be subclassed: each subclass runs the same test on another pack.
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)


@dataclass(frozen=True)
class _InstalledPack:
    directory: Path
    module: str
    plugins: Plugins
    manifest: PackManifest
    examples: tuple[NormalizationExample, ...]

    def normalizer(self, options: Mapping[str, str] = MappingProxyType({})) -> TextNormalizer:
        """The pack's normaliser; built once for each set of options."""
        return _build_normalizer(self.plugins, tuple(sorted(options.items())))


@cache
def _load_pack(code: str) -> _InstalledPack:
    record = find_pack(code)
    plugins = Plugins.load(code)
    assert record.directory is not None
    assert plugins.manifest is not None
    examples = read_examples(record.directory / plugins.manifest.samples)
    return _InstalledPack(
        record.directory, record.module, plugins, plugins.manifest, tuple(examples)
    )


@cache
def _build_normalizer(plugins: Plugins, options: tuple[tuple[str, str], ...]) -> TextNormalizer:
    return plugins.normalizer(dict(options))


class LanguagePackContract:
    """Subclass it in a pack's tests and set `code`; pytest collects the rest.

    The pack must be installed (an editable install will do).
    """

    code: ClassVar[str]

    def test_pack_check_finds_no_fault(self) -> None:
        """`ruach langs check` passes: manifest, files, alphabet, every row of the samples."""
        results = list(check_pack(find_pack(self.code, allow_invalid=True)))
        assert [problem for result in results for problem in result.problems] == []

    def test_samples_cover_both_purposes(self) -> None:
        """There are enough rows, for `target` and for `score`, and some change their input."""
        examples = _load_pack(self.code).examples
        assert len(examples) >= MIN_EXAMPLES
        assert {example.purpose for example in examples} == {"target", "score"}
        assert any(example.input != example.expected for example in examples)

    def test_importing_hooks_loads_nothing_heavy(self) -> None:
        """The hooks module imports heavy libraries inside functions, or not at all."""
        script = (
            f"import sys, {_load_pack(self.code).module}\n"
            f"print(*(m for m in {HEAVY_MODULES!r} if m in sys.modules))"
        )
        result = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        assert result.stdout.split() == []

    @given(data=st.data())
    @_fuzzed
    def test_normalizer_holds_on_any_text(self, data: st.DataObject) -> None:
        """Total, idempotent, in the declared form, one trimmed line, `score` blind to `target`."""
        pack = _load_pack(self.code)
        normalizer = pack.normalizer(data.draw(_options(pack.manifest), label="options"))
        text = data.draw(_texts(pack), label="text")
        _check_invariants(pack, normalizer, text)

    def test_normalizer_holds_around_every_character(self) -> None:
        """The same for each letter, sample and troublesome character, between and beside words."""
        pack = _load_pack(self.code)
        first, last = pack.manifest.letters[0], pack.manifest.letters[-1]
        for char in dict.fromkeys((*pack.manifest.letters, *_sample_characters(pack), *_TRICKY)):
            text = f"{char}{first} {last}{char}{first} {char} {char}{char} 1{char}2 {first}{char}"
            _check_invariants(pack, pack.normalizer(), text)

    @given(data=st.data())
    @_fuzzed
    def test_letters_and_marks_stay_one_word(self, data: st.DataObject) -> None:
        """A word of letters and combining marks comes out as one word, for both purposes."""
        pack = _load_pack(self.code)
        letters = st.sampled_from(pack.manifest.letters)
        parts = st.one_of(letters, st.characters(categories=["Mn", "Mc"]))
        first = data.draw(letters, label="first letter")
        rest = data.draw(st.lists(parts, max_size=12), label="the rest")
        word = first + "".join(rest)
        normalizer = pack.normalizer()
        assert len(normalizer.normalize(word, purpose="target").split()) == 1
        assert len(normalizer.normalize(word, purpose="score").split()) == 1

    def test_sample_can_be_read(self) -> None:
        """Every clip of the bundled sample is there, with a transcript that normalises to text."""
        pack = _load_pack(self.code)
        if pack.manifest.sample is None:
            pytest.skip("the pack brings no sample")
        source = pack.directory / pack.manifest.sample.path
        loader = pack.plugins.find_dataset_loader(source)
        splits: tuple[Split, ...] = ("train", "test")
        for split in splits:
            clips = list(loader.read(source, split))
            assert clips, f"the sample has no {split} split"
            for clip in clips:
                assert not isinstance(clip, SetAside), f"{clip.row}: {clip.reason}: {clip.detail}"
                assert clip.audio.is_file()
                assert pack.normalizer().normalize(clip.transcript, purpose="score")


def _check_invariants(pack: _InstalledPack, normalizer: TextNormalizer, text: str) -> None:
    target = normalizer.normalize(text, purpose="target")
    score = normalizer.normalize(text, purpose="score")
    for output in (target, score):
        assert len(output.splitlines()) <= 1
        assert output == output.strip()
        assert normalize_form(output, pack.manifest.unicode_form) == output
        output.encode("utf-8")
    assert normalizer.normalize(target, purpose="target") == target
    assert normalizer.normalize(score, purpose="score") == score
    assert normalizer.normalize(target, purpose="score") == score


def _sample_characters(pack: _InstalledPack) -> list[str]:
    return sorted({" "}.union(*(example.input for example in pack.examples)))


def _options(manifest: PackManifest) -> st.SearchStrategy[dict[str, str]]:
    choices = {name: st.sampled_from(option.values) for name, option in manifest.options.items()}
    return st.fixed_dictionaries({}, optional=choices)


def _texts(pack: _InstalledPack) -> st.SearchStrategy[str]:
    inputs = [example.input for example in pack.examples]
    characters = st.one_of(
        st.sampled_from(pack.manifest.letters),
        st.sampled_from(_sample_characters(pack)),
        st.sampled_from(sorted(_TRICKY)),
        st.characters(),
    )
    joined = st.lists(characters, min_size=4, max_size=40).map("".join)
    # Real rows cut and pasted reach rules that single characters seldom spell out.
    pieces = st.lists(st.one_of(st.sampled_from(inputs), joined), min_size=2, max_size=4)
    return st.one_of(joined, pieces.map("".join), st.text(max_size=40))
