"""Where a run writes: nothing under a final name until it is whole."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ruach_core.config import DEFAULT_MODELS, RunConfig
from ruach_core.errors import UserError
from ruach_core.training.checkpoint import clear_leftovers


@dataclass(frozen=True, slots=True)
class Outputs:
    """The folders of a run.

    Attributes:
        model: the best model in transformers' layout.
        export: the deployable export.
        work: checkpoints and whatever a resumed run needs; removed at the end.
    """

    model: Path
    export: Path
    work: Path

    @classmethod
    def of(cls, config: RunConfig, *, is_sample: bool) -> Outputs:
        """The folders from the settings; a model trained on the bundled sample says so."""
        ending = "-sample" if is_sample else ""
        model = config.output or DEFAULT_MODELS / f"whisper-{config.lang}{ending}"
        return cls(
            model=model,
            export=model.with_name(f"{model.name}-ct2"),
            work=model.with_name(f"{model.name}.run"),
        )

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.work / "checkpoints"

    @property
    def zero_shot(self) -> Path:
        """What the base model's measurement gave, for a resumed run."""
        return self.work / "zero_shot.json"

    def check(self, *, resume: bool, overwrite: bool) -> None:
        """Refuse to lose an earlier run's work; changes nothing but what killed runs left.

        Raises:
            UserError: a finished model or an unfinished run is there already.
        """
        for folder in (self.model, self.export, self.work):
            clear_leftovers(folder)
        if resume and not self.checkpoints.is_dir() and self.model.exists():
            raise UserError(f"{self.model}: this run is finished; there is nothing to resume")
        if resume or overwrite:
            return
        if self.checkpoints.is_dir():
            raise UserError(
                f"{self.work}: an unfinished run is here; go on with --resume, or begin anew "
                "with --overwrite"
            )
        for folder in (self.model, self.export):
            if folder.exists():
                raise UserError(
                    f"{folder}: already there; give another --output, or --overwrite it"
                )

    def claim(self, *, resume: bool, overwrite: bool) -> None:
        """Make ready to write, without losing an earlier run's work.

        Raises:
            UserError: as `check`, or nothing can be written there.
        """
        self.check(resume=resume, overwrite=overwrite)
        if not resume:
            shutil.rmtree(self.work, ignore_errors=True)
        for leftover in self.work.glob("*.tmp"):  # an evaluation that was killed leaves a model
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{self.work}: can't be written: {error.strerror}") from error

    def release(self) -> None:
        """Remove the checkpoints of a finished run, in one move: half of them are no run."""
        retired = self.work.with_name(f"{self.work.name}.{os.getpid()}.tmp")
        self.work.rename(retired)
        shutil.rmtree(retired)
