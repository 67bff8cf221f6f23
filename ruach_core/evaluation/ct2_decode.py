"""Decoding with a CTranslate2 export: short windows, batches of like lengths, no torch.

Whisper's decoder says when a text ends, but its encoder pays for silence: a 5 s clip in a 30 s
window costs six times its share. CTranslate2 accepts windows below 3,000 frames, so in the `trim`
policy a batch's window is its longest clip plus a margin. Only a model trained on such windows
decodes them well; `full` is Whisper's own 30 s.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ruach_core.data.waveforms import load_utterance
from ruach_core.errors import DataError, UserError
from ruach_core.evaluation.ctc import read_ctc_head
from ruach_core.evaluation.decoding_batches import DecodingBatch, plan_batches
from ruach_core.evaluation.device import usable_device
from ruach_core.evaluation.export_info import ExportInfo, Window, clamp_tokens
from ruach_core.evaluation.rescoring import Candidate, Rescorer, with_ctc
from ruach_core.evaluation.silence import is_silence
from ruach_core.features import (
    MAX_SAMPLES,
    MAX_WINDOW_S,
    FloatArray,
    log_mel,
    pad_waveform,
)
from ruach_core.models.memory import is_out_of_memory
from ruach_core.models.special_tokens import SpecialTokens, WhisperTokenizer
from ruach_core.types import SAMPLING_RATE, Hypothesis, Utterance

DEFAULT_BATCH_S = 60.0
_BATCHES_IN_FLIGHT = 2
"""Batches handed over at once: the next mels are computed while the model works."""


class Ct2Recognizer:
    """Whisper in CTranslate2, for clips of at most 30 s.

    The threads and the memory of the model are CTranslate2's own; nothing else is kept between
    calls, so one recognizer serves any number of lists.
    """

    def __init__(
        self,
        model_dir: Path,
        *,
        language: str,
        compute_type: str = "default",
        max_new_tokens: int | None = None,
        window_margin_s: float | None = None,
        hears_silence: bool | None = None,
        beam_size: int = 1,
        rescorer: Rescorer | None = None,
        threads: int = 0,
        device: str = "auto",
    ) -> None:
        """Load the model.

        Args:
            model_dir: an export's folder: model.bin, config.json, tokenizer.json.
            language: Whisper's own code of the prompt's language token.
            compute_type: `default` keeps the saved type, or int8, float16, int8_float16 ...
            max_new_tokens: the most tokens of text (1 to 444); by default the export's own.
            window_margin_s: silence behind the longest clip of a batch in the `trim` window; by
                default the export's own, else 1 s.
            hears_silence: whether `is_silence` asks for the probability of `<|nospeech|>` alone; by
                default what the export says.
            beam_size: 1 is greedy.
            rescorer: chooses among the beam's candidates; without one the beam's own first stays.
            threads: CPU threads; 0 leaves it to CTranslate2.
            device: `auto` takes a GPU where there is one, else `cpu` or `cuda`.

        Raises:
            UserError: the folder isn't an export, the compute type isn't supported on the device,
                or the tokenizer has no such language.
        """
        info = ExportInfo.read(model_dir)
        self.tokens = SpecialTokens.read(model_dir, language)
        self.tokenizer = WhisperTokenizer.read(model_dir)
        self._max_new_tokens = clamp_tokens(max_new_tokens or info.max_new_tokens)
        self._margin_s = info.window_margin_s if window_margin_s is None else window_margin_s
        self._hears_silence = info.hears_silence if hears_silence is None else hears_silence
        self.beam_size = beam_size
        self._rescorer = rescorer if self.beam_size > 1 else None
        # A list of candidates has the head's word; a rescorer needs it only where it counts.
        needs_head = self.beam_size > 1 and (rescorer is None or rescorer.ctc_weight > 0)
        self._head = read_ctc_head(model_dir) if needs_head else None
        self._model = _load_model(model_dir, compute_type, threads=threads, device=device)

    @property
    def device(self) -> str:
        """Where the model runs: "cpu" or "cuda"."""
        return str(self._model.device)

    @property
    def compute_type(self) -> str:
        """The type that CTranslate2 computes in, after `default` was resolved."""
        return str(self._model.compute_type)

    @property
    def rescoring(self) -> str:
        """How one of the beam's candidates is chosen, or empty where it is the beam's first."""
        return self._rescorer.describe() if self._rescorer else ""

    def decode(
        self,
        waveforms: Sequence[FloatArray],
        *,
        window: Window = "trim",
        batch_s: float = DEFAULT_BATCH_S,
        names: Sequence[str] | None = None,
        on_progress: Callable[[int], object] | None = None,
    ) -> list[str]:
        """The text of each waveform, in their order.

        Args:
            waveforms: mono float32 at 16 kHz, each of shape (n_samples,) and at most 30 s.
            window: `trim` or `full`.
            batch_s: most seconds of window decoded at once; bounds memory.
            names: what messages call the waveforms; by default "clip 1" and so on.
            on_progress: called with the number of clips just done.

        Raises:
            DataError: a clip is longer than 30 s; names it.
        """
        ids = self.decode_ids(
            waveforms, window=window, batch_s=batch_s, names=names, on_progress=on_progress
        )
        return [self.tokenizer.decode(row).strip() for row in ids]

    def decode_ids(
        self,
        waveforms: Sequence[FloatArray],
        *,
        window: Window = "trim",
        batch_s: float = DEFAULT_BATCH_S,
        names: Sequence[str] | None = None,
        on_progress: Callable[[int], object] | None = None,
    ) -> list[list[int]]:
        """The token ids of each waveform's text; arguments and errors as for `decode`."""
        found = self._search(
            [len(waveform) for waveform in waveforms],
            waveforms.__getitem__,
            name=lambda i: names[i] if names else f"clip {i + 1}",
            n_best=self.beam_size if self._rescorer else 1,
            window=window,
            batch_s=batch_s,
            on_progress=on_progress,
        )
        return [list(candidate.ids) for candidate in self._choose(found)]

    def decode_utterances(
        self,
        utterances: Sequence[Utterance],
        *,
        window: Window = "trim",
        batch_s: float = DEFAULT_BATCH_S,
        on_progress: Callable[[int], object] | None = None,
    ) -> list[Hypothesis]:
        """A hypothesis for each utterance, in their order; audio is read one batch at a time.

        Args:
            utterances: clips of at most 30 s, each with its `duration_s`.
            window: `trim` or `full`.
            batch_s: most seconds of window decoded at once.
            on_progress: called with the number of clips just done.

        Raises:
            DataError: a clip can't be read, or is longer than 30 s; names it.
        """
        n_best = self.beam_size if self._rescorer else 1
        found = self._search_utterances(
            utterances, n_best=n_best, window=window, batch_s=batch_s, on_progress=on_progress
        )
        return [
            Hypothesis(utterance.id, candidate.text)
            for utterance, candidate in zip(utterances, self._choose(found), strict=True)
        ]

    def decode_nbest(
        self,
        utterances: Sequence[Utterance],
        *,
        window: Window = "trim",
        batch_s: float = DEFAULT_BATCH_S,
        on_progress: Callable[[int], object] | None = None,
    ) -> list[list[Candidate]]:
        """All candidates of the beam for each utterance, in the beam's order, none rescored.

        The first is what `decode_utterances` gives without a rescorer; arguments and errors are
        those of `decode_utterances`.
        """
        return self._search_utterances(
            utterances,
            n_best=self.beam_size,
            window=window,
            batch_s=batch_s,
            on_progress=on_progress,
        )

    def plan(
        self, lengths: Sequence[int], *, window: Window, batch_s: float
    ) -> list[DecodingBatch]:
        """Batches for clips of these lengths (in samples), with the recognizer's own margin."""
        return plan_batches(lengths, window=window, margin_s=self._margin_s, batch_s=batch_s)

    def extract_features(self, waveforms: Sequence[FloatArray], n_samples: int) -> Any:
        """Log-mels of the waveforms in one window, as CTranslate2's `StorageView`."""
        import ctranslate2

        n_mels = self._model.n_mels
        mels = [log_mel(pad_waveform(wave, n_samples), n_mels=n_mels) for wave in waveforms]
        return ctranslate2.StorageView.from_array(np.stack(mels))

    def align(self, features: Any, ids: Sequence[list[int]], n_frames: Sequence[int]) -> Any:
        """CTranslate2's alignment of each clip's tokens with its frames, by cross-attention.

        Args:
            features: the clips' mels, from `extract_features`.
            ids: the tokens of each clip's text.
            n_frames: frames of each clip without its padding.
        """
        start = self.tokens.prompt[:-1]
        return self._model.align(features, start, [list(row) for row in ids], list(n_frames))

    def _choose(self, found: Sequence[Sequence[Candidate]]) -> list[Candidate]:
        chosen = self._rescorer.choose(found) if self._rescorer else [0] * len(found)
        return [candidates[index] for candidates, index in zip(found, chosen, strict=True)]

    def _search_utterances(
        self, utterances: Sequence[Utterance], **options: Any
    ) -> list[list[Candidate]]:
        def load(i: int) -> FloatArray:
            return load_utterance(utterances[i])

        return self._search(
            [round((u.duration_s or 0.0) * SAMPLING_RATE) or len(load(i))
             for i, u in enumerate(utterances)],
            load,
            name=lambda i: utterances[i].id,
            **options,
        )  # fmt: skip

    def _search(
        self,
        lengths: Sequence[int],
        load: Callable[[int], FloatArray],
        *,
        name: Callable[[int], str],
        n_best: int,
        window: Window,
        batch_s: float,
        on_progress: Callable[[int], object] | None,
    ) -> list[list[Candidate]]:
        for i, length in enumerate(lengths):
            if length > MAX_SAMPLES:
                raise DataError(
                    f"{name(i)}: {length / SAMPLING_RATE:.1f} s long, but one pass sees at most "
                    f"{MAX_WINDOW_S:.0f} s; use ruach transcribe for long audio"
                )
        while True:
            try:
                return self._search_all(lengths, load, n_best, window, batch_s, on_progress)
            except RuntimeError as error:
                if batch_s < 1.0 or not is_out_of_memory(error):
                    raise
            # The longest come first, so what is lost with this attempt is little.
            batch_s /= 2

    def _search_all(
        self,
        lengths: Sequence[int],
        load: Callable[[int], FloatArray],
        n_best: int,
        window: Window,
        batch_s: float,
        on_progress: Callable[[int], object] | None,
    ) -> list[list[Candidate]]:
        found: list[list[Candidate]] = [[] for _ in lengths]
        in_flight: deque[tuple[DecodingBatch, Any, Any, Any]] = deque()

        def collect() -> None:
            batch, _, states, results = in_flight.popleft()
            for row, (i, result) in enumerate(zip(batch.indices, results, strict=True)):
                found[i] = self._candidates(result.result())
                if self._head is not None and states is not None:
                    found[i] = with_ctc(found[i], self._head, states[row])
            if on_progress:
                on_progress(len(batch.indices))

        for batch in self.plan(lengths, window=window, batch_s=batch_s):
            features = self.extract_features([load(i) for i in batch.indices], batch.n_samples)
            states = None
            if self._head is not None and n_best > 1:
                states = np.asarray(self._model.encode(features, to_cpu=True))
                features = self._encoded(states, features)
            # The features stay referenced: the model may read them until its results are there.
            results = self._generate(features, len(batch.indices), n_best)
            in_flight.append((batch, features, states, results))
            if len(in_flight) >= _BATCHES_IN_FLIGHT:
                collect()
        while in_flight:
            collect()
        return found

    def _candidates(self, result: Any) -> list[Candidate]:
        """The beam's hypotheses; where nobody speaks, one without text."""
        candidates, silent = [], float(result.no_speech_prob)
        for ids, score in zip(result.sequences_ids, result.scores, strict=True):
            kept = tuple(t for t in ids if t < self.tokens.end)
            # CTranslate2 divides by the number of tokens, the end not counted (length_penalty 1).
            log_prob = score * len(ids) if ids else -math.inf
            text = self.tokenizer.decode(kept).strip()
            candidates.append(Candidate(kept, text, log_prob, no_speech_prob=silent))
        first = candidates[0]
        if is_silence(silent, first.log_prob, len(first.ids), hears_silence=self._hears_silence):
            return [Candidate((), "", 0.0, no_speech_prob=silent)]
        return candidates

    def _encoded(self, states: FloatArray, features: Any) -> Any:
        """The states for the decoder, in place of having them computed again.

        CTranslate2 tells states from mels by their shape, so as many states as there are mel
        bands would be taken for a mel: then it gets the mels.
        """
        import ctranslate2

        if states.shape[1] == self._model.n_mels:
            return features
        return ctranslate2.StorageView.from_array(states)

    def _generate(self, features: Any, n_clips: int, n_best: int) -> Any:
        return self._model.generate(
            features,
            [self.tokens.prompt] * n_clips,
            asynchronous=True,
            beam_size=self.beam_size,
            num_hypotheses=n_best,
            return_scores=True,
            return_no_speech_prob=True,
            max_length=ct2_max_length(self._max_new_tokens),
            suppress_tokens=[-1],
        )


def ct2_max_length(max_new_tokens: int) -> int:
    """The `max_length` that makes CTranslate2 generate up to `max_new_tokens` tokens.

    It generates at most min(max_length / 2, max_length - 3) tokens after a prompt of four
    (CTranslate2, src/models/whisper.cc), so its default of 448 cuts a text at 224 tokens.
    """
    return max(2 * max_new_tokens, max_new_tokens + 3)


def is_export(folder: Path) -> bool:
    """Whether a folder looks like a CTranslate2 export."""
    return (folder / "model.bin").is_file()


def _load_model(model_dir: Path, compute_type: str, *, threads: int, device: str) -> Any:
    import ctranslate2

    if not is_export(model_dir):
        raise UserError(
            f"{model_dir}: no model.bin there; MODEL is the folder of an export, such as "
            "models/whisper-am-ct2"
        )
    # A type that the device lacks is replaced with a warning on stderr; reports show what is used.
    log_level = ctranslate2.get_log_level()
    ctranslate2.set_log_level(logging.ERROR)
    try:
        model = ctranslate2.models.Whisper(
            str(model_dir),
            device=usable_device(device),
            compute_type=compute_type,
            intra_threads=threads,
        )
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{model_dir}: CTranslate2 can't load the model: {reason}") from error
    finally:
        ctranslate2.set_log_level(log_level)
    if not model.is_multilingual:
        raise UserError(f"{model_dir}: an English-only Whisper; Ruach needs a multilingual one")
    return model
