"""Does plain faster-whisper, without any Ruach code, read an export as well as Ruach does?

Decodes a dataset's test split twice in one run, with the same export, compute type and beam: by
`faster_whisper.WhisperModel` (30 s windows, as everyone uses it) and by Ruach (trimmed ones), and
prints both strict WERs, their difference in points and the clips per second.

    python benchmarks/stock_faster_whisper.py models/whisper-mdw-ct2 --lang mdw --data DIR [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import jiwer
from common.stock import decode_stock
from faster_whisper import WhisperModel

from ruach_core.config import DataConfig
from ruach_core.data.read import read_corpus
from ruach_core.evaluation.ct2_decode import Ct2Recognizer
from ruach_core.evaluation.export_info import ExportInfo
from ruach_core.plugins import Plugins


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--lang", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--compute-type", default="int8")
    parser.add_argument("--beam-size", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    plugins = Plugins.load(arguments.lang)
    normalizer = plugins.normalizer()
    corpus = read_corpus(
        arguments.data, plugins, normalizer=normalizer, settings=DataConfig(), seed=0,
        splits=["test"],
    )  # fmt: skip
    clips = list(corpus.test)
    language = ExportInfo.read(arguments.model).whisper_language or arguments.lang
    recognizer = Ct2Recognizer(
        arguments.model, language=language, compute_type=arguments.compute_type,
        beam_size=arguments.beam_size,
    )  # fmt: skip
    results: dict[str, float] = {}
    references = [clip.reference or "" for clip in clips]
    for name in ("stock", "ruach"):
        began = time.perf_counter()
        if name == "stock":
            model = WhisperModel(
                str(arguments.model), device="cpu", compute_type=arguments.compute_type
            )
            texts = decode_stock(model, clips, language=language, beam_size=arguments.beam_size)
        else:
            texts = [h.text for h in recognizer.decode_utterances(clips, window="trim")]
        results[f"{name}_clips_per_second"] = len(clips) / (time.perf_counter() - began)
        written = [normalizer.normalize(text, purpose="target") for text in texts]
        results[f"{name}_wer"] = jiwer.wer(references, written)
    results["difference"] = results["stock_wer"] - results["ruach_wer"]
    results["ratio"] = results["ruach_clips_per_second"] / results["stock_clips_per_second"]
    if arguments.json:
        print(json.dumps({"n_clips": len(clips), **results}))
        return
    print(f"{len(clips)} test clips, {arguments.compute_type}, beam {arguments.beam_size}")
    for name, window in (("stock", "faster-whisper, 30 s"), ("ruach", "Ruach, trimmed")):
        wer, speed = results[f"{name}_wer"], results[f"{name}_clips_per_second"]
        print(f"{window:<22} WER {100 * wer:5.1f} %   {speed:5.2f} clips a second")
    points, ratio = 100 * results["difference"], results["ratio"]
    print(f"difference {points:+.1f} points, speed ratio {ratio:.1f}")


if __name__ == "__main__":
    main()
