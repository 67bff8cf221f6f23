"""Does choosing among the beam's candidates with a language model lower the WER?

Decodes a dataset's validation and test splits once with an export of a model that was trained on
its train split, fits the language model on the training references (and --text), tunes it on
validation and prints the strict WER and CER of both splits: the beam's own choice, the tuned one,
and the best candidates there were. Test decides nothing; the paired test compares the two choices
on it, kept or not. --lists keeps the decoded candidates for the next time.

    python benchmarks/rescoring.py models/whisper-mdw-ct2 --lang mdw --data DIR --lists DIR [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ruach_core.config import DataConfig
from ruach_core.data.read import read_corpus
from ruach_core.evaluation.ct2_decode import Ct2Recognizer
from ruach_core.evaluation.export_info import ExportInfo
from ruach_core.evaluation.metrics import EditCounts, compare_systems, count_edits, pool_counts
from ruach_core.evaluation.ngram import NgramModel
from ruach_core.evaluation.rescoring import Candidate, Rescorer, tune
from ruach_core.plugins import Plugins
from ruach_core.types import TextNormalizer, Utterance

Lists = list[list[Candidate]]


def decode(arguments: argparse.Namespace, name: str, clips: Sequence[Utterance]) -> Lists:
    """The candidates of a split, from --lists where they are there already."""
    kept = arguments.lists and arguments.lists / f"{name}-beam{arguments.beam_size}.json"
    if kept and kept.is_file():
        rows = json.loads(kept.read_text(encoding="utf-8"))
        return [[Candidate(tuple(i), text, p) for i, text, p in row] for row in rows]
    info = ExportInfo.read(arguments.model)
    recognizer = Ct2Recognizer(
        arguments.model,
        language=info.whisper_language or arguments.lang,
        compute_type=arguments.compute_type,
        beam_size=arguments.beam_size,
    )
    lists = recognizer.decode_nbest(clips, window=info.window)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        rows = [[[list(c.ids), c.text, c.log_prob] for c in row] for row in lists]
        kept.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return lists


def count(
    clips: Sequence[Utterance], lists: Lists, chosen: Sequence[int], normalizer: TextNormalizer
) -> dict[str, list[EditCounts]]:
    texts = [
        normalizer.normalize(row[index].text, purpose="target")
        for row, index in zip(lists, chosen, strict=True)
    ]
    references = [clip.reference or "" for clip in clips]
    return {
        "wer": count_edits(references, texts, unit="word"),
        "cer": count_edits(references, texts, unit="character"),
    }


def count_each(
    clip: Utterance, row: Sequence[Candidate], normalizer: TextNormalizer
) -> list[EditCounts]:
    texts = [normalizer.normalize(candidate.text, purpose="target") for candidate in row]
    return count_edits([clip.reference or ""] * len(row), texts, unit="word")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    plugins = Plugins.load(arguments.lang)
    normalizer = plugins.normalizer()
    corpus = read_corpus(
        arguments.data, plugins, normalizer=normalizer, settings=DataConfig(), seed=arguments.seed
    )
    sentences = [clip.reference or "" for clip in corpus.train]
    if arguments.text:
        held_out = {clip.reference for clip in (*corpus.validation, *corpus.test)}
        lines = arguments.text.read_text(encoding="utf-8").splitlines()
        added = [normalizer.normalize(line, purpose="target") for line in lines]
        sentences += [text for text in added if text and text not in held_out]
    began = time.perf_counter()
    model = NgramModel.fit(sentences)
    fit_s = time.perf_counter() - began
    splits = {"validation": corpus.validation, "test": corpus.test}
    lists = {name: decode(arguments, name, clips) for name, clips in splits.items()}
    tuning = tune(
        lists["validation"],
        [clip.reference or "" for clip in corpus.validation],
        model,
        hypotheses={
            c.text: normalizer.normalize(c.text, purpose="target")
            for row in lists["validation"]
            for c in row
        },
    )
    rescorer = Rescorer(0.0, tuning.weight, tuning.word_bonus, arguments.beam_size, model)
    results: dict[str, Any] = {
        "n_sentences": len(sentences),
        "n_bytes": len(rescorer.to_bytes()),
        "fit_s": fit_s,
        "beam_size": arguments.beam_size,
        "tuning": asdict(tuning),
        "rescoring": rescorer.describe(),
    }
    for name, clips in splits.items():
        errors = [
            [edits.errors for edits in count_each(clip, row, normalizer)]
            for clip, row in zip(clips, lists[name], strict=True)
        ]
        plain = count(clips, lists[name], [0] * len(clips), normalizer)
        chosen = count(clips, lists[name], rescorer.choose(lists[name]), normalizer)
        best = count(clips, lists[name], [row.index(min(row)) for row in errors], normalizer)
        results[name] = {
            "n_clips": len(clips),
            **{
                label: {unit: pool_counts(counts[unit]).rate for unit in counts}
                for label, counts in (("plain", plain), ("rescored", chosen), ("best", best))
            },
            "p_value": {unit: compare_systems(plain[unit], chosen[unit]).p_value for unit in plain},
        }
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--lang", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--text", type=Path, help="more text, one sentence a line")
    parser.add_argument("--beam-size", type=int, default=10)
    parser.add_argument("--compute-type", default="float32")
    parser.add_argument("--seed", type=int, default=42, help="of the run that trained the model")
    parser.add_argument("--lists", type=Path, help="folder to keep the candidates in")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = measure(arguments)
    if arguments.json:
        print(json.dumps(results))
        return
    tuning = results["tuning"]
    print(
        f"{results['n_sentences']} sentences, {results['n_bytes'] / 1000:.0f} kB, fitted in "
        f"{results['fit_s']:.2f} s; beam {results['beam_size']}"
    )
    print(
        f"{results['rescoring']}: validation WER {100 * tuning['plain_wer']:.1f} -> "
        f"{100 * tuning['validated_wer']:.1f} cross-validated, p = {tuning['p_value']:.2g}: "
        f"{'kept' if tuning['is_kept'] else 'not kept'}"
    )
    print(f"{'split':<12}{'beam':>14}{'rescored':>14}{'best there is':>16}   p (WER, CER)")
    for name in ("validation", "test"):
        row = results[name]
        cells = [
            f"{100 * row[label]['wer']:.1f} / {100 * row[label]['cer']:.1f}"
            for label in ("plain", "rescored", "best")
        ]
        print(
            f"{name:<12}{cells[0]:>14}{cells[1]:>14}{cells[2]:>16}   "
            f"{row['p_value']['wer']:.2f}, {row['p_value']['cer']:.2f}"
        )


if __name__ == "__main__":
    main()
