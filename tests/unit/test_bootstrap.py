"""What makes an environment from wheels on a bare machine, fetches a bundle, and refuses to begin without its parts."""

from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

import pytest

from wslgpu import bootstrap
from wslgpu.bootstrap import fetch as fetch_module
from wslgpu.bootstrap.install_wheels import Pin, direct_dependencies, read_pins
from wslgpu.project import PROJECT_ROOT

FOLDER = Path(str(bootstrap.__file__)).parent
HASH = "1" * 64


def wheel(
    folder: Path, name: str, version: str, files: dict[str, str], *, tag: str = "py3-none-any", needs: str = ""
) -> Path:
    path = folder / f"{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info"
    lines = "".join(f"Requires-Dist: {line}\n" for line in needs.splitlines())
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in files.items():
            archive.writestr(member.replace("INFO", info), text)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{lines}\n")
    return path


def packaging_wheel(folder: Path) -> Path:
    """The installed library as a wheel again."""
    found = distribution("packaging")
    with zipfile.ZipFile(folder / f"packaging-{found.version}-py3-none-any.whl", "w") as archive:
        for file in found.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                archive.write(str(file.locate()), str(file))
        return Path(str(archive.filename))


class Sample:
    """A project with one dependency, alpha, which needs beta; and wheels of both, and more."""

    def __init__(self, folder: Path) -> None:
        self.project, self.wheels = folder / "project", folder / "wheels"
        self.wheels.mkdir()
        (self.project / "wslgpu").mkdir(parents=True)
        (self.project / "wslgpu/__init__.py").touch()
        (self.project / "wslgpu/cli.py").write_text("import alpha, beta\nprint(alpha.NAME, beta.VERSION)\n")
        (self.project / "pyproject.toml").write_text('[project]\ndependencies = [\n  "alpha==1.0",\n]\n')
        packaging_wheel(self.wheels)
        scripts = {"INFO/entry_points.txt": "[console_scripts]\nsay = alpha:say [extra]\n\n[other]\nx = y:z\n"}
        data = {"alpha-1.0.data/scripts/plain": "#!python\nimport alpha\nprint(alpha.NAME)\n"}
        text = {"alpha/__init__.py": 'NAME = "alpha"\ndef say():\n    print("said")\n'}
        needs = "Beta>=2 ; python_version >= '3'\ngamma ; python_version < '3'\ndelta ; extra == 'more'"
        wheel(self.wheels, "alpha", "1.0", {**text, **scripts, **data}, needs=needs)
        # the one for another Python comes first by name
        wheel(self.wheels, "beta", "2.0", {"beta.py": "VERSION = 'for another Python'\n"})
        wheel(self.wheels, "beta", "2.1", {"beta.py": "VERSION = 'for this Python'\n"})
        wheel(self.wheels, "beta", "2.1", {"beta.py": "VERSION = 'for another machine'\n"}, tag="cp27-cp27m-win32")
        wheel(self.wheels, "epsilon", "1.0", {"epsilon.py": ""})
        self.pin()

    def pin(self) -> None:
        """Write requirements.txt for the wheels as they are now."""
        rows: dict[str, list[str]] = {}
        for path in sorted(self.wheels.iterdir()):
            name, version = path.name.split("-")[:2]
            marker = " ; python_version < '3'" if (name, version) == ("beta", "2.0") else ""
            rows.setdefault(f"{name}=={version}{marker}", []).append(hashlib.sha256(path.read_bytes()).hexdigest())
        lines = [
            f"{pin} \\\n" + " \\\n".join(f"    --hash=sha256:{value}" for value in row) for pin, row in rows.items()
        ]
        (self.project / "requirements.txt").write_text("\n".join(lines) + "\n")

    def install(self) -> subprocess.CompletedProcess[str]:
        # -S: without this environment's packages, as on a bare machine
        command = [sys.executable, "-I", "-S", str(FOLDER / "install_wheels.py")]
        command += ["--project", str(self.project), "--wheels", str(self.wheels)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    def says(self, program: str) -> str:
        done = subprocess.run(
            [self.project / ".venv/bin" / program], cwd=self.project, capture_output=True, text=True, check=True
        )
        return done.stdout


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return Sample(tmp_path)


def test_what_the_project_needs_is_installed_and_nothing_else(sample: Sample) -> None:
    done = sample.install()
    assert done.returncode == 0, done.stderr
    assert "has 2 packages" in done.stdout
    assert sample.says("wslgpu") == "alpha for this Python\n"
    assert sample.says("say") == "said\n"
    assert sample.says("plain") == "alpha\n"
    site = next((sample.project / ".venv/lib").glob("python3*")) / "site-packages"
    assert {path.name for path in site.iterdir() if not path.name.endswith(".dist-info")} - {"__pycache__"} == {
        "alpha",
        "beta.py",
        "wslgpu.pth",
    }
    assert not (sample.project / ".venv.new").exists()


def test_a_second_time_nothing_is_done_and_after_a_cut_it_is_made_anew(sample: Sample) -> None:
    (sample.project / ".venv.new/half").mkdir(parents=True)
    assert sample.install().returncode == 0
    inode = (sample.project / ".venv").stat().st_ino
    assert "is there already" in sample.install().stdout
    assert (sample.project / ".venv").stat().st_ino == inode
    wheel(sample.wheels, "beta", "2.1", {"beta.py": "VERSION = 'newer'\n"}, tag="py2.py3-none-any")
    (sample.wheels / "beta-2.1-py3-none-any.whl").unlink()
    sample.pin()
    assert sample.install().returncode == 0
    assert sample.says("wslgpu") == "alpha newer\n"


@pytest.mark.parametrize("name", ["alpha-1.0-py3-none-any.whl", "packaging-*.whl"])
def test_an_altered_wheel_is_refused_before_it_is_used(sample: Sample, name: str) -> None:
    path = next(sample.wheels.glob(name))
    path.write_bytes(path.read_bytes() + b"\0")
    done = sample.install()
    assert done.returncode == 1
    assert f"{path}: requirements.txt has no such sha256" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (sample.project / ".venv").exists()


def test_a_missing_wheel_is_named_with_who_needs_it(sample: Sample) -> None:
    (sample.wheels / "beta-2.1-py3-none-any.whl").unlink()
    done = sample.install()
    assert done.returncode == 1
    assert "no wheel of Beta>=2" in done.stderr
    assert "which alpha needs" in done.stderr


def test_a_wheel_cannot_write_elsewhere(sample: Sample) -> None:
    wheel(sample.wheels, "beta", "2.1", {"beta.py": "", "../../../../../escaped": "x"})
    sample.pin()
    done = sample.install()
    assert done.returncode == 1
    assert "leads out of the environment" in done.stderr
    assert not list(sample.project.parent.glob("**/escaped"))


def test_a_command_that_does_not_start_is_said_and_not_put_in_place(sample: Sample) -> None:
    (sample.project / "wslgpu/cli.py").write_text("import nowhere\n")
    for _ in range(2):
        done = sample.install()
        assert done.returncode == 1
        assert "wslgpu does not start from these wheels (ModuleNotFoundError" in done.stderr
        assert "Traceback" not in done.stderr
    assert not (sample.project / ".venv").exists()


def test_requirements_are_read_with_markers_and_all_hashes() -> None:
    hashes = f"    --hash=sha256:{HASH} \\\n    --hash=sha256:{'2' * 64}\n"
    text = f"Some_Name==1.0 ; python_version < '3.11' \\\n{hashes}b==2\n"
    assert read_pins(text) == {
        "some-name==1.0": Pin("python_version < '3.11'", frozenset({HASH, "2" * 64})),
        "b==2": Pin("", frozenset()),
    }


def test_the_projects_own_files_can_be_read() -> None:
    direct = direct_dependencies(PROJECT_ROOT / "pyproject.toml")
    pins = read_pins((PROJECT_ROOT / "requirements.txt").read_text())
    assert {"pyinfra", "pydantic"} <= {line.partition("==")[0] for line in direct}
    assert all(pins[line].hashes for line in direct)
    assert any(name.startswith("packaging==") for name in pins)


CONTENT = bytes(range(256)) * 1000


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT; what it does wrong is the path: /cut ends half-way the first time, /whole knows no ranges."""

    cuts = 0

    def do_GET(self) -> None:
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
        if self.path == "/missing":
            self.send_error(404)
            return
        if begin >= len(CONTENT):
            self.send_error(416)
            return
        ranged = "Range" in self.headers and self.path != "/whole"
        body = CONTENT[begin:] if ranged else CONTENT
        self.send_response(206 if ranged else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.path == "/cut" and not Handler.cuts:
            Handler.cuts += 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Handler.cuts = 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("path", "there"),
    [("/file", b""), ("/file", CONTENT[:1000]), ("/file", CONTENT), ("/whole", CONTENT[:1000]), ("/cut", b"")],
)
def test_a_file_is_fetched_from_where_it_was_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, there: bytes
) -> None:
    monkeypatch.setattr(fetch_module, "PAUSE_S", 0)
    file = tmp_path / "bundle.tar.part"
    if there:
        file.write_bytes(there)
    with serving() as url:
        assert fetch_module.main([url + path, str(file)]) == 0
    assert file.read_bytes() == CONTENT


def test_what_cannot_be_fetched_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fetch_module, "PAUSE_S", 0)
    with serving() as url:
        assert fetch_module.main([f"{url}/missing", str(tmp_path / "x")]) == 1
    assert capsys.readouterr().err.count("attempt") == 1  # a 404 stays one
    assert fetch_module.main([f"{url}/file", str(tmp_path / "x")]) == 1  # nobody listens there any more
    assert capsys.readouterr().err.count("attempt") == fetch_module.ATTEMPTS


def sh(script: str, *words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", FOLDER / script, *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.mark.parametrize(
    ("script", "words"), [("first_boot.sh", ("bundle", "x")), ("bootstrap.sh", ()), ("bootstrap.sh", ("-h",))]
)
def test_wrong_words_end_with_2_and_the_usage(script: str, words: tuple[str, ...]) -> None:
    done = sh(script, *words)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")


def test_bootstrap_says_what_is_missing(tmp_path: Path) -> None:
    done = sh("bootstrap.sh", tmp_path / "none.tar")
    assert (done.returncode, "there is no file" in done.stderr) == (2, True)
    bundle = tmp_path / "bundle.tar"
    bundle.touch()
    done = sh("bootstrap.sh", bundle)
    assert done.returncode == 2
    assert "has no project/deploy.py. Unpack it: tar --extract --file" in done.stderr
