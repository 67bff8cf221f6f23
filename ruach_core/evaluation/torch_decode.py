"""Free-running greedy decoding of a model in memory, in trimmed or full windows.

transformers' own `generate` pads short mels with zeros, which isn't silence; here the waveform is
padded, as in training and as CTranslate2 sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ruach_core.data.waveforms import load_utterance
from ruach_core.evaluation.decoding_batches import plan_batches
from ruach_core.evaluation.export_info import Window
from ruach_core.evaluation.silence import is_silence
from ruach_core.features import MAX_WINDOW_S, log_mel, pad_waveform
from ruach_core.models.memory import is_out_of_memory, release_memory
from ruach_core.models.special_tokens import SpecialTokens, WhisperTokenizer
from ruach_core.types import SAMPLING_RATE, Hypothesis, Utterance

if TYPE_CHECKING:
    import torch


class TorchRecognizer:
    """Greedy decoding with a `WhisperForConditionalGeneration` that allows short windows."""

    def __init__(
        self,
        model: Any,
        tokenizer: WhisperTokenizer,
        tokens: SpecialTokens,
        *,
        max_new_tokens: int,
        window_margin_s: float,
        batch_s: float = 60.0,
    ) -> None:
        """Suppressed tokens are read from the model's generation config."""
        self._model = model
        self._tokenizer = tokenizer
        self._tokens = tokens
        self._max_new_tokens = max_new_tokens
        self._margin_s = window_margin_s
        self._batch_s = batch_s

    def decode(
        self,
        utterances: Sequence[Utterance],
        *,
        window: Window = "trim",
        on_progress: Callable[[int], object] | None = None,
    ) -> list[Hypothesis]:
        """A hypothesis for each utterance, in their order.

        Args:
            utterances: clips of at most 30 s, each with its `duration_s`.
            window: `trim` pads to the batch's longest clip and a margin, `full` to 30 s.
            on_progress: called with the number of clips just done.
        """
        import torch

        was_training = self._model.training
        self._model.eval()
        texts: dict[int, str] = {}
        with torch.inference_mode():
            while len(texts) < len(utterances):
                left = [i for i in range(len(utterances)) if i not in texts]
                self._decode_some(utterances, left, texts, window, on_progress)
        self._model.train(was_training)
        return [Hypothesis(u.id, texts[i]) for i, u in enumerate(utterances)]

    def _decode_some(
        self,
        utterances: Sequence[Utterance],
        left: Sequence[int],
        texts: dict[int, str],
        window: Window,
        on_progress: Callable[[int], object] | None,
    ) -> None:
        """Fill `texts` for the clips that are left; where memory runs out, halve and come back."""
        for batch in plan_batches(
            [round((utterances[i].duration_s or MAX_WINDOW_S) * SAMPLING_RATE) for i in left],
            window=window,
            margin_s=self._margin_s,
            batch_s=self._batch_s,
        ):
            indices = [left[i] for i in batch.indices]
            try:
                rows = self._greedy(
                    self._features([utterances[i] for i in indices], batch.n_samples)
                )
            except (RuntimeError, MemoryError) as error:
                if len(indices) == 1 or not is_out_of_memory(error):
                    raise
                self._batch_s = len(indices) * batch.n_samples / SAMPLING_RATE / 2
                break
            for i, ids in zip(indices, rows, strict=True):
                texts[i] = self._tokenizer.decode(ids).strip()
            if on_progress:
                on_progress(len(indices))
        release_memory()

    def _features(self, utterances: Sequence[Utterance], n_samples: int) -> torch.Tensor:
        import torch

        n_mels = self._model.config.num_mel_bins
        mels = [
            log_mel(pad_waveform(load_utterance(u), n_samples), n_mels=n_mels) for u in utterances
        ]
        return torch.from_numpy(np.stack(mels)).to(self._model.device, self._model.dtype)

    def _greedy(self, features: torch.Tensor) -> list[list[int]]:
        """Token ids of each clip, prompt and end left out."""
        import torch

        model, end = self._model, self._tokens.end
        encoded = model.get_encoder()(features)
        prompt = torch.tensor([self._tokens.prompt] * len(features), device=features.device)
        always, at_first = self._suppressed()
        rows: list[list[int]] = [[] for _ in features]
        log_probs = np.zeros(len(features))
        no_speech = np.zeros(len(features))
        is_done = np.zeros(len(features), dtype=bool)
        step_ids, cache = prompt, None
        for n in range(self._max_new_tokens):
            output = model(
                encoder_outputs=encoded,
                decoder_input_ids=step_ids,
                past_key_values=cache,
                use_cache=True,
            )
            cache = output.past_key_values
            logits = output.logits[:, -1].float()
            logits[:, always] = -torch.inf
            if n == 0:
                logits[:, at_first] = -torch.inf
                first = output.logits[:, 0].float().softmax(-1)
                no_speech = first[:, self._tokens.no_speech].cpu().numpy()
            best, chosen = logits.log_softmax(-1).max(-1)
            log_probs += np.where(is_done, 0.0, best.cpu().numpy())
            for row, token in enumerate(chosen.tolist()):
                is_done[row] |= token == end
                if not is_done[row]:
                    rows[row].append(token)
            if is_done.all():
                break
            step_ids = chosen[:, None]
        heard = zip(rows, no_speech.tolist(), log_probs.tolist(), strict=True)
        return [[] if is_silence(silent, said, len(row)) else row for row, silent, said in heard]

    def _suppressed(self) -> tuple[list[int], list[int]]:
        config = self._model.generation_config
        return list(config.suppress_tokens or []), list(config.begin_suppress_tokens or [])
