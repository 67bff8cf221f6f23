"""One variant of a comparison in a process of its own, for its memory and its settings."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ruach_core.errors import UserError
from ruach_core.types import Utterance

_SCRIPT = Path(__file__).resolve().parents[1] / "variant.py"


@dataclass(frozen=True)
class Work:
    """What a variant trains or decodes, and how.

    Attributes:
        utterances: the clips; each with `duration_s` and `reference`.
        model_dir: the weights, in transformers' layout.
        lang: the clips' language.
        language: Whisper's code in the prompt.
        device: `cpu` or `cuda`.
        batch_size: clips per update.
        epochs: passes over the clips; the last one is timed.
        policy: Ruach's window policy, or None for the default.
        precision: `auto` leaves it to Ruach; else float32, bf16 or fp16.
        has_checkpointing: whether the peer computes activations again instead of keeping them.
        export_dir: the weights for CTranslate2, where it decodes.
        margin_s: silence behind a clip when it decodes.
        max_new_tokens: the most tokens of a text when it decodes.
    """

    utterances: tuple[Utterance, ...]
    model_dir: Path
    lang: str
    language: str
    device: str
    batch_size: int = 8
    epochs: int = 1
    policy: str | None = None
    precision: str = "auto"
    has_checkpointing: bool = False
    export_dir: Path | None = None
    margin_s: float = 0.3
    max_new_tokens: int = 100

    def to_json(self) -> str:
        """As one line; `from_json` reads it."""
        return json.dumps(asdict(self), default=str, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Work:
        """What `to_json` wrote."""
        content = json.loads(line)
        clips = content.pop("utterances")
        content["model_dir"] = Path(content["model_dir"])
        if content["export_dir"] is not None:
            content["export_dir"] = Path(content["export_dir"])
        utterances = tuple(Utterance(**{**clip, "audio": Path(clip["audio"])}) for clip in clips)
        return cls(utterances, **content)


def run_variant(name: str, work: Work, *, title: str) -> dict[str, Any]:
    """What the variant found, from its own process.

    Raises:
        UserError: it failed; with the last line that it wrote.
    """
    print(f"{title} ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, str(_SCRIPT), name],
        input=work.to_json(), capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    if done.returncode:
        said: Sequence[str] = done.stderr.strip().splitlines() or ["no message"]
        raise UserError(f"{title} failed with status {done.returncode}: {said[-1]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
