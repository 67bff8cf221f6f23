from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest

from ruach_core.cli import main
from ruach_core.testing.plugins import (
    site_environment,
    site_on_path,
    write_distribution,
    write_pack,
)

OPTIONS = """
[options.case]
values = ["upper", "lower", "keep"]
target = "keep"
score = "lower"
help = "which case to write"

[sample]
path = "sample"
synthetic = true
description = "a robot reads ten sentences"
license = "CC0-1.0"

[[datasets]]
name = "Toy Voices"
license = "CC-BY-4.0"
url = "https://example.org/toy"
hours = 12.5
note = "read speech"
"""
HOOKS = """
from ruach_core import hookimpl

class Case:
    name = "case 1"
    def __init__(self, options):
        self.options = options
    def normalize(self, text, *, purpose):
        default = {"target": "keep", "score": "lower"}[purpose]
        case = self.options.get("case", default)
        return text if case == "keep" else getattr(text, case)()

@hookimpl
def ruach_normalizer(lang, options):
    return Case(options)
"""


@dataclass(frozen=True)
class Done:
    """What a run of `ruach` left."""

    status: int
    output: str
    error: str

    @property
    def error_line(self) -> str:
        (line,) = self.error.splitlines()
        assert line.startswith("ruach: error: ")
        return line.removeprefix("ruach: error: ")


@pytest.fixture
def ruach(tmp_path, capfdbinary, monkeypatch):
    """Run the command line here, in this process."""

    def run(*arguments, text: str | bytes = b"", **variables) -> Done:
        data = text.encode() if isinstance(text, str) else text
        with monkeypatch.context() as patch:
            patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
            for name, value in variables.items():
                patch.setenv(name, value)
            status = main(arguments)
        output, error = capfdbinary.readouterr()
        return Done(status, output.decode("utf-8"), error.decode("utf-8"))

    with site_on_path(tmp_path):
        yield run


@pytest.fixture
def ruach_process(tmp_path):
    """Run the command line in a process of its own."""

    def run(*arguments, text: str = "", **variables) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "ruach_core", *arguments],
            env=site_environment(tmp_path, **variables),
            input=text.encode(),
            capture_output=True,
            check=False,
            timeout=60,
        )
        return Done(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))

    return run


@pytest.fixture
def pack(tmp_path):
    directory = write_pack(
        tmp_path,
        "qta",
        keys={"autonym": '"ቋንቋ"'},
        tail=OPTIONS,
        hooks=HOOKS,
        samples="purpose\tinput\texpected\toptions\n"
        "target\tÀb\tÀb\nscore\tÀb\tàb\ntarget\tÀb\tÀB\tcase=upper\n",
    )
    (directory / "sample").mkdir()
    return directory


# list


def test_langs_list_marks_invalid_pack_and_exits_0(ruach, pack, tmp_path):
    write_pack(tmp_path, "qtb", keys={"colour": "1"}, version="0.7")
    done = ruach("langs", "list")
    assert done.status == 0
    rows = {line.split()[0]: line for line in done.output.splitlines()}
    assert rows["CODE"].split() == ["CODE", "NAME", "AUTONYM", "DISTRIBUTION", "VERSION", "STATUS"]
    assert rows["qta"].split() == ["qta", "Toy", "ቋንቋ", "ruach-lang-qta", "1.0", "ok"]
    assert "0.7      invalid: pack.toml: colour: unknown key" in rows["qtb"]
    assert list(rows)[1:] == sorted(list(rows)[1:])


def test_langs_list_json(ruach, pack, tmp_path):
    write_pack(tmp_path, "qtb", toml="?")
    rows = {row["code"]: row for row in json.loads(ruach("langs", "list", "--json").output)}
    assert rows["qta"] == {
        "code": "qta",
        "name": "Toy",
        "autonym": "ቋንቋ",
        "distribution": "ruach-lang-qta",
        "version": "1.0",
        "status": "ok",
        "problem": None,
    }
    assert rows["qtb"]["status"] == "invalid"
    assert "not valid TOML" in rows["qtb"]["problem"]


def test_langs_list_writes_utf_8_in_any_locale(ruach_process, pack):
    done = ruach_process("langs", "list", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert "ቋንቋ" in done.output


# info


def test_langs_info_shows_everything(ruach, pack):
    done = ruach("langs", "info", "qta")
    assert done.status == 0
    for part in (
        "Toy (ቋንቋ)", "ISO 639-3 qaa", "ruach-lang-qta 1.0", "Nobody <nobody@example.org>", "Latn",
        "NFC", "a-z (26 letters)", "made up for tests", "<|en|>, borrowed: nobody speaks it", "0.5",
        "case=upper|lower|keep: which case to write", "default for target: keep; for score: lower",
        "synthetic", "a robot reads ten sentences", "CC0-1.0", "Toy Voices", "CC-BY-4.0", "12.5 h",
        "https://example.org/toy", "read speech", "samples.tsv",
    ):  # fmt: skip
        assert part in done.output, part


def test_langs_info_json(ruach, pack):
    about = json.loads(ruach("langs", "info", "qta", "--json").output)
    assert about["whisper_token"] == "<|en|>"
    assert about["borrows_whisper_language"] is True
    assert about["options"]["case"]["values"] == ["upper", "lower", "keep"]
    assert about["datasets"][0]["license"] == "CC-BY-4.0"


def test_langs_info_of_an_own_token(ruach, tmp_path):
    write_pack(tmp_path, "cy", keys={"whisper_language": '"cy"', "whisper_language_reason": None})
    assert "<|cy|>, the language's own" in ruach("langs", "info", "cy").output


def test_unknown_code_is_one_line(ruach, pack):
    done = ruach("langs", "info", "qzz")
    assert done.status == 1
    assert "pip install ruach-lang-qzz" in done.error_line


# check


def test_langs_check_of_a_good_pack(ruach, pack):
    done = ruach("langs", "check", "qta")
    assert (done.status, done.error) == (0, "")
    assert "ok: manifest" in done.output
    assert "3 rows of samples.tsv hold" in done.output
    about = json.loads(ruach("langs", "check", "qta", "--json").output)
    assert about["ok"] is True
    assert [check["check"] for check in about["checks"]] == [
        "manifest", "alphabet", "import", "samples", "idempotence", "unicode form",
    ]  # fmt: skip


def test_langs_check_prints_every_manifest_error(ruach, tmp_path):
    write_pack(tmp_path, "qta", keys={"colour": "1", "script": '"x"', "license": None})
    done = ruach("langs", "check", "qta")
    assert done.status == 1
    assert "pack.toml: colour: unknown key; correct or remove it" in done.output
    assert "pack.toml: license: missing; add it" in done.output
    assert "pack.toml: script: string should match pattern" in done.output
    assert "3 problems" in done.output


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"toml": "?"}, "pack.toml: not valid TOML"),
        ({"keys": {"hook_api": "9"}}, "made for hook API 9"),
        ({"hooks": "1 / 0"}, "import of ruach_lang_qta.hooks failed: ZeroDivisionError"),
        ({"hooks": HOOKS.replace("r(lang", "z(lang")}, "did you mean ruach_normalizer?"),
        ({"hooks": HOOKS.replace("return Case(options)", "return 'x'")}, "returned a str"),
        ({"samples": "score\tÀb\tÀb\n"}, "samples.tsv row 1: score of 'Àb' is 'àb', expected 'Àb'"),
        ({"samples": "target\tÀb\tx\tcase=title\n"}, "samples.tsv row 1: option case=title"),
        ({"samples": "\n"}, "samples.tsv: no rows"),
        ({"samples": "target\n"}, "samples.tsv row 1: must be target or score"),
        ({"keys": {"samples": '"none.tsv"'}}, "pack.toml: samples: there is no file none.tsv"),
        ({"keys": {"alphabet": '"e\u0301"'}}, "pack.toml: alphabet: 'e\u0301' isn't in NFC"),
        ({"hooks": HOOKS.replace("return text if", "return text + 'x' if")}, "normalised again"),
        (
            {"hooks": HOOKS, "keys": {"unicode_form": '"NFD"'}},
            "row 1: target of 'Àb' is 'Àb', not in NFD",
        ),
        (
            {"hooks": HOOKS.replace("return text if", "raise OSError('x') if")},
            "row 1: plugin 'qta'",
        ),
    ],
)
def test_langs_check_finds(ruach, tmp_path, changes, said):
    arguments = {"hooks": HOOKS, "samples": "target\tÀb\tÀb\n", "tail": OPTIONS, **changes}
    directory = write_pack(tmp_path, "qta", **arguments)
    (directory / "sample").mkdir()
    done = ruach("langs", "check", "qta")
    assert done.status == 1
    assert done.error == ""
    assert said in done.output
    report = json.loads(ruach("langs", "check", "qta", "--json").output)
    assert report["ok"] is False
    assert said in "\n".join(line for check in report["checks"] for line in check["problems"])


def test_langs_check_misses_the_sample_folder(ruach, tmp_path):
    write_pack(tmp_path, "qta", tail=OPTIONS, hooks=HOOKS)
    assert "sample.path: there is no folder sample" in ruach("langs", "check", "qta").output


# normalize


def test_langs_normalize_an_argument(ruach, pack):
    assert ruach("langs", "normalize", "qta", "--purpose", "score", "ÀB ቋ").output == "àb ቋ\n"
    done = ruach("langs", "normalize", "qta", "--purpose", "score", "--option", "case=upper", "à")
    assert done.output == "À\n"


def test_langs_normalize_lines(ruach, pack):
    text = b"\xef\xbb\xbfA\n\nB\r\n\r\nC\x0bD\nE\xe2\x80\xa8F\x0c\nG\rH\nlast"
    done = ruach("langs", "normalize", "qta", "--purpose", "target", text=text)
    assert done.output == "A\n\nB\n\nC D\nE F\nG H\nlast\n"


@pytest.mark.parametrize("locale", ["C", "POSIX", "en_US.ISO-8859-1"])
def test_langs_normalize_is_utf_8_in_any_locale(ruach_process, pack, locale):
    variables = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}
    arguments = ("langs", "normalize", "qta", "--purpose", "score")
    assert ruach_process(*arguments, text="ÀBቋ\n", **variables).output == "àbቋ\n"
    assert ruach_process(*arguments, "ÀBቋ", **variables).output == "àbቋ\n"


def test_langs_normalize_streams(tmp_path, pack):
    process = subprocess.Popen(
        [sys.executable, "-m", "ruach_core", "langs", "normalize", "qta", "--purpose", "score"],
        env=site_environment(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for word in (b"ONE", b"TWO"):
        process.stdin.write(word + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == word.lower() + b"\n"
    process.stdin.close()
    assert process.wait(30) == 0
    process.stdout.close()


def test_langs_normalize_names_the_line_that_is_not_utf_8(ruach, pack):
    done = ruach("langs", "normalize", "qta", "--purpose", "score", text=b"A\nB\nC\xff\nD\n")
    assert done.status == 1
    assert done.output == "a\nb\n"
    assert done.error_line.startswith("standard input line 3: not UTF-8 at byte 1")


def test_langs_normalize_survives_output_that_no_file_can_hold(ruach, tmp_path):
    hooks = HOOKS.replace("return text if", "return chr(0xD800) + chr(10) + text if")
    write_pack(tmp_path, "qta", hooks=hooks, tail=OPTIONS)
    done = ruach("langs", "normalize", "qta", "--purpose", "target", text="a\nb\n")
    assert done.output == "? a\n? b\n"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("colour=red", "option 'colour' is unknown to 'qta': it has case"),
        ("case=title", "option case=title: case is one of upper, lower, keep"),
        ("case", "--option case: write it as NAME=VALUE"),
    ],
)
def test_langs_normalize_refuses_options_in_one_line(ruach, pack, option, said):
    done = ruach("langs", "normalize", "qta", "--purpose", "score", "--option", option, "x")
    assert (done.status, done.output, done.error_line) == (1, "", said)


def test_langs_normalize_needs_a_purpose(ruach, pack):
    done = ruach("langs", "normalize", "qta", "x")
    assert done.status == 2
    assert "--purpose" in done.error


# The boundary of errors


def test_plugin_fault_exits_3_in_one_line_and_traceback_shows_all(ruach_process, tmp_path):
    hooks = HOOKS.replace("return text if", "return {}[text] if")
    write_pack(tmp_path, "qta", hooks=hooks, tail=OPTIONS)
    arguments = ("langs", "normalize", "qta", "--purpose", "target", "x")
    done = ruach_process(*arguments)
    assert done.status == 3
    assert done.error_line.startswith(
        "plugin 'qta' (ruach-lang-qta 1.0) failed in ruach_normalizer.normalize: KeyError: 'x'"
    )
    for words in ((*arguments, "--traceback"), ("--traceback", *arguments)):
        done = ruach_process(*words)
        assert done.status != 0
        assert "Traceback (most recent call last)" in done.error
        assert "KeyError: 'x'" in done.error
    after_dashes = ruach_process(
        "langs", "normalize", "qta", "--purpose", "score", "--", "--traceback"
    )
    assert after_dashes.output == "--traceback\n"


def test_warning_about_another_plugin_is_one_line(ruach, pack, tmp_path):
    write_distribution(
        tmp_path,
        "ruach-bad",
        entry_points={"ruach.plugins": {"bad": "ruach_bad"}},
        files={"ruach_bad.py": "1 / 0"},
    )
    done = ruach("langs", "normalize", "qta", "--purpose", "score", "X")
    assert (done.status, done.output) == (0, "x\n")
    (line,) = done.error.splitlines()
    assert line.startswith(
        "ruach: warning: plugin 'bad' (ruach-bad 1.0): import of ruach_bad failed"
    )


def test_usage_error_exits_2(ruach):
    done = ruach("lang", "list")
    assert done.status == 2
    assert "No such command 'lang'" in done.error


def test_version(ruach_process):
    assert ruach_process("--version").output.startswith("ruach 0.")


def test_reader_that_goes_away_is_quiet(tmp_path, pack):
    code = f"{sys.executable} -m ruach_core langs normalize qta --purpose score"
    done = subprocess.run(
        ["bash", "-c", f"yes ABC | {code} | head -n 1"],
        env=site_environment(tmp_path),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == b"abc\n"
    assert done.stderr == b""


def test_listing_to_a_closed_pipe_is_quiet(tmp_path, pack):
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m ruach_core langs list | true"],
        env=site_environment(tmp_path),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == b""


def test_interrupt_exits_130(tmp_path, pack):
    process = subprocess.Popen(
        [sys.executable, "-m", "ruach_core", "langs", "normalize", "qta", "--purpose", "score"],
        env=site_environment(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"A\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"a\n"
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in error


# Commands from plugins, and `ruach plugins`


def test_command_of_a_plugin_runs(ruach, tmp_path):
    source = (
        "import click\n@click.command()\n@click.argument('name')\n"
        "def hello(name):\n    click.echo(f'hello {name}')\n"
    )
    write_distribution(
        tmp_path,
        "ruach-hello",
        entry_points={
            "ruach.commands": {"hello": "ruach_hello:hello", "train": "ruach_hello:hello"}
        },
        files={"ruach_hello.py": source},
    )
    assert ruach("hello", "world").output == "hello world\n"
    help_text = ruach("--help").output
    assert "From ruach-hello 1.0." in help_text
    assert "Fine-tune Whisper" in help_text


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("1 / 0", "can't be imported: ZeroDivisionError"),
        ("other = 1", "can't be imported: AttributeError"),
        ("hello = 1", "isn't a click command"),
    ],
)
def test_broken_command_of_a_plugin_breaks_only_itself(ruach, pack, tmp_path, source, said):
    write_distribution(
        tmp_path,
        "ruach-hello",
        entry_points={"ruach.commands": {"hello": "ruach_hello:hello"}},
        files={"ruach_hello.py": source},
    )
    done = ruach("hello")
    assert done.status == 1
    assert "command 'hello' of ruach-hello 1.0" in done.error_line
    assert said in done.error_line
    assert ruach("--help").status == ruach("langs", "list").status == 0


def test_two_plugins_with_one_command(ruach, tmp_path):
    for name in ("one", "two"):
        write_distribution(
            tmp_path, name, entry_points={"ruach.commands": {"hello": "json:loads"}}, files={}
        )
    assert "'hello' is brought by one 1.0 and two 1.0" in ruach("hello").error_line


def test_plugins_list(ruach, pack, tmp_path):
    write_pack(tmp_path, "qtb", hooks="1 / 0")
    write_distribution(
        tmp_path,
        "ruach-told",
        version="3.2",
        entry_points={"ruach.plugins": {"told": "ruach_told"}},
        files={
            "ruach_told.py": "from ruach_core import hookimpl\n"
            "@hookimpl\ndef ruach_metrics():\n    return []\n"
        },
    )
    done = ruach("plugins", "list")
    assert (done.status, done.error) == (0, "")
    rows = {line.split()[0]: line for line in done.output.splitlines()}
    assert rows["told"].split() == ["told", "plugin", "ruach-told", "3.2", "metrics", "ok"]
    assert rows["qta"].split() == ["qta", "pack", "ruach-lang-qta", "1.0", "normalizer", "ok"]
    assert "invalid: " in rows["qtb"]
    assert "core.metrics" not in rows
    everything = json.loads(ruach("plugins", "list", "--all", "--json").output)
    assert {"name": "told", "kind": "plugin", "distribution": "ruach-told", "version": "3.2",
            "hooks": ["ruach_metrics"], "status": "ok", "problem": None} in everything  # fmt: skip
    assert "core.metrics" in {row["name"] for row in everything}
    off = json.loads(ruach("plugins", "list", "--json", RUACH_PLUGINS="").output)
    assert {row["name"]: row["status"] for row in off}["told"] == "off"
