from __future__ import annotations

import json
import re
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ruach_core.errors import UserError
from ruach_core.training.checkpoint import (
    COMPLETE,
    Progress,
    clear_leftovers,
    digest_model,
    find_checkpoint,
    is_complete,
    load_checkpoint,
    load_weights,
    write_checkpoint,
    write_folder,
    write_weights,
)

IDENTITY = {"settings": "abc", "data": "def", "base weights (--model)": "ghi"}
FILES = ("model.safetensors", "optimizer.safetensors", "state.json", COMPLETE)


def build(seed: int = 0, *, width: int = 6) -> tuple[Any, Any]:
    """A small model with an optimizer, as the loop has them."""
    import torch

    torch.manual_seed(seed)
    model = torch.nn.Sequential(
        torch.nn.Linear(4, width), torch.nn.LayerNorm(width), torch.nn.Linear(width, 1)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05, betas=(0.9, 0.98), fused=True)
    return model, optimizer


def step(model: Any, optimizer: Any, n: int) -> None:
    import torch

    inputs = torch.randn(8, 4, generator=torch.Generator().manual_seed(n))
    model(inputs).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def weights(model: Any) -> list[list[float]]:
    return [parameter.detach().flatten().tolist() for parameter in model.parameters()]


def save(folder: Path, update: int, model: Any, optimizer: Any) -> Path:
    return write_checkpoint(
        folder, Progress(update=update), model=model, optimizer=optimizer, identity=IDENTITY
    )


@pytest.fixture
def two(tmp_path) -> Path:
    """A folder with the checkpoints of updates 1 and 2."""
    model, optimizer = build()
    for update in (1, 2):
        step(model, optimizer, update)
        save(tmp_path, update, model, optimizer)
    return tmp_path


@contextmanager
def full_disk(n_bytes: int) -> Iterator[None]:
    """No file can grow beyond so many bytes: writing fails half-way, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_resumed_training_goes_on_to_the_bit(tmp_path):
    model, optimizer = build()
    for n in range(3):
        step(model, optimizer, n)
    checkpoint = save(tmp_path, 3, model, optimizer)
    for n in range(3, 6):
        step(model, optimizer, n)

    other, other_optimizer = build(seed=1)
    load_checkpoint(checkpoint, model=other, optimizer=other_optimizer, identity=IDENTITY)
    for n in range(3, 6):
        step(other, other_optimizer, n)
    assert weights(other) == weights(model)


def test_progress_comes_back_as_it_was(tmp_path):
    model, optimizer = build()
    progress = Progress(
        epoch=2, batch=3, update=17, loss_sum=0.1 + 0.2, n_tokens=41, window_loss=[1 / 3, 7.0],
        best_epoch=1, best_metric=0.1, epochs_without_gain=1,
        history=[{"loss": 1.25, "epoch": 0.5}, {"eval_wer": 1 / 3, "epoch": 1.0}], seconds=12.5,
    )  # fmt: skip
    folder = write_checkpoint(
        tmp_path, progress, model=model, optimizer=optimizer, identity=IDENTITY
    )
    loaded = load_checkpoint(folder, model=model, optimizer=optimizer, identity=IDENTITY)
    assert asdict(loaded) == asdict(progress)
    fresh = write_checkpoint(
        tmp_path, Progress(update=18), model=model, optimizer=optimizer, identity=IDENTITY
    )
    loaded = load_checkpoint(fresh, model=model, optimizer=optimizer, identity=IDENTITY)
    assert loaded.best_metric == float("inf")


def test_before_the_first_update_the_optimizer_is_empty(tmp_path):
    model, optimizer = build()
    checkpoint = save(tmp_path, 0, model, optimizer)
    other, other_optimizer = build(seed=1)
    load_checkpoint(checkpoint, model=other, optimizer=other_optimizer, identity=IDENTITY)
    step(model, optimizer, 1)
    step(other, other_optimizer, 1)
    assert weights(other) == weights(model)


def test_the_scale_of_float16s_gradients_comes_back(tmp_path):
    """Begun anew at 65536, the first updates behind a resume overflow and are left out."""
    import torch

    model, optimizer = build()
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0, growth_interval=3)
    (scaler.scale(model(torch.ones(1, 4)).sum())).backward()
    scaler.step(optimizer)
    scaler.update()
    checkpoint = write_checkpoint(
        tmp_path, Progress(update=1), model=model, optimizer=optimizer, identity=IDENTITY,
        scaler=scaler,
    )  # fmt: skip
    other, other_optimizer = build(seed=1)
    fresh = torch.amp.GradScaler("cpu")
    load_checkpoint(
        checkpoint, model=other, optimizer=other_optimizer, identity=IDENTITY, scaler=fresh
    )
    assert fresh.state_dict() == scaler.state_dict()
    assert (fresh.get_scale(), fresh.state_dict()["_growth_tracker"]) == (256.0, 1)
    # One that was written in another precision has none.
    checkpoint = save(tmp_path, 2, model, optimizer)
    load_checkpoint(
        checkpoint, model=other, optimizer=other_optimizer, identity=IDENTITY, scaler=fresh
    )
    assert fresh.get_scale() == 256.0


def test_a_base_model_is_known_by_its_weights_and_configuration(tmp_path):
    names = ("config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")

    def digest(folder: str, *contents: str) -> str:
        (tmp_path / folder).mkdir()
        for name, content in zip(names, contents, strict=False):
            (tmp_path / folder / name).write_text(content, encoding="utf-8")
        return digest_model(tmp_path / folder)

    known = digest("here", "a", "b", "c")
    assert digest("moved", "a", "b", "c") == known
    others = {digest("1", "x", "b", "c"), digest("2", "a", "x", "c"), digest("3", "a", "b", "x"),
              digest("4", "a", "b")}  # fmt: skip
    assert len({known, *others}) == 5


def test_nothing_is_pickled(two):
    names = {path.name for path in two.rglob("*") if path.is_file()}
    assert names == set(FILES)


def test_the_newest_two_stay(two):
    model, optimizer = build()
    save(two, 10, model, optimizer)
    assert {path.name for path in two.iterdir()} == {"checkpoint-2", "checkpoint-10"}
    assert find_checkpoint(two) == two / "checkpoint-10"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["empty", "half", "missing", "flipped", "longer"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(two, name, damage):
    assert find_checkpoint(two) == two / "checkpoint-2"
    path = two / "checkpoint-2" / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "flipped":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    else:
        path.write_bytes({"empty": b"", "half": content[: len(content) // 2],
                          "longer": content + b"\0"}[damage])  # fmt: skip
    assert not is_complete(two / "checkpoint-2")
    assert find_checkpoint(two) == two / "checkpoint-1"


def test_no_complete_checkpoint(two, tmp_path):
    for path in two.glob("checkpoint-*/model.safetensors"):
        path.write_bytes(b"")
    assert find_checkpoint(two) is None
    assert find_checkpoint(tmp_path / "nowhere") is None


def test_leftovers_of_a_killed_write_are_removed(two):
    leftover = two / "checkpoint-3.4711.tmp"
    shutil.copytree(two / "checkpoint-2", leftover)
    (two / "best-1").mkdir()
    (two / "notes.txt").write_text("mine", encoding="utf-8")
    assert find_checkpoint(two) == two / "checkpoint-2"
    assert not leftover.exists()
    assert (two / "best-1").is_dir()
    assert (two / "notes.txt").is_file()


@pytest.mark.parametrize("what", list(IDENTITY))
def test_another_runs_checkpoint_is_refused(two, what):
    model, optimizer = build(seed=5)
    before = weights(model)
    with pytest.raises(UserError, match=re.escape(f"other {what};")) as caught:
        load_checkpoint(two / "checkpoint-2", model=model, optimizer=optimizer,
                        identity={**IDENTITY, what: "changed"})  # fmt: skip
    assert "\n" not in str(caught.value)
    assert weights(model) == before


def test_weights_alone(tmp_path):
    model, _ = build()
    write_weights(tmp_path / "best-1", model)
    assert is_complete(tmp_path / "best-1")
    other, _ = build(seed=3)
    load_weights(tmp_path / "best-1", other)
    assert weights(other) == weights(model)


def test_a_full_disk_leaves_the_earlier_checkpoint_and_one_clear_line(two):
    model, optimizer = build(width=100_000)
    step(model, optimizer, 1)
    with full_disk(500_000), pytest.raises(UserError) as caught:
        save(two, 3, model, optimizer)
    message = str(caught.value)
    assert "checkpoint-3" in message
    assert "File too large" in message  # what RLIMIT_FSIZE says for "No space left on device"
    assert "--resume" in message
    assert "\n" not in message
    assert {path.name for path in two.iterdir()} == {"checkpoint-1", "checkpoint-2"}
    assert find_checkpoint(two) == two / "checkpoint-2"


def text_writer(text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_text(text, encoding="utf-8")

    return write


def test_a_folder_is_replaced_whole(tmp_path):
    final = tmp_path / "parent" / "model"
    write_folder(final, text_writer("old"))
    (final / "stale").write_text("", encoding="utf-8")
    write_folder(final, text_writer("new"))
    assert [p.name for p in final.parent.iterdir()] == ["model"]
    assert {p.name for p in final.iterdir()} == {"deep"}
    assert (final / "deep" / "file").read_text(encoding="utf-8") == "new"


@pytest.mark.parametrize("error", [UserError("refused"), KeyboardInterrupt(), MemoryError()])
def test_a_write_that_fails_changes_nothing(tmp_path, error):
    final = tmp_path / "model"
    write_folder(final, text_writer("old"))

    def fail(folder: Path) -> None:
        text_writer("half")(folder)
        raise error

    with pytest.raises(type(error)):
        write_folder(final, fail)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    assert (final / "deep" / "file").read_text(encoding="utf-8") == "old"


def test_a_full_disk_while_python_writes(tmp_path):
    def write(folder: Path) -> None:
        (folder / "big").write_bytes(bytes(1_000_000))

    with full_disk(500_000), pytest.raises(UserError, match="File too large"):
        write_folder(tmp_path / "model", write)
    assert list(tmp_path.iterdir()) == []


def test_files_can_be_read_by_other_users(tmp_path):
    """safetensors makes its files private, which a container's other user couldn't read."""
    model, _ = build()
    write_weights(tmp_path / "best", model)
    for path in (tmp_path / "best").iterdir():
        assert path.stat().st_mode & 0o044 == 0o044


def test_leftovers_of_other_processes_are_cleared(tmp_path):
    final = tmp_path / "m[1]"
    write_folder(final, text_writer("whole"))
    for name in ("m[1].12.tmp", "m[1].34.old.tmp", "m1.12.tmp", "m[1].tmp.tmp", "m[1].12.tmp.bak"):
        (tmp_path / name).mkdir()
    clear_leftovers(final)
    assert {p.name for p in tmp_path.iterdir()} == {
        "m[1]", "m1.12.tmp", "m[1].tmp.tmp", "m[1].12.tmp.bak",
    }  # fmt: skip


def test_a_retired_folder_comes_back_where_no_new_one_took_its_place(tmp_path):
    final = tmp_path / "model"
    write_folder(tmp_path / "model.12.old.tmp", text_writer("old"))
    (tmp_path / "model.12.tmp").mkdir()
    clear_leftovers(final)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
    assert (final / "deep" / "file").read_text(encoding="utf-8") == "old"


def test_state_is_readable(two):
    state = json.loads((two / "checkpoint-2" / "state.json").read_text(encoding="utf-8"))
    assert state["identity"] == IDENTITY
    assert state["progress"]["update"] == 2
