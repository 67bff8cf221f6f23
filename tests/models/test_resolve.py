"""Names of base models -> folders, with the real sources; the hub is a server on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ruach_core.default_plugins.base_models import FolderSource, HubSource, expand_short_name
from ruach_core.errors import PluginError, UserError
from ruach_core.models import resolve
from ruach_core.models.auto import TrainingDevice, choose_model
from ruach_core.models.resolve import ResolvedModel, resolve_base_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Sources:
    """The part of `Plugins` that resolving uses."""

    sources: list[Any]

    def base_model_sources(self) -> tuple[Any, ...]:
        return tuple(self.sources)


@dataclass
class FixedSource:
    """Gives one folder for one name, or raises; notes what it was asked for."""

    model: str
    answer: Path | Exception
    name: str = "fixed"
    asked: list[str] = field(default_factory=list)

    def resolve(self, model: str, *, progress: bool = True) -> Path | None:
        self.asked.append(model)
        if model != self.model:
            return None
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class Unreachable(FixedSource):
    """A hub that has everything and can't be reached."""

    model: str = ""
    answer: Path | Exception = field(default_factory=lambda: UserError("no network"))
    name: str = "hub"

    def resolve(self, model: str, *, progress: bool = True) -> Path | None:
        self.asked.append(model)
        raise UserError(f"{model}: no network")


def resolve_with(name: str, *sources: Any) -> ResolvedModel:
    plugins: Any = Sources(list(sources))
    return resolve_base_model(name, plugins, progress=False)


def refusal(name: str, *sources: Any) -> str:
    """The message of the UserError, which must be one line."""
    with pytest.raises(UserError) as caught:
        resolve_with(name, *sources)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_path_comes_first_and_the_hub_last(tiny_whisper: Any, tmp_path: Path) -> None:
    hub, fixed = FixedSource("m", tmp_path / "hub", "hub"), FixedSource("m", tmp_path / "plugin")
    assert resolve_with("m", hub, FolderSource(), fixed).directory == tmp_path / "plugin"
    assert hub.asked == []
    folder = tiny_whisper.transformers_dir
    found = resolve_with(str(folder), hub, fixed, FolderSource())
    assert found == ResolvedModel(str(folder), folder.resolve(), "path")
    assert fixed.asked == ["m"]


def test_unreachable_model_names_the_three_remedies() -> None:
    message = refusal("small", Unreachable(), FolderSource())
    assert "'small'" in message
    assert "no network" in message
    for remedy in (
        "pip install ruach-model-whisper-base",
        "run once with a network",
        "--model PATH",
    ):
        assert remedy in message


def test_failing_plugin_is_passed_over_but_told(tmp_path: Path) -> None:
    broken = FixedSource("m", UserError("mirror is down; start it"), "mirror")
    hub = FixedSource("m", tmp_path, "hub")
    found = resolve_with("m", broken, hub)
    assert found.source == "hub"
    assert "mirror failed: mirror is down" in found.reason
    # With the hub out of reach as well, the plugin that has the model knows what to mend.
    assert refusal("m", broken, Unreachable()) == "mirror is down; start it"
    crashed = FixedSource("m", PluginError("p", "p 1.0", "ruach_base_models", "KeyError: 'x'"))
    with pytest.raises(PluginError):
        resolve_with("m", crashed, Unreachable())


@pytest.mark.parametrize(
    ("name", "words"), [("", "empty"), ("  ", "empty"), ("a b", "no hub name")]
)
def test_odd_names_are_refused(name: str, words: str) -> None:
    assert words in refusal(name, FolderSource(), HubSource())


def copied(tiny_whisper: Any, tmp_path: Path, *leave_out: str) -> Path:
    folder = tmp_path / "copied"
    shutil.copytree(
        tiny_whisper.transformers_dir, folder, ignore=shutil.ignore_patterns(*leave_out)
    )
    return folder


def test_pickled_weights_are_refused_unopened(tiny_whisper: Any, tmp_path: Path) -> None:
    folder = copied(tiny_whisper, tmp_path, "model.safetensors")
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    message = refusal(str(folder), FolderSource(), HubSource())
    assert "pytorch_model.bin: pickled" in message
    assert "save_pretrained" in message


@pytest.mark.parametrize("missing", ["tokenizer.json", "config.json", "model.safetensors"])
def test_incomplete_folder_says_what_is_missing(
    tiny_whisper: Any, tmp_path: Path, missing: str
) -> None:
    folder = copied(tiny_whisper, tmp_path, missing)
    message = refusal(str(folder), FolderSource())
    assert missing in message


def test_other_architecture_is_refused(tiny_whisper: Any, tmp_path: Path) -> None:
    folder = copied(tiny_whisper, tmp_path)
    (folder / "config.json").write_text('{"model_type": "wav2vec2"}')
    assert "wav2vec2 model, not a Whisper" in refusal(str(folder), FolderSource())
    (folder / "config.json").write_text("[]")
    assert "config.json" in refusal(str(folder), FolderSource())


def test_folder_that_happens_to_bear_a_models_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "whisper-base").mkdir()
    offline = FixedSource("whisper-base", tmp_path)
    assert resolve_with("whisper-base", FolderSource(), offline).source == "fixed"
    # Said as a path, it is meant as one.
    assert "no model in it" in refusal("./whisper-base", FolderSource(), offline)
    assert "no such folder" in refusal("./whisper-bas", FolderSource(), offline)


def test_export_is_converted_once(
    tiny_whisper: Any, ruach_cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = tmp_path / "export"
    shutil.copytree(tiny_whisper.ct2_dir, export)
    first = FolderSource().resolve(str(export), progress=True)
    assert "converting" in capsys.readouterr().err
    assert first is not None
    assert first.parent == ruach_cache / "models"
    assert (first / "model.safetensors").is_file()
    assert FolderSource().resolve(str(export), progress=True) == first
    assert capsys.readouterr() == ("", "")
    config = json.loads((export / "config.json").read_text())
    (export / "config.json").write_text(json.dumps({**config, "suppress_ids": []}))
    other = FolderSource().resolve(str(export), progress=False)
    assert other is not None
    assert other != first
    assert json.loads((other / "generation_config.json").read_text())["suppress_tokens"] == []


def test_export_without_tokenizer_says_so(
    tiny_whisper: Any, ruach_cache: Path, tmp_path: Path
) -> None:
    export = tmp_path / "export"
    shutil.copytree(tiny_whisper.ct2_dir, export)
    (export / "tokenizer.json").unlink()
    assert "tokenizer.json" in refusal(str(export), FolderSource())
    assert not ruach_cache.exists()


@pytest.mark.parametrize(
    ("name", "hub_id"),
    [
        ("small", "openai/whisper-small"),
        ("whisper-medium", "openai/whisper-medium"),
        ("large-v3", "openai/whisper-large-v3"),
        ("large-v3-turbo", "openai/whisper-large-v3-turbo"),
        ("turbo", "openai/whisper-large-v3-turbo"),
        ("someone/whisper-am", "someone/whisper-am"),
        ("smaller", "smaller"),
    ],
)
def test_short_names(name: str, hub_id: str) -> None:
    assert expand_short_name(name) == hub_id


@pytest.mark.parametrize(
    ("gib", "best"),
    [
        (None, "base"),
        (4.0, "base"),
        (8.0, "small"),
        (16.0, "small"),
        (22.0, "medium"),
        (80.0, "medium"),
    ],
)
def test_auto_goes_by_memory(gib: float | None, best: str) -> None:
    choice = choose_model(TrainingDevice("Some GPU", gib))
    assert choice.models[0] == f"openai/whisper-{best}"
    assert choice.models[-1] == "openai/whisper-base"
    assert best in choice.reason


def test_auto_takes_the_largest_within_reach_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = TrainingDevice("Some GPU", 24.0)
    monkeypatch.setattr(resolve, "find_training_device", lambda: device)
    offline = FixedSource("openai/whisper-base", tmp_path)
    found = resolve_with("auto", Unreachable(), offline, FolderSource())
    assert (found.name, found.source) == ("openai/whisper-base", "fixed")
    assert "24 GiB" in found.reason
    assert "openai/whisper-medium can't be reached" in found.reason
    assert "openai/whisper-small can't be reached" in found.reason
    assert "run once with a network" in refusal("auto", Unreachable(), FolderSource())
    hub = FixedSource("openai/whisper-medium", tmp_path, "hub")
    assert resolve_with("auto", hub, offline).name == "openai/whisper-medium"


def test_auto_on_this_machine(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("the expected choice is the CPU's")
    found = resolve_with("auto", FixedSource("openai/whisper-base", tmp_path))
    assert found.reason == "no GPU: whisper-base"


class HubHandler(BaseHTTPRequestHandler):
    """As much of the hub as a snapshot download asks for."""

    files: Mapping[str, bytes]
    requested: list[str]

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        name = path.rpartition(f"/resolve/{COMMIT}/")[2]
        if path.startswith("/api/models/openai/whisper-small/revision/"):
            siblings = [{"rfilename": name} for name in self.files]
            content = {"id": "openai/whisper-small", "sha": COMMIT, "siblings": siblings}
            self._send(json.dumps(content).encode(), "application/json")
        elif path.startswith("/api/models/openai/whisper-small/tree/"):
            tree = [
                {
                    "type": "file",
                    "path": name,
                    "size": len(data),
                    "oid": hashlib.sha1(data).hexdigest(),
                }
                for name, data in self.files.items()
            ]
            self._send(json.dumps(tree).encode(), "application/json")
        elif name in self.files and path.startswith("/openai/whisper-small/"):
            if with_body:
                self.requested.append(name)
            self._send(self.files[name], "application/octet-stream", with_body=with_body)
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _send(self, body: bytes, content_type: str, *, with_body: bool = True) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def hub_server(tiny_whisper: Any) -> Iterator[type[HubHandler]]:
    folder = tiny_whisper.transformers_dir
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    files |= {"pytorch_model.bin": b"pickle", "flax_model.msgpack": b"x", "run.py": b"x"}
    files |= {"model.fp32-00001-of-00002.safetensors": b"a second copy"}
    handler = type("Handler", (HubHandler,), {"files": files, "requested": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    handler.address = f"http://127.0.0.1:{server.server_address[1]}"  # type: ignore[attr-defined]
    yield handler
    server.shutdown()
    server.server_close()


ASK_HUB = """
import sys
from ruach_core.default_plugins.base_models import HubSource
from ruach_core.errors import UserError
for name in sys.argv[1:]:
    try:
        print(HubSource().resolve(name, progress=False))
    except UserError as error:
        print("refused:", error)
"""


@pytest.fixture
def ask_hub(tmp_path: Path) -> Callable[..., list[str]]:
    """Ask the hub source in a process of its own: the client reads its settings when imported."""

    def ask(*names: str, endpoint: str, offline: bool = False) -> list[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
        environment |= {"HF_HOME": str(tmp_path / "hf"), "HF_ENDPOINT": endpoint}
        environment |= {"HF_HUB_OFFLINE": "1"} if offline else {}
        environment |= {"no_proxy": "*", "HF_HUB_DISABLE_XET": "1"}
        done = subprocess.run(
            [sys.executable, "-c", ASK_HUB, *names],
            env=environment, capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        assert "%|" not in done.stderr, "a progress bar that nobody asked for"
        return done.stdout.splitlines()

    return ask


def test_hub_gives_safetensors_and_no_pickles(
    hub_server: Any, ask_hub: Callable[..., list[str]]
) -> None:
    (answer,) = ask_hub("small", endpoint=hub_server.address)
    folder = Path(answer)
    assert folder.name == COMMIT
    assert (folder / "model.safetensors").read_bytes() == hub_server.files["model.safetensors"]
    wanted = {"model.safetensors", "tokenizer.json"}
    wanted |= {"config.json", "generation_config.json", "tokenizer_config.json"}
    assert {path.name for path in folder.iterdir()} == wanted
    assert set(hub_server.requested) == wanted
    # From now on it needs no network, whether it is told so or finds out.
    for offline in (True, False):
        assert ask_hub("small", endpoint="http://127.0.0.1:9", offline=offline) == [answer]


def test_hub_says_why_it_does_not_give_a_model(
    hub_server: Any, ask_hub: Callable[..., list[str]]
) -> None:
    (missing,) = ask_hub("openai/whisper-enormous", endpoint=hub_server.address)
    assert "no such model" in missing
    (unreachable,) = ask_hub("base", endpoint="http://127.0.0.1:9")
    assert "can't be reached" in unreachable
    (offline,) = ask_hub("base", endpoint=hub_server.address, offline=True)
    assert "HF_HUB_OFFLINE" in offline
    assert ask_hub("no name", "../up", "C:\\x", endpoint="http://127.0.0.1:9") == ["None"] * 3


def test_hub_model_without_safetensors_is_refused(
    hub_server: Any, ask_hub: Callable[..., list[str]]
) -> None:
    hub_server.files.pop("model.safetensors")
    (answer,) = ask_hub("small", endpoint=hub_server.address)
    assert answer.startswith("refused:")
    assert "model.safetensors is missing" in answer
    assert "pytorch_model.bin" not in hub_server.requested
