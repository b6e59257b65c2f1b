"""The command line: help, completion, and errors that are one line with the right exit code."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import in_a_process, wslgpu
from wslgpu.settings import PROJECT_ROOT


@pytest.mark.parametrize("command", [[], ["apply"], ["verify"], ["lab"], ["inventory"], ["pins"], ["lab", "up"]])
def test_help_says_what_it_is_for(command: list[str]) -> None:
    done = wslgpu(*command, "--help")
    assert done.returncode == 0
    assert "Usage: wslgpu" in done.stdout
    assert len(done.stdout.splitlines()) > 4


@pytest.mark.parametrize("words", [["apply", "--nonsense"], ["check", "--level", "deep"], ["apply", "nowhere"]])
def test_a_program_that_asks_for_json_gets_json(words: list[str]) -> None:
    done = wslgpu(*words, "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["exit_code"], document["error"]["class"]) == (2, 2, "usage")


def test_the_module_is_the_command() -> None:
    done = in_a_process(["apply", "nowhere"], PROJECT_ROOT, {})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("wslgpu: there is no inventory 'nowhere'. Give one of local, lab, fleet")


def test_shell_completion_is_offered() -> None:
    done = wslgpu(_WSLGPU_COMPLETE="bash_source")
    assert "_wslgpu_completion" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["apply", "nowhere"], "there is no inventory 'nowhere'"),
        (["apply", "local", "--only", "contanerd"], "there is no component 'contanerd'"),
        (["apply", "--nonsense"], "No such option"),
        (["inventory", "check", "/nonexistent.yml"], "does not exist"),
        (["nonsense"], "No such command"),
        (["apply", "--lab", "there-is-no-such-lab"], "there-is-no-such-lab"),
        (["verify", "--lab", "there-is-no-such-lab"], "there-is-no-such-lab"),
        (["verify", "lab", "--lab", "there-is-no-such-lab"], "there-is-no-such-lab"),
        (["verify", "local", "--lab", "default"], "exclude each other"),
        (["verify", "local", "--require", "typo.of.mine"], "no suite of this run has it"),
        (["verify", "local", "--junit", "/nonexistent/report.xml"], "there is no such folder"),
    ],
)
def test_wrong_usage_is_2_and_no_traceback(arguments: list[str], says: str) -> None:
    done = wslgpu(*arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_site_is_refused_before_any_host_is_contacted(tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    site.write_text("profile: current\ncontainerd_pakage: auto\n")
    done = wslgpu("apply", "local", "--site", str(site))
    assert done.returncode == 2
    assert f"{site}:2: containerd_pakage" in done.stderr
    assert "Connecting" not in done.stderr


def test_a_fleet_is_listed_without_contacting_it() -> None:
    example = str(PROJECT_ROOT / "inventory" / "examples" / "fleet.yml")
    done = wslgpu("inventory", "list", "fleet", WSLGPU_FLEET=example)
    assert done.returncode == 0, done.stderr
    assert [line.split()[:3] for line in done.stdout.splitlines()] == [
        ["node1", "192.0.2.11", "gpu_nodes"],
        ["node2", "192.0.2.12", "gpu_nodes"],
    ]


def test_an_unreachable_fleet_is_unknown_and_2(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.yml"
    fleet.write_text("schema: 1\nhosts:\n  gone:\n    address: 127.0.0.1\n    port: 9\n")
    site = tmp_path / "site.yml"
    site.write_text("cuda_images: []\n")
    done = wslgpu("apply", "fleet", "--site", str(site), WSLGPU_FLEET=str(fleet))
    assert done.returncode == 2, done.stderr
    assert "gone: UNKNOWN" in done.stdout
    assert "Traceback" not in done.stderr + done.stdout


def test_ctrl_c_is_130(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.yml"
    site = tmp_path / "site.yml"
    site.write_text("cuda_images: []\n")
    # a port that takes the connection and never says a word: the run is still connecting when the signal comes
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        fleet.write_text(f"schema: 1\nhosts:\n  silent:\n    address: 127.0.0.1\n    port: {port}\n")
        process = subprocess.Popen(
            [sys.executable, "-m", "wslgpu.cli", "apply", "fleet", "--site", str(site)],
            cwd=PROJECT_ROOT,
            env={**os.environ, "WSLGPU_FLEET": str(fleet)},
            stderr=subprocess.PIPE,
            text=True,
        )
        with silent.accept()[0]:
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "ended by SIGINT" in errors
    assert "Traceback" not in errors


def test_a_digest_that_is_missing_is_asked_for_only_where_a_host_needs_it(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.yml"
    fleet.write_text("schema: 1\nhosts:\n  gone:\n    address: 127.0.0.1\n    port: 9\n")
    site = tmp_path / "site.yml"
    # a proxy that is not there keeps the question on this machine
    text = "profile: current\nproxy_url: http://127.0.0.1:9\n"
    site.write_text(text)
    asked = wslgpu("apply", "fleet", "--site", str(site), WSLGPU_FLEET=str(fleet))
    assert asked.returncode == 2
    assert "13.0.0-base-ubuntu24.04 has no digest" in asked.stderr
    assert "wslgpu pins resolve" in asked.stderr
    assert "Connecting" not in asked.stderr
    assert site.read_text() == text
    fleet.write_text(fleet.read_text() + "    data:\n      cuda_images: []\n")
    not_asked = wslgpu("apply", "fleet", "--site", str(site), WSLGPU_FLEET=str(fleet))
    assert "Connecting" in not_asked.stderr
    assert "gone: UNKNOWN" in not_asked.stdout
