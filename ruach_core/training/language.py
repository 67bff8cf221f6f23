"""Which of Whisper's language tokens a run uses, and how its embedding begins.

A language that Whisper has no token for borrows another's: the vocabulary never grows, since
CTranslate2 and faster-whisper count token ids by position. After training, the token means the new
language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ruach_core.config import RunConfig
from ruach_core.data.waveforms import load_utterance
from ruach_core.errors import UserError
from ruach_core.features import MAX_SAMPLES, log_mel, pad_waveform
from ruach_core.manifest import WHISPER_LANGUAGES
from ruach_core.models.special_tokens import WhisperTokenizer
from ruach_core.types import Utterance

if TYPE_CHECKING:
    from ruach_core.plugins import Plugins

HEARD_CLIPS = 32
"""Training clips on which Whisper is asked what language it hears."""

_CLIPS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class RunLanguage:
    """The language of a run and the token that stands for it.

    Attributes:
        code: the code that the user asked for.
        name: its name, as the pack has it; the code where there is no pack.
        whisper_language: Whisper's own code of the token in the prompt.
        reason: why another language's token is borrowed; empty where it is the language's own.
    """

    code: str
    name: str
    whisper_language: str
    reason: str = ""

    def describe(self) -> str:
        """`<|ln|>, borrowed (why); language detection will report 'ln'`."""
        token = f"<|{self.whisper_language}|>"
        if self.whisper_language == self.code:
            return token
        return (
            f"{token}, borrowed ({self.reason.rstrip('.')}); language detection will report "
            f"{self.whisper_language!r}"
        )


def known_language(config: RunConfig, plugins: Plugins) -> RunLanguage | None:
    """The run's language, or None where only Whisper's own ear can choose the token.

    The setting comes first, then the pack, then Whisper's own token of that code.

    Raises:
        UserError: the setting isn't one of Whisper's codes.
    """
    manifest = plugins.manifest
    name = manifest.name if manifest else config.lang
    chosen = config.whisper_language
    if chosen is not None:
        if chosen not in WHISPER_LANGUAGES:
            raise UserError(
                f"--whisper-language {chosen}: Whisper has no such language; it is one of "
                f"{', '.join(sorted(WHISPER_LANGUAGES))}"
            )
        return RunLanguage(config.lang, name, chosen, "as set by --whisper-language")
    if manifest is not None:
        why = manifest.whisper_language_reason
        return RunLanguage(config.lang, name, manifest.whisper_language, why)
    if config.lang in WHISPER_LANGUAGES:
        return RunLanguage(config.lang, name, config.lang)
    return None


def language_by_ear(lang: str, heard: Mapping[str, float]) -> RunLanguage:
    """The token of the language that Whisper hears most in the user's own clips."""
    best = max(heard, key=lambda code: heard[code])
    reason = f"what Whisper hears most in the training clips, {heard[best]:.0%}"
    return RunLanguage(lang, lang, best, reason)


def hear_languages(
    model: Any, utterances: Sequence[Utterance], tokenizer: WhisperTokenizer
) -> dict[str, float]:
    """Whisper's own language probabilities, averaged over clips.

    The model is asked as in its own language detection (arXiv 2212.04356, section 2.3): one decoder
    step behind `<|startoftranscript|>`, in a 30 s window, over the language tokens alone.

    Args:
        model: a `WhisperForConditionalGeneration`, not trained yet.
        utterances: some of the training clips.
        tokenizer: the model's.

    Returns:
        Whisper's codes, the most probable first; the probabilities sum to 1.
    """
    import torch

    languages = tokenizer.languages
    ids = torch.tensor(list(languages.values()))
    start = tokenizer.id_of("<|startoftranscript|>")
    n_mels = model.config.num_mel_bins
    total = torch.zeros(len(languages), dtype=torch.float64)
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for first in range(0, len(utterances), _CLIPS_AT_ONCE):
            clips = utterances[first : first + _CLIPS_AT_ONCE]
            mels = [
                log_mel(pad_waveform(load_utterance(u), MAX_SAMPLES), n_mels=n_mels) for u in clips
            ]
            logits = model(
                input_features=torch.from_numpy(np.stack(mels)).to(model.device, model.dtype),
                decoder_input_ids=torch.full((len(clips), 1), start, device=model.device),
                use_cache=False,
            ).logits[:, -1]
            total += logits[:, ids].double().softmax(-1).sum(0).cpu()
    model.train(was_training)
    shares = (total / max(1, len(utterances))).tolist()
    found = dict(zip(languages, shares, strict=True))
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def blend_language_embedding(
    model: Any, tokenizer: WhisperTokenizer, whisper_language: str, heard: Mapping[str, float]
) -> None:
    """Begin the token's embedding as the sum of all languages', weighted by what Whisper hears.

    The formula is that of arXiv 2412.16474 (weighted sum of language tag embeddings). The output
    layer shares the row, and changes with it.

    Args:
        model: changed in place.
        tokenizer: the model's.
        whisper_language: Whisper's code of the token to overwrite.
        heard: from `hear_languages`.
    """
    import torch

    weight = model.get_input_embeddings().weight
    ids = torch.tensor([tokenizer.languages[code] for code in heard], device=weight.device)
    shares = torch.tensor(list(heard.values()), device=weight.device, dtype=weight.dtype)
    with torch.no_grad():
        weight[tokenizer.languages[whisper_language]] = shares @ weight[ids]


def heard_line(heard: Mapping[str, float], *, n: int = 4) -> str:
    """`Whisper hears ln 41 %, sw 22 %, ...` for people."""
    shares = ", ".join(f"{code} {share:.0%}" for code, share in list(heard.items())[:n])
    return f"Whisper hears {shares}"
