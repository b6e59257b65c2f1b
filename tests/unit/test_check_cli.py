"""The commands `check`, `probe`, `judge`, `explain` and `catalogue` as they are typed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from tests.command_line import wslgpu
from tests.observation_documents import healthy
from wslgpu.check.comparing import difference_lines
from wslgpu.probe.document import parse
from wslgpu.project import PROJECT_ROOT
from wslgpu.report.capabilities import from_json
from wslgpu.verdict.model import Judgement, NodeJudgement


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """A healthy node's document."""
    path = tmp_path / "good.json"
    path.write_text(healthy().as_json())
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A node whose driver libraries are gone."""
    changed = healthy({"cuda.init": {"result": 100, "name": "CUDA_ERROR_NO_DEVICE"}, "cuda.device_count": 0})
    path = tmp_path / "bad.json"
    path.write_text(changed.as_json())
    return path


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """An address where a connection would be seen."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.mark.parametrize(
    "command", ["check", "probe", "judge", "explain", "catalogue", "catalogue list", "catalogue stale", "support"]
)
def test_help_says_what_it_is_for(command: str) -> None:
    done = wslgpu(*command.split(), "--help")
    assert done.returncode == 0
    assert f"Usage: python -m wslgpu.cli {command}" in done.stdout or f"Usage: wslgpu {command}" in done.stdout
    assert len(done.stdout.splitlines()) > 4


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--workload", "vlm"], "there is no workload 'vlm'"),
        (["--workload", "cud"], "Did you mean cuda"),
        (["--require", "cuda.int"], "Did you mean cuda.init"),
        (["--require", "zzzzzz"], "`wslgpu catalogue list` lists them"),
        (["--catalogue", "/nonexistent"], "is not a folder"),
        (["--limit", "node1"], "Give --inventory or --lab"),
        (["--inventory", "nowhere"], "there is no inventory 'nowhere'"),
        (["--junit", "/nonexistent/report.xml"], "there is no such folder"),
        (["--html", "/tmp"], "is a folder"),
        (["--save", "/nonexistent/x.json"], "there is no such folder"),
        (["--keep", "/dev/null"], "is a file"),
        (
            ["--junit", "/tmp/wslgpu-test-report", "--html", "/tmp/wslgpu-test-report"],
            "two reports would be written to one file",
        ),
        (["--sign", "/nonexistent"], "there is no file to sign"),
        (["--sign", "/nonexistent", "--junit", "/tmp/wslgpu-test-report"], "there is no such secret key"),
        (["--level", "deep"], "Invalid value for '--level'"),
        (["--nonsense"], "No such option"),
        (["http://host"], "is no target"),
        (["lab"], "Give --inventory lab"),
    ],
)
def test_a_wrong_command_line_is_2_and_contacts_nobody(
    words: list[str], says: str, listener: socket.socket, tmp_path: Path
) -> None:
    target = f"ssh://root@127.0.0.1:{listener.getsockname()[1]}"
    done = wslgpu("check", target, *words)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert done.stdout == ""
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_with_json_an_error_is_json_too() -> None:
    done = wslgpu("check", "--json", "--workload", "vlm")
    error = json.loads(done.stdout)
    assert (error["exit_code"], error["error"]["class"]) == (2, "usage")
    assert error["error"]["next_step"]


def test_this_machine_is_checked(tmp_path: Path) -> None:
    save = tmp_path / "here.json"
    done = wslgpu("check", "--json", "--save", save)
    document = json.loads(done.stdout)
    assert done.returncode == document["exit_code"]
    assert [node["name"] for node in document["nodes"]] == ["local"]
    assert document["nodes"][0]["error"] is None
    jsonschema.validate(document, json.loads(wslgpu("catalogue", "schema").stdout))
    assert from_json(done.stdout).nodes[0].capabilities
    saved = parse(save.read_bytes())
    assert saved.redacted
    assert saved.received > 0
    assert stat.S_IMODE(save.stat().st_mode) == 0o600


def test_a_machine_that_is_not_there_is_unknown() -> None:
    done = wslgpu("check", "ssh://root@127.0.0.1:1", "local", "--json")
    assert done.returncode in (1, 2)
    gone, here = json.loads(done.stdout)["nodes"]
    assert (gone["name"], gone["exit_code"]) == ("ssh://root@127.0.0.1:1", 2)
    assert gone["error"]["class"] == "network"
    assert gone["error"]["retryable"]
    assert here["error"] is None
    assert "cannot be reached" in done.stderr
    alone = wslgpu("check", "ssh://root@127.0.0.1:1")
    assert alone.returncode == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_what_was_found(listener: socket.socket, number: signal.Signals, code: int) -> None:
    silent = f"ssh://root@127.0.0.1:{listener.getsockname()[1]}"
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "wslgpu.cli", "check", "local", silent, "--json"],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    listener.settimeout(60)
    with listener.accept()[0]:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("local: answered")
        process.send_signal(number)
        output, told = process.communicate(timeout=60)
    document = json.loads(output)
    assert (process.returncode, document["exit_code"], document["interrupted"]) == (code, code, code), told
    here, gone = document["nodes"]
    assert here["capabilities"]
    assert "interrupted" in gone["error"]["what"]


def test_a_probe_prints_a_document() -> None:
    done = wslgpu("probe")
    document = parse(done.stdout)
    assert done.returncode == 0
    assert document.redacted
    assert document.get("system.kernel").value["release"] == os.uname().release


def test_one_target_is_one_of_an_inventory_too(tmp_path: Path) -> None:
    inventory = tmp_path / "two.py"
    inventory.write_text('nodes = [("one", {"ssh_hostname": "127.0.0.1", "ssh_port": 1}), ("two", {})]\n')
    several = wslgpu("probe", "--inventory", inventory)
    assert (several.returncode, several.stdout) == (2, "")
    assert "this asks one target, not 2: one, two. Name one with --limit." in several.stderr
    one = wslgpu("support", "-o", tmp_path / "x.json", "--inventory", inventory, "--limit", "one")
    assert one.returncode == 2
    assert "one: cannot be reached" in one.stderr


def test_a_probe_that_reaches_nobody_says_so() -> None:
    done = wslgpu("probe", "ssh://root@127.0.0.1:1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be reached" in done.stderr


def test_saved_documents_are_judged(good: Path, bad: Path) -> None:
    done = wslgpu("judge", good, "--workload", "cuda")
    assert (done.returncode, "GO" in done.stdout) == (0, True), done.stdout
    both = wslgpu("judge", good, bad, "--workload", "cuda", "--json")
    verdicts = {node["name"]: node["exit_code"] for node in json.loads(both.stdout)["nodes"]}
    assert (both.returncode, verdicts) == (1, {"good": 0, "bad": 1})


def test_files_of_one_name_are_told_apart(good: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "good.json"
    other.parent.mkdir()
    shutil.copy(good, other)
    done = wslgpu("judge", good, other, "--json")
    assert [node["name"] for node in json.loads(done.stdout)["nodes"]] == [str(good), str(other)]


def test_what_is_no_document_could_not_be_judged(good: Path, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.json"
    garbage.write_bytes(b"\x1b[31m{}")
    done = wslgpu("judge", good, garbage, "--workload", "cuda", "--json")
    nodes = {node["name"]: node for node in json.loads(done.stdout)["nodes"]}
    assert done.returncode == 2
    assert nodes["good"]["exit_code"] == 0
    assert nodes["garbage"]["error"]["class"] == "integrity"
    missing = wslgpu("judge", tmp_path / "missing.json")
    assert (missing.returncode, "cannot be read" in missing.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["good", "-w", "cuda", "--exit-style", "distinct"], 0),
        (["bad", "-w", "cuda", "--exit-style", "distinct"], 100),
        (["garbage", "--exit-style", "distinct"], 2),
        (["good", "--catalogue", "broken", "--exit-style", "distinct"], 102),
        (["good", "--catalogue", "broken"], 2),
        (["good", "-w", "cuda", "--nagios"], 0),
        (["bad", "-w", "cuda", "--nagios"], 2),
        (["garbage", "--nagios"], 3),
        (["good", "--catalogue", "broken", "--nagios"], 3),
        (["good", "-w", "nothing", "--nagios"], 3),
    ],
)
def test_styles_of_exit_codes(words: list[str], code: int, good: Path, bad: Path, tmp_path: Path) -> None:
    (tmp_path / "garbage.json").write_text("[]")
    broken = tmp_path / "broken" / "workloads"
    broken.mkdir(parents=True)
    (broken / "x.yml").write_text("workloads: {}\n")
    file, *options = words
    done = wslgpu("judge", f"{file}.json", *options, cwd=tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    if "--nagios" in options:
        assert done.stdout.startswith(f"WSLGPU {('OK', 'WARNING', 'CRITICAL', 'UNKNOWN')[code]} - ")


def test_reports_are_written(good: Path, bad: Path, tmp_path: Path) -> None:
    files = {style: tmp_path / f"report.{style}" for style in ("junit", "markdown", "html")}
    done = wslgpu("judge", good, bad, *(word for style, file in files.items() for word in (f"--{style}", file)))
    assert done.returncode == 1
    for file in files.values():
        text = file.read_text()
        assert "cuda.init" in text
        assert f"written: {file}" in done.stderr
    assert files["html"].read_text().lower().startswith("<!doctype html>")


def test_reports_are_kept_and_compared(good: Path, bad: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    first = wslgpu("judge", good, "--keep", kept)
    assert "first report" in first.stdout
    (kept / "check-20000101T000000Z.json").write_text("{}")
    node = tmp_path / "now" / "good.json"
    node.parent.mkdir()
    shutil.copy(bad, node)
    second = wslgpu("judge", node, "--keep", kept)
    assert "since check-" in second.stdout
    assert "cuda.init" in second.stdout.partition("since check-")[2]
    assert len(list(kept.iterdir())) == 3
    third = wslgpu("judge", node, "--keep", kept, "--json")
    assert json.loads(third.stdout)["nodes"]
    assert "nothing differs" in third.stderr


@pytest.mark.skipif(shutil.which("minisign") is None, reason="minisign is not on this machine")
def test_reports_are_signed(good: Path, tmp_path: Path) -> None:
    key, public, report = tmp_path / "key", tmp_path / "key.pub", tmp_path / "report.md"
    subprocess.run(["minisign", "-G", "-W", "-s", key, "-p", public], check=True, capture_output=True)
    done = wslgpu("judge", good, "--markdown", report, "--sign", key, "--keep", tmp_path / "kept")
    assert done.returncode in (0, 2), done.stderr
    (kept,) = (tmp_path / "kept").glob("check-*.json")
    for file in (report, kept):
        check = ["minisign", "-V", "-p", str(public), "-m", str(file)]
        assert "catalogue " in subprocess.run(check, check=True, capture_output=True, text=True).stdout
    report.write_text(report.read_text() + " ")
    assert subprocess.run(["minisign", "-V", "-p", public, "-m", report], capture_output=True).returncode != 0


def test_two_files_are_compared_without_contacting_anybody(good: Path, bad: Path, tmp_path: Path) -> None:
    reports = []
    for file in (good, bad):
        reports.append(tmp_path / f"{file.stem}-report.json")
        reports[-1].write_text(wslgpu("judge", file, "--json").stdout)
    for pair in ((good, bad), reports, (good, reports[1])):
        done = wslgpu("check", "--compare", *pair)
        assert done.returncode == 0, done.stderr
        assert "cuda.init" in done.stdout
    same = wslgpu("check", "--compare", good, good)
    assert "nothing differs" in same.stdout
    missing = wslgpu("check", "--compare", good, "not-there.json")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "no such file" in missing.stderr
    wrong = wslgpu("judge", reports[0])
    assert wrong.returncode == 2
    assert "is a report, not observations" in wrong.stdout


def test_two_that_nobody_could_look_at_are_not_called_alike() -> None:
    old, new = (
        Judgement((NodeJudgement(name, error={"what": "no route"}),), catalogue_digest="", tool_version="0")
        for name in ("a", "b")
    )
    assert difference_lines(old, new)[0] == "a -> b: could not be compared"


def test_an_entry_is_explained() -> None:
    done = wslgpu("explain", "cuda.init")
    assert done.returncode == 0
    assert done.stdout.startswith("cuda.init: ")
    assert "https://" in done.stdout
    assert str(PROJECT_ROOT) not in done.stdout
    work = wslgpu("explain", "cuda")
    assert (work.returncode, "cuda.init" in work.stdout) == (0, True)


def test_an_unknown_entry_has_neighbours() -> None:
    done = wslgpu("explain", "cuda.ipc.legcy")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean cuda.ipc.legacy" in done.stderr


def test_the_catalogue_is_listed() -> None:
    lines = wslgpu("catalogue", "list").stdout
    listed = json.loads(wslgpu("catalogue", "list", "--json").stdout)["entries"]
    assert len([row for row in listed if row["kind"] == "capability"]) >= 90
    assert all(row["id"] in lines for row in listed)


def test_stale_entries_are_listed() -> None:
    assert "entries have no source of" in wslgpu("catalogue", "stale").stderr
    assert wslgpu("catalogue", "stale", "--before", "1990-01-01").stdout == ""
    everything = json.loads(wslgpu("catalogue", "stale", "--before", "2100-01-01", "--json").stdout)["entries"]
    days = [row["newest"] for row in everything]
    assert len(days) >= 90
    assert days == sorted(days)
    assert not any(row["place"].startswith("/") for row in everything)
    assert wslgpu("catalogue", "stale", "--before", "soon").returncode == 2


@pytest.mark.parametrize("which", ["report", "capabilities", "workloads", "site"])
def test_schemas_are_schemas(which: str) -> None:
    schema: dict[str, Any] = json.loads(wslgpu("catalogue", "schema", which).stdout)
    jsonschema.validators.validator_for(schema).check_schema(schema)


def test_neither_pyinfra_nor_pytest_is_loaded() -> None:
    commands = (["explain", "cuda.init"], ["catalogue", "list"], ["probe"], ["check"])
    program = (
        "import sys; from wslgpu.cli import cli\n"
        "heavy = {'pyinfra', 'gevent', 'pytest', '_pytest', 'testinfra', 'paramiko', 'requests'}\n"
        f"for words in {commands!r}:\n"
        "    cli.main(words, standalone_mode=False)\n"
        "    print(words, sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    said = [line for line in done.stderr.splitlines() if line.startswith("[")]
    assert said == [f"{words} []" for words in commands], done.stderr


def test_no_root_no_clone_and_no_c_locale_are_needed_to_read_a_path(good: Path, tmp_path: Path) -> None:
    folder = tmp_path / "d\xe9p\xf4t"
    folder.mkdir()
    file = folder / "\u0153ud.json"
    shutil.copy(good, file)
    answers = [
        wslgpu("judge", file, "--json", "--html", folder / "r.html", LC_ALL=locale)
        for locale in ("C.UTF-8", "C", "POSIX")
    ]
    for done in answers:
        assert done.returncode == answers[0].returncode
        assert json.loads(done.stdout)["nodes"][0]["name"] == file.stem
        assert file.stem in (folder / "r.html").read_text("utf-8")
    # even where Python is told to take paths for ASCII, nothing breaks
    done = wslgpu("judge", file, LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii:replace")
    assert done.returncode == answers[0].returncode
