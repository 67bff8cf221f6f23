"""What an export writes where nobody speaks, and what guarding against it costs on speech.

Decodes clips without speech, made of the test split's own background, and clips of the split in one
run: by plain faster-whisper with its default rule, by plain faster-whisper with
`log_prob_threshold=None`, and by Ruach. All in 30 s windows, in int8 and with a beam of 5. Prints
the words written for silence and the clips of speech for which nothing is written.

    python benchmarks/silence.py models/whisper-am-ct2 --lang am [--data DIR] [--clips 30] [--json]
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from common.clips import find_source, read_clips
from common.stock import decode_stock
from faster_whisper import WhisperModel

from ruach_core.evaluation.ct2_decode import Ct2Recognizer
from ruach_core.evaluation.export_info import ExportInfo
from ruach_core.evaluation.silence import write_silent_clips
from ruach_core.types import Utterance

COMPUTE_TYPE, BEAM_SIZE = "int8", 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--lang")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--clips", type=int, default=30, help="of the test split")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    clips = read_clips(find_source(arguments.data, arguments.lang), arguments.clips)
    info = ExportInfo.read(arguments.model)
    language = info.whisper_language or clips.source.lang
    model = WhisperModel(str(arguments.model), device="cpu", compute_type=COMPUTE_TYPE)
    ours = Ct2Recognizer(
        arguments.model, language=language, compute_type=COMPUTE_TYPE, beam_size=BEAM_SIZE
    )

    def decode_ours(some: Sequence[Utterance]) -> list[str]:
        return [hypothesis.text for hypothesis in ours.decode_utterances(some, window="full")]

    stock = partial(decode_stock, model, language=language, beam_size=BEAM_SIZE)
    decoders = {
        "faster-whisper": stock,
        "faster-whisper, log_prob_threshold=None": partial(stock, log_prob_threshold=None),
        "Ruach": decode_ours,
    }
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        silent = write_silent_clips(clips.utterances, Path(temporary))
        for name, decode in decoders.items():
            written = [text.split() for text in decode(silent)]
            lost = [text for text in decode(clips.utterances) if not text.strip()]
            rows.append(
                {
                    "decoder": name,
                    "words": sum(map(len, written)),
                    "clips_with_words": sum(map(bool, written)),
                    "lost": len(lost),
                }
            )
    result = {"hears_silence": info.hears_silence, "n_silent": len(silent),
              "n_speech": len(clips.utterances), "rows": rows}  # fmt: skip
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{clips.describe()}; {len(silent)} without speech; hears_silence {info.hears_silence}")
    print(f"{'decoder':<42}{'words':>7}{'for clips':>11}{'speech lost':>13}")
    for row in rows:
        print(
            f"{row['decoder']:<42}{row['words']:>7}{row['clips_with_words']:>11}{row['lost']:>13}"
        )


if __name__ == "__main__":
    main()
