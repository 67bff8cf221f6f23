"""`LanguagePackContract`: what every language pack must hold, as a test class to subclass."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import ClassVar, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ruach_core.pack_check import check_pack
from ruach_core.packs import find_pack
from ruach_core.testing.contract_letters import LetterComparison
from ruach_core.testing.contract_pack import (
    DEFAULTS,
    build_backend,
    find_source,
    load_pack,
)
from ruach_core.testing.contract_speed import find_slowness
from ruach_core.testing.contract_texts import (
    all_letters,
    any_text,
    fixed_texts,
    hostile_units,
    letter_text,
    letters_with_signs,
    marked_word,
    options_strategy,
)
from ruach_core.testing.contract_wheel import build_wheel, check_wheel
from ruach_core.text.unicode import normalize_form
from ruach_core.types import Purpose, SetAside, Split, TextNormalizer

MIN_EXAMPLES = 20
"""Rows that a pack's `samples.tsv` must have."""

HEAVY_MODULES = (
    "torch", "transformers", "datasets", "accelerate", "ctranslate2", "faster_whisper", "jiwer",
    "numpy", "pydantic",
)  # fmt: skip
"""What importing a pack's hooks must not load, so that listing packs stays fast."""

_MIN_TEXTS = 150
"""Texts that each rule is tried on beside the fixed ones; a profile of hypothesis can raise it."""

_FEW_UNITS = 20
"""Long lines that each option is timed on; the default options are timed on all."""

_Check = Callable[[TextNormalizer, Mapping[str, str], str], None]
"""A rule, asserted on the normaliser under some options and a text."""


class LanguagePackContract:
    """Subclass it in a pack's tests and set `code`; pytest collects the rest.

    The pack must be installed (an editable install will do). Each rule of a normaliser is tried
    with the default options, with each value of each option that pack.toml declares, and with
    their combinations.
    """

    code: ClassVar[str]

    def test_pack_check_finds_no_fault(self) -> None:
        """`ruach langs check` passes: manifest, files, alphabet, every row of the samples."""
        results = list(check_pack(find_pack(self.code, allow_invalid=True)))
        assert [problem for result in results for problem in result.problems] == []

    def test_samples_cover_both_purposes(self) -> None:
        """There are enough rows, for `target` and for `score`, and some change their input."""
        examples = load_pack(self.code).examples
        assert len(examples) >= MIN_EXAMPLES
        assert {example.purpose for example in examples} == {"target", "score"}
        assert any(example.input != example.expected for example in examples)

    def test_every_sample_row_holds(self) -> None:
        """Each input of the samples becomes what its row expects."""
        pack = load_pack(self.code)
        wrong = []
        for example in pack.examples:
            normalizer = pack.normalizer(example.options)
            output = normalizer.normalize(example.input, purpose=example.purpose)
            if output != example.expected:
                wrong.append((example.row, example.purpose, output, example.expected))
        assert not wrong, "row, purpose, output, expected"

    def test_manifest_is_valid_in_the_wheel(self, tmp_path: Path) -> None:
        """The built wheel has the manifest and all that the pack needs: it passes the check."""
        record = find_pack(self.code)
        assert record.directory is not None
        tests = Path(inspect.getfile(type(self)))
        source = find_source(record.distribution, record.directory / "pack.toml", tests)
        if source is None:
            pytest.skip(f"no pyproject.toml of {record.distribution} near the pack or this test")
        if build_backend(source) != "hatchling.build":
            pytest.skip("the pack isn't built by hatchling")
        pytest.importorskip("hatchling", reason="hatchling isn't installed")
        wheel = build_wheel(source, tmp_path / "dist")
        assert check_wheel(wheel, self.code, tmp_path / "site") == []

    def test_importing_hooks_loads_nothing_heavy(self) -> None:
        """The hooks module imports heavy libraries inside functions, or not at all."""
        script = (
            f"import sys, {load_pack(self.code).record.module}\n"
            f"print(*(m for m in {HEAVY_MODULES!r} if m in sys.modules))"
        )
        result = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        assert result.stdout.split() == []

    def test_normalizer_is_total(self) -> None:
        """Any Unicode text in, lone surrogates included: text comes out that a file can hold."""
        pack = load_pack(self.code)

        def check(normalizer: TextNormalizer, _: object, text: str) -> None:
            for purpose in get_args(Purpose):
                normalizer.normalize(text, purpose=purpose).encode("utf-8")

        self._hold(check, fixed_texts(pack), any_text(pack))

    def test_normalizer_is_idempotent(self) -> None:
        """Normalising twice is as normalising once, for both purposes."""
        pack = load_pack(self.code)

        def check(normalizer: TextNormalizer, _: object, text: str) -> None:
            for purpose in get_args(Purpose):
                once = normalizer.normalize(text, purpose=purpose)
                twice = normalizer.normalize(once, purpose=purpose)
                assert twice == once, f"{purpose} of {text!r}"

        self._hold(check, fixed_texts(pack), any_text(pack))

    def test_output_is_in_the_declared_form(self) -> None:
        """Output is in the `unicode_form` of pack.toml."""
        pack = load_pack(self.code)
        form = pack.manifest.unicode_form

        def check(normalizer: TextNormalizer, _: object, text: str) -> None:
            for purpose in get_args(Purpose):
                output = normalizer.normalize(text, purpose=purpose)
                assert output == normalize_form(output, form), f"{purpose} of {text!r}"

        self._hold(check, fixed_texts(pack), any_text(pack))

    def test_output_is_one_trimmed_line(self) -> None:
        """One line out, with no white space at its ends."""
        pack = load_pack(self.code)

        def check(normalizer: TextNormalizer, _: object, text: str) -> None:
            for purpose in get_args(Purpose):
                output = normalizer.normalize(text, purpose=purpose)
                assert len(output.splitlines()) <= 1, f"{purpose} of {text!r}"
                assert output == output.strip(), f"{purpose} of {text!r}"

        self._hold(check, fixed_texts(pack), any_text(pack))

    def test_score_of_target_is_score(self) -> None:
        """`score(target(x)) == score(x)`: what the model is taught to write loses no point."""
        pack = load_pack(self.code)

        def check(normalizer: TextNormalizer, _: object, text: str) -> None:
            target = normalizer.normalize(text, purpose="target")
            score = normalizer.normalize(text, purpose="score")
            assert normalizer.normalize(target, purpose="score") == score, f"{text!r}"

        self._hold(check, fixed_texts(pack), any_text(pack))

    def test_marks_never_split_words(self) -> None:
        """A word of letters and combining marks comes out as one word, for both purposes."""
        pack = load_pack(self.code)

        def check(normalizer: TextNormalizer, _: object, word: str) -> None:
            for purpose in get_args(Purpose):
                output = normalizer.normalize(word, purpose=purpose)
                assert len(output.split()) == 1, f"{purpose} of {word!r} is {output!r}"

        self._hold(check, letters_with_signs(pack.manifest), marked_word(pack))

    def test_target_changes_no_letter_but_declared_repairs(self) -> None:
        """In words without digits, every letter comes through, but those in `[[repairs]]`."""
        pack = load_pack(self.code)
        strict = LetterComparison(pack.manifest)
        lenient = LetterComparison(pack.manifest, is_lenient=True)

        def check(normalizer: TextNormalizer, options: Mapping[str, str], text: str) -> None:
            output = normalizer.normalize(text, purpose="target")
            comparison = strict if pack.keeps_target(options) else lenient
            fault = comparison.find_fault(text, output)
            assert fault is None, f"target of {text!r} is {output!r}: {fault}; see [[repairs]]"

        self._hold(check, all_letters(), letter_text(pack))

    def test_time_is_linear(self) -> None:
        """A long line takes time in proportion to its length, whatever it is made of."""
        pack = load_pack(self.code)
        units = list(dict.fromkeys(hostile_units(pack)))
        # Most rules run under any option: a few units find one that is an option's own.
        few = units[:: max(1, len(units) // _FEW_UNITS)]
        for options in pack.option_sets:
            if options and pack.keeps_defaults(options):
                continue
            normalizer = pack.normalizer(options)
            for example in pack.examples:
                normalizer.normalize(example.input, purpose=example.purpose)
            slow = [find_slowness(normalizer, unit) for unit in (few if options else units)]
            assert [line for line in slow if line] == [], f"options {dict(options)}"

    def test_sample_can_be_read(self) -> None:
        """Every clip of the bundled sample is there, with a transcript that normalises to text."""
        pack = load_pack(self.code)
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

    def _hold(self, check: _Check, fixed: Iterable[str], fuzzed: st.SearchStrategy[str]) -> None:
        """Try a rule on the fixed texts, then on fuzzed ones, under every option."""
        pack = load_pack(self.code)
        for text in fixed:
            for options in pack.option_sets:
                check(pack.normalizer(options), options, text)
        profile = settings(
            max_examples=max(_MIN_TEXTS, settings().max_examples),
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        )

        @profile
        @given(
            text=fuzzed,
            one=st.sampled_from(pack.option_sets),
            several=options_strategy(pack.manifest),
        )
        def fuzz(text: str, one: Mapping[str, str], several: Mapping[str, str]) -> None:
            for options in (DEFAULTS, one, several):
                check(pack.normalizer(options), options, text)

        fuzz()
