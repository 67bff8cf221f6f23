"""What an export's `run.json` says about how to decode with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ruach_core.errors import UserError
from ruach_core.models.special_tokens import MAX_NEW_TOKENS

Window = Literal["trim", "full"]

DEFAULT_MARGIN_S = 1.0


@dataclass(frozen=True, slots=True)
class ExportInfo:
    """What an export's `run.json` says about how to decode with it.

    Attributes:
        lang: the code that the model was trained for, or None where the folder doesn't say.
        whisper_language: Whisper's own code in the prompt, or None.
        window_margin_s: least silence behind a clip that the model was trained with.
        max_new_tokens: the most tokens of text, chosen from the training data.
        window: the policy that the model decodes best with: `trim` where it was trained on short
            windows, `full` for any other Whisper.
        whisper_language_reason: why it is another language's, or empty.
        no_pack: whether the model was trained without a language pack.
        hears_silence: whether the model was found to tell silence from speech, so that decoders
            write nothing where it does.
    """

    lang: str | None = None
    whisper_language: str | None = None
    window_margin_s: float = DEFAULT_MARGIN_S
    max_new_tokens: int = MAX_NEW_TOKENS
    window: Window = "full"
    whisper_language_reason: str = ""
    no_pack: bool = False
    hears_silence: bool = False

    @classmethod
    def read(cls, model_dir: Path) -> ExportInfo:
        """The information of an export's folder; defaults where there is no `run.json`.

        Raises:
            UserError: `run.json` is there but can't be used.
        """
        path = model_dir / "run.json"
        if not path.is_file():
            return cls()
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            margin_s = content.get("window_margin_s")
            length = content.get("generation_length")
            return cls(
                lang=_optional_text(content.get("lang")),
                whisper_language=_optional_text(content.get("whisper_language")),
                whisper_language_reason=str(content.get("whisper_language_reason") or ""),
                no_pack="pack" in content and content["pack"] is None,
                window_margin_s=DEFAULT_MARGIN_S if margin_s is None else max(0.0, float(margin_s)),
                max_new_tokens=MAX_NEW_TOKENS if length is None else clamp_tokens(int(length)),
                hears_silence=bool(content.get("hears_silence")),
                window="full" if margin_s is None or content.get("window") == "full" else "trim",
            )
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path}: not a readable run.json ({error}); mend it, or delete it and pass --lang"
            ) from error


def clamp_tokens(n_tokens: int) -> int:
    """The number of tokens, within what Whisper's decoder can write."""
    return max(1, min(n_tokens, MAX_NEW_TOKENS))


def _optional_text(value: object) -> str | None:
    return str(value) if value else None
