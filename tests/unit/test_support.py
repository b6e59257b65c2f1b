"""`wslgpu support`: what is read on the node, and what the file holds."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.observation_documents import healthy
from wslgpu.check.judging import Clock
from wslgpu.check.support import Bundle, collect, make, require_suffix, write
from wslgpu.check.support_script import COMMANDS, FILES, PIECE_LIMIT_BYTES, Pieces, script, split
from wslgpu.errors import UsageError, WslgpuError
from wslgpu.probe.channels import LOCAL, Kind, Target
from wslgpu.probe.document import Identity, Level, parse
from wslgpu.probe.gather import Answer

NONCE = "0123456789abcdef" * 2


def mark(kind: str, name: str, nonce: str = NONCE) -> str:
    return f"\n=== wslgpu-support {nonce} {kind} {name} ===\n"


def test_the_script_reads_this_machine() -> None:
    done = subprocess.run(["sh", "-s"], input=script(NONCE), capture_output=True, check=True, timeout=60)
    before, pieces = split(done.stdout, NONCE)
    assert before.strip() == b""
    assert pieces.whole
    assert set(pieces.logs) == set(COMMANDS)
    assert pieces.files["/etc/os-release"] == Path("/etc/os-release").read_text().strip()
    assert not set(pieces.files) - {str(path) for place in FILES for path in Path("/").glob(place.lstrip("/"))}


def test_shell_agrees_with_the_script(tmp_path: Path) -> None:
    file = tmp_path / "script.sh"
    file.write_bytes(b"#!/bin/sh\n" + script(NONCE))
    done = subprocess.run(["sh", "-n", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_probes_part_and_the_pieces_are_told_apart() -> None:
    text = (
        "noise\nthe document"
        + mark("file", "/etc/wsl.conf")
        + "[boot]\r\nsystemd=true\r\n"
        + mark("log", "failed units")
        + "one.service\n"
        + mark("log", "end")
    )
    before, pieces = split(text.encode(), NONCE)
    assert before == b"noise\nthe document\n"
    assert pieces.files == {"/etc/wsl.conf": "[boot]\nsystemd=true"}
    assert pieces.logs == {"failed units": "one.service"}
    assert pieces.whole


def test_a_log_cannot_pass_for_a_file() -> None:
    forged = mark("file", "/etc/shadow", "f" * 32) + "root:x\n"
    text = mark("log", "failed units") + forged + mark("log", "end")
    _, pieces = split(text.encode(), NONCE)
    assert pieces.files == {}
    assert list(pieces.logs) == ["failed units"]


@pytest.mark.parametrize("cut", ["", mark("log", "failed units") + "x"])
def test_what_was_cut_off_is_not_called_whole(cut: str) -> None:
    _, pieces = split(("the document\n" + cut).encode(), NONCE)
    assert not pieces.whole


def test_pieces_are_bounded_and_safe_to_show() -> None:
    line = "\x1b[31mred\x07\x00" + "x" * 5000 + "\n"
    text = mark("log", "failed units") + line * 200 + "\udcff" + mark("log", "end")
    _, pieces = split(text.encode("utf-8", "surrogateescape"), NONCE)
    log = pieces.logs["failed units"]
    assert len(log) <= PIECE_LIMIT_BYTES
    assert "\x1b" not in log
    assert "\x00" not in log
    assert max(len(one) for one in log.splitlines()) <= 1000


LOG = (
    'time=2026-11-21 level=error msg="pull failed" user=linus proxy=http://linus:hunter2@proxy.example:3128\n'
    "tower containerd: dial tcp 192.168.7.9:443: no route to host; ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ linus@tower\n"
    "token: hf_abcdefghijklmnopqrstuvwxyz GPU-0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0 /home/linus/models\n"
)
CONFIGURATION = "[user]\ndefault=linus\n[network]\nhostname=tower\n[boot]\nsystemd=true\n"
SECRETS = (
    "linus",
    "hunter2",
    "tower",
    "192.168.7.9",
    "AAAAC3Nza",
    "hf_abc",
    "GPU-0f1e",
    "0123456789abcdef0123456789abcdef",
)


def bundle() -> Bundle:
    identity = Identity(hostname="tower", machine_id="0123456789abcdef" * 2)
    document = healthy({"wsl.conf": {"text": CONFIGURATION}}, identity=identity)
    pieces = Pieces(
        {"/etc/wsl.conf": CONFIGURATION}, {"journal of containerd": LOG}, ("tower", "linus", "root"), whole=True
    )
    target = Target("ssh://linus@tower", Kind.SSH, "tower", "linus")
    return make(Answer(target, document), pieces, Clock.now())


def test_the_file_tells_nobody_whose_it_is() -> None:
    text = bundle().as_json()
    for secret in SECRETS:
        assert not re.search(rf"(?<![a-z]){re.escape(secret)}(?![a-z])", text), secret
    # and still says what is wrong
    assert "pull failed" in text
    assert "no route to host" in text
    assert "systemd=true" in text


def test_the_file_says_what_it_holds_and_what_was_taken_out(tmp_path: Path) -> None:
    made = bundle()
    held = json.loads(made.as_json())
    assert held["schema"] == "wslgpu.support/1"
    assert held["whole"]
    assert parse(json.dumps(held["observations"])).redacted
    assert held["judgement"]["nodes"][0]["name"] == "node"
    assert all(held[key] for key in ("tool_version", "python", "catalogue_digest", "made", "configuration", "logs"))
    assert held["removed"]["<ip>"] >= 1
    assert held["removed"]["<name>"] + held["removed"].get("<user>", 0) >= 2
    said = "\n".join(made.summary(tmp_path / "x.json"))
    assert "/etc/wsl.conf" in said
    assert "journal of containerd: 3 lines" in said
    assert "<ip>" in said


@pytest.mark.parametrize("name", ["help.json", "help.tar.gz"])
def test_the_file_is_its_owners_alone(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write(bundle(), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_the_archive_is_flat_and_plain(tmp_path: Path) -> None:
    path = tmp_path / "help.tar.gz"
    write(bundle(), path)
    with tarfile.open(path) as archive:
        members = {member.name: member for member in archive.getmembers()}
        text = {name: archive.extractfile(member).read().decode() for name, member in members.items()}  # type: ignore[union-attr]
    assert all(member.isfile() and member.uid == 0 and not member.uname for member in members.values())
    assert "systemd=true" in text["wslgpu-support/configuration/etc_wsl.conf.txt"]
    assert json.loads(text["wslgpu-support/observations.json"])["schema"]
    assert json.loads(text["wslgpu-support/support.json"])["removed"]
    assert "hunter2" not in "".join(text.values())


def test_a_node_that_answers_garbage_still_gives_its_logs() -> None:
    error = WslgpuError("the answer of linus on tower is no document", "ssh://linus@tower")
    pieces = Pieces({}, {"failed units": "tower.service", "journal of docker": LOG}, ("tower", "linus"), whole=True)
    made = make(Answer(Target("ssh://linus@tower", Kind.SSH, "tower"), error=error), pieces, Clock.now())
    text = made.as_json()
    assert json.loads(text)["observations"] is None
    assert "is no document" in text
    assert "no route to host" in text
    for secret in SECRETS:
        assert not re.search(rf"(?<![a-z]){re.escape(secret)}(?![a-z])", text), secret


def test_a_name_must_say_its_form() -> None:
    for name in ("help", "help.zip", "help.tar"):
        with pytest.raises(UsageError):
            require_suffix(Path(name))
    for name in ("help.json", "help.tar.gz"):
        require_suffix(Path(name))


def test_this_machine_is_collected() -> None:
    made, interrupted = collect(LOCAL, Level.QUICK)
    assert interrupted == 0
    assert made.head["whole"]
    assert made.documents["observations"]["redacted"]
    assert "/etc/os-release" in made.files
