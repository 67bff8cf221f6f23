from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ruach_core.testing.plugins import (
    site_environment,
    write_distribution,
    write_pack,
    write_plugin,
)

# The boundary of errors


def test_plugin_fault_exits_3_in_one_line_and_traceback_shows_all(ruach_process, write_case_pack):
    write_case_pack(replace=("return text if", "return {}[text] if"))
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
    write_plugin(tmp_path, "bad", "1 / 0")
    done = ruach("langs", "normalize", "qta", "--purpose", "score", "X")
    assert (done.status, done.output) == (0, "x\n")
    (line,) = done.error.splitlines()
    assert line.startswith(
        "ruach: warning: plugin 'bad' (ruach-bad 1.0): import of ruach_bad failed"
    )


def test_what_a_plugin_logs_is_a_line_of_its_own(ruach, tmp_path, pack):
    source = (
        "import logging\nimport click\n@click.command()\ndef hello():\n"
        "    logging.getLogger(__name__).warning('two\\nlines')\n"
        "    logging.getLogger(__name__).info('nothing')\n"
    )
    write_distribution(
        tmp_path,
        "ruach-hello",
        entry_points={"ruach.commands": {"hello": "hello_there.command:hello"}},
        files={"hello_there/__init__.py": "", "hello_there/command.py": source},
    )
    done = ruach("hello")
    assert (done.status, done.error) == (0, "ruach: warning: two lines\n")


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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_is_one_line(tmp_path, pack):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ruach_core", "langs", "list"],
            env=site_environment(tmp_path),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == (b"ruach: error: No space left on device (--traceback shows where)\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_closed_streams_are_no_fault(tmp_path, pack, closed):
    command = f"{sys.executable} -m ruach_core langs normalize qta --purpose score {closed}"
    done = subprocess.run(
        ["bash", "-c", command],
        env=site_environment(tmp_path),
        input=b"A\n",
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_interrupt_exits_130(tmp_path, pack):
    process = subprocess.Popen(
        [sys.executable, "-m", "ruach_core", "langs", "normalize", "qta", "--purpose", "score"],
        env=site_environment(tmp_path),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell's background jobs, and what they start, ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
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
    source = "@hookimpl\ndef ruach_metrics():\n    return []\n"
    write_plugin(tmp_path, "told", source, version="3.2")
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
