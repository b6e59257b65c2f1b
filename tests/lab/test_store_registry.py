"""Artifacts through a real registry: there and back, and a registry whose content somebody has changed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner

from tests.artifact_samples import Sample, make_sample
from wslgpu.cli import cli
from wslgpu.errors import ErrorClass, UsageError, WslgpuError
from wslgpu.lab.registry import ensure_program
from wslgpu.store import oci
from wslgpu.store.folder import Store

pytestmark = pytest.mark.lab

CONFIG = """\
version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {storage}}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}"}}
"""


def quiet(_line: str) -> None:
    """Nobody reads the progress here."""


class Team:
    """A registry of its own, whose storage can be changed behind its back."""

    def __init__(self, folder: Path) -> None:
        self.storage = folder / "storage"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        (folder / "config.yml").write_text(CONFIG.format(storage=self.storage, port=self.port))
        program = ensure_program(quiet)
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            [program, "serve", str(folder / "config.yml")], stdout=self._log, stderr=subprocess.STDOUT
        )
        self._wait()

    def _wait(self) -> None:
        for _ in range(200):
            try:
                urlopen(f"http://127.0.0.1:{self.port}/v2/", timeout=5).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the registry does not answer")

    @property
    def repository(self) -> str:
        return f"127.0.0.1:{self.port}/team"

    def blob(self, digest: str) -> Path:
        value = digest.removeprefix("sha256:")
        return self.storage / "docker/registry/v2/blobs/sha256" / value[:2] / value / "data"

    def manifest(self, artifact: str, tag: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.port}/v2/team/{artifact}/manifests/{tag}"
        accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        with urlopen(Request(url, headers=accept), timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._log.close()


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    """A registry for one test."""
    (tmp_path / "team").mkdir()
    registry = Team(tmp_path / "team")
    yield registry
    registry.stop()


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path / "sample", content=b"library" * 100_000)


@pytest.fixture
def theirs(tmp_path: Path, sample: Sample) -> Store:
    """The store of who built it."""
    store = Store(tmp_path / "theirs")
    store.add(sample.record, sample.archive, sample.bill, sample.provenance)
    return store


@pytest.fixture
def ours(tmp_path: Path) -> Store:
    """The empty store of who wants it."""
    return Store(tmp_path / "ours")


def pull(store: Store, team: Team, name: str, expected: str = "") -> None:
    oci.pull(store, "ffmpeg", name, oci.Registry(team.repository), quiet, expected=expected)


def test_there_and_back(theirs: Store, ours: Store, team: Team, sample: Sample) -> None:
    reference = oci.push(theirs, sample.record, oci.Registry(team.repository), quiet)
    assert reference == f"{team.repository}/ffmpeg:{sample.record.folder}"
    pull(ours, team, sample.record.name, sample.record.digest)
    assert ours.records() == [sample.record]
    assert ours.open_archive(sample.record).read_bytes() == sample.archive.read_bytes()
    assert ours.read_bill(sample.record) == sample.bill
    assert ours.read_provenance(sample.record) == sample.provenance
    manifest = team.manifest("ffmpeg", sample.record.folder)
    # the artifact has the same digest there as everywhere, and any program that knows images can read it
    assert manifest["layers"][0]["digest"] == sample.record.digest
    assert {layer["mediaType"] for layer in manifest["layers"]} == {"application/vnd.oci.image.layer.v1.tar"}


def test_the_same_artifact_pushed_twice_is_the_same_image(theirs: Store, team: Team, sample: Sample) -> None:
    registry = oci.Registry(team.repository)
    oci.push(theirs, sample.record, registry, quiet)
    first = team.manifest("ffmpeg", sample.record.folder)
    oci.push(theirs, sample.record, registry, quiet)
    assert team.manifest("ffmpeg", sample.record.folder) == first


def test_a_build_is_its_youngest(theirs: Store, ours: Store, team: Team, sample: Sample, tmp_path: Path) -> None:
    newer = make_sample(tmp_path / "newer", content=b"newer", created="2027-01-01T00:00:00Z")
    theirs.add(newer.record, newer.archive, newer.bill, newer.provenance)
    for record in (sample.record, newer.record):
        oci.push(theirs, record, oci.Registry(team.repository), quiet)
    pull(ours, team, "ffmpeg-7.1.5")
    assert ours.records() == [newer.record]
    with pytest.raises(WslgpuError, match="was to come") as caught:
        pull(ours, team, "ffmpeg-7.1.5", sample.record.digest)
    assert caught.value.error_class is ErrorClass.INTEGRITY


@pytest.mark.parametrize("layer", [0, 1], ids=["archive", "documents"])
@pytest.mark.parametrize("damage", ["changed", "cut off"])
def test_a_registry_that_sends_other_bytes_17_18(
    theirs: Store, ours: Store, team: Team, sample: Sample, layer: int, damage: str
) -> None:
    oci.push(theirs, sample.record, oci.Registry(team.repository), quiet)
    blob = team.blob(team.manifest("ffmpeg", sample.record.folder)["layers"][layer]["digest"])
    data = bytearray(blob.read_bytes())
    if damage == "changed":
        data[len(data) // 2] ^= 1
    else:
        del data[len(data) // 2 :]
    blob.write_bytes(data)
    with pytest.raises(WslgpuError) as caught:
        pull(ours, team, sample.record.name)
    assert caught.value.error_class in (ErrorClass.INTEGRITY, ErrorClass.NETWORK), str(caught.value)
    if damage == "changed":
        assert caught.value.error_class is ErrorClass.INTEGRITY, str(caught.value)
    assert ours.records() == []
    assert not (ours.path / "blobs").exists()
    assert not list(ours.path.parent.glob(".wslgpu-transfer-*"))


def test_another_artifact_under_the_name_17(theirs: Store, ours: Store, team: Team, sample: Sample) -> None:
    """Somebody pushes something of their own under our tag: whole, and not what was asked for."""
    other = make_sample(theirs.path.parent / "other", content=b"other")
    theirs.add(other.record, other.archive, other.bill, other.provenance)
    oci.push(theirs, other.record, oci.Registry(team.repository), quiet)
    source = f"docker://{team.repository}/ffmpeg:{other.record.folder}"
    target = f"docker://{team.repository}/ffmpeg:{sample.record.folder}"
    insecure = ["--src-tls-verify=false", "--dest-tls-verify=false"]
    subprocess.run(
        ["skopeo", "copy", "--quiet", "--preserve-digests", *insecure, source, target], check=True, timeout=60
    )
    with pytest.raises(WslgpuError, match=f"holds {other.record.name}") as caught:
        pull(ours, team, sample.record.name)
    assert caught.value.error_class is ErrorClass.INTEGRITY
    assert ours.records() == []


def test_an_image_that_is_no_artifact(ours: Store, team: Team, tmp_path: Path) -> None:
    layout = tmp_path / "image"
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [],
    }
    entry = put(json.dumps(manifest).encode(), manifest["mediaType"])  # type: ignore[arg-type]
    entry["annotations"] = {"org.opencontainers.image.ref.name": "x"}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    target = f"docker://{team.repository}/ffmpeg:7.1.5-{'0' * 12}"
    subprocess.run(
        ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{layout}:x", target], check=True, timeout=60
    )
    with pytest.raises(WslgpuError, match="no artifact of wslgpu"):
        pull(ours, team, f"ffmpeg-7.1.5-{'0' * 12}")
    assert ours.records() == []


def test_what_the_registry_does_not_have(ours: Store, team: Team) -> None:
    with pytest.raises(WslgpuError, match="has no such artifact") as caught:
        pull(ours, team, f"ffmpeg-7.1.5-{'0' * 12}")
    assert caught.value.exit_code == 2


def test_a_registry_that_is_not_there(theirs: Store, sample: Sample) -> None:
    with pytest.raises(WslgpuError, match="cannot be reached") as caught:
        oci.push(theirs, sample.record, oci.Registry("127.0.0.1:9/team"), quiet)
    assert (caught.value.error_class, caught.value.retryable, caught.value.exit_code) == (ErrorClass.NETWORK, True, 2)


@contextmanager
def _stub(status: int, body: bytes = b"", **headers: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}/team"
        server.shutdown()
        thread.join()


def test_a_registry_that_wants_a_login(ours: Store) -> None:
    with _stub(401, WWW_Authenticate='Basic realm="team"') as repository:
        with pytest.raises(WslgpuError, match="skopeo login") as caught:
            oci.pull(ours, "ffmpeg", "ffmpeg-7.1.5", oci.Registry(repository), quiet)
        assert caught.value.exit_code == 1


def test_a_registry_that_is_down_16(ours: Store) -> None:
    with _stub(503) as repository:
        with pytest.raises(WslgpuError, match="cannot be reached") as caught:
            oci.pull(ours, "ffmpeg", "ffmpeg-7.1.5", oci.Registry(repository), quiet)
        assert (caught.value.retryable, caught.value.exit_code) == (True, 2)


def test_a_registry_that_stalls_59(ours: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and answers nothing
        repository = f"127.0.0.1:{silent.getsockname()[1]}/team"
        with pytest.raises(WslgpuError, match="did not end within 1 s") as caught:
            oci.pull(ours, "ffmpeg", "ffmpeg-7.1.5", oci.Registry(repository, timeout_s=1), quiet)
    assert (caught.value.retryable, caught.value.exit_code) == (True, 2)
    assert not list(ours.path.parent.glob(".wslgpu-transfer-*"))


def test_what_a_killed_transfer_left_is_swept_up(theirs: Store, team: Team, sample: Sample) -> None:
    dead = subprocess.run(
        ["sh", "-c", "echo $$"], capture_output=True, text=True, check=True, timeout=10
    ).stdout.strip()
    left, used = (theirs.path.parent / f".wslgpu-transfer-{pid}-x" for pid in (dead, os.getpid()))
    for folder in (left, used):
        (folder / "image").mkdir(parents=True)
    oci.push(theirs, sample.record, oci.Registry(team.repository), quiet)
    assert not left.exists()
    assert used.exists()


def test_a_pin_of_the_site_must_be_met(
    theirs: Store, ours: Store, team: Team, sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSLGPU_STORE_DIR", str(theirs.path))
    assert CliRunner().invoke(cli, ["store", "push", team.repository, "--all"]).exit_code == 0
    monkeypatch.setenv("WSLGPU_STORE_DIR", str(ours.path))
    site = tmp_path / "site.yml"
    words = ["store", "pull", team.repository, "ffmpeg-7.1.5", "--site", str(site), "--json"]
    site.write_text(f"ffmpeg_build: ffmpeg-7.1.5\nffmpeg_artifact: sha256:{'0' * 64}\n")
    refused = CliRunner().invoke(cli, words)
    assert (refused.exit_code, ours.records()) == (1, [])
    site.write_text(f"ffmpeg_build: ffmpeg-7.1.5\nffmpeg_artifact: {sample.record.digest}\n")
    taken = CliRunner().invoke(cli, words)
    assert json.loads(taken.stdout)["pulled"][0]["digest"] == sample.record.digest
    assert ours.records() == [sample.record]


def test_http_is_spoken_to_loopback_only(theirs: Store, sample: Sample) -> None:
    assert oci.Registry("127.0.0.1:5000/team").insecure
    assert oci.Registry("localhost/team").insecure
    assert not oci.Registry("registry.example.com/team").insecure
    assert not oci.Registry("127.0.0.1.example.com/team").insecure
    assert oci.Registry("registry.example.com/team", plain_http=True).insecure


@pytest.mark.parametrize(
    "repository", ["team", "https://registry.example.com/x", "u:p@registry.example.com/x", "a.b/X", ""]
)
def test_what_is_no_place_in_a_registry(repository: str) -> None:
    with pytest.raises(UsageError):
        oci.Registry(repository)


def test_with_oras_where_that_is_there(
    theirs: Store, ours: Store, team: Team, sample: Sample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    oras = shutil.which("oras")
    if oras is None:
        pytest.skip("this Debian has no oras")
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "oras").symlink_to(oras)
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}")  # and no skopeo
    oci.push(theirs, sample.record, oci.Registry(team.repository), quiet)
    pull(ours, team, sample.record.name, sample.record.digest)
    assert ours.records() == [sample.record]


def test_without_any_program_for_it(
    theirs: Store, sample: Sample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(WslgpuError, match="apt-get install skopeo"):
        oci.push(theirs, sample.record, oci.Registry("127.0.0.1:9/team"), quiet)
