"""The stand-in for vLLM's server: how it starts, what it answers, and that it fails as vLLM does."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from wslgpu.lab.stand_ins import driver

TIMEOUT_S = 20.0
KEY = "a key for tests"

pytestmark = [
    pytest.mark.compiled,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine"),
]


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vllm")
    driver.build_driver_tree(folder, scenario="two-gpus", dxg="/dev/null")
    path = folder / "vllm"
    path.write_bytes(driver.compile_program("vllm_server", "-ldl"))
    path.chmod(0o755)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "Qwen3-VL"
    folder.mkdir()
    (folder / "config.json").write_text("{}\n")
    return folder


def start(
    vllm: Path, *words: str, gpus: bool = True, environment: Mapping[str, str] = MappingProxyType({})
) -> subprocess.Popen[str]:
    libraries = {"LD_LIBRARY_PATH": str(vllm.parent / "lib")} if gpus else {}
    return subprocess.Popen(
        [vllm, "serve", *words],
        env={"WSLGPU_STAND_IN_VERSION": "0.29.0", **libraries, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=TIMEOUT_S)
    return process.returncode, said


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def get(port: int, path: str, key: str = "") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
        response = connection.getresponse()
        return response.status, response.read().decode()


@contextlib.contextmanager
def serving(vllm: Path, *words: str, **environment: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    port = free_port()
    process = start(vllm, *words, "--host", "127.0.0.1", f"--port={port}", environment=environment)
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            with contextlib.suppress(OSError):
                get(port, "/health")
                break
            assert process.poll() is None, ended(process)
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield port, process
    finally:
        process.terminate()
        process.wait(timeout=TIMEOUT_S)
        if process.stderr:
            process.stderr.close()


def test_it_answers_probes_and_tells_its_model(vllm: Path, model: Path) -> None:
    with serving(vllm, str(model), "--served-model-name", "qwen") as (port, process):
        assert get(port, "/health") == (200, "")
        status, text = get(port, "/v1/models")
        assert (status, json.loads(text)["data"][0]["id"]) == (200, "qwen")
        assert get(port, "/v1/nothing")[0] == 404
        process.terminate()
        code, said = ended(process)
    assert code == 0
    assert f'arguments: ["{model}", "--served-model-name", "qwen", "--host"' in said
    assert "visible GPUs: 2; ranks: 1;" in said


@pytest.mark.parametrize("place", ["environment", "argument"])
def test_the_key_is_asked_for_and_never_printed(vllm: Path, model: Path, place: str) -> None:
    words = ("--api-key", KEY) if place == "argument" else ()
    environment = {"VLLM_API_KEY": KEY} if place == "environment" else {}
    with serving(vllm, str(model), *words, **environment) as (port, process):
        assert get(port, "/health")[0] == 200
        assert get(port, "/v1/models")[0] == 401
        assert get(port, "/v1/models", f"{KEY}x")[0] == 401
        assert get(port, "/v1/models", KEY[:-1])[0] == 401
        assert get(port, "/v1/models", KEY)[0] == 200
        process.terminate()
        assert KEY not in ended(process)[1]


def test_it_listens_when_the_model_is_loaded_and_not_before(vllm: Path, model: Path) -> None:
    (model / "wslgpu-stand-in-load-seconds").write_text("600\n")
    port = free_port()
    process = start(vllm, str(model), "--host=127.0.0.1", "--port", str(port))
    assert process.stderr
    for line in process.stderr:
        if "visible GPUs" in line:
            break
    with pytest.raises(OSError, match="refused"):
        get(port, "/health")
    assert process.poll() is None
    process.terminate()
    assert ended(process)[0] == 0


@pytest.mark.parametrize(
    ("words", "gpus", "said"),
    [
        (("/nowhere/model",), True, "Invalid repository ID or local directory specified: '/nowhere/model'."),
        (("MODEL",), False, "Failed to infer device type"),
        (("MODEL", "--tensor-parallel-size=4"), True, "World size (4) is larger than the number of available GPUs (2)"),
    ],
)
def test_it_fails_as_vllm_does(vllm: Path, model: Path, words: tuple[str, ...], gpus: bool, said: str) -> None:
    code, text = ended(start(vllm, *(str(model) if word == "MODEL" else word for word in words), gpus=gpus))
    assert (code, said in text) == (1, True), text


def test_a_port_that_is_taken_is_found(vllm: Path, model: Path) -> None:
    with serving(vllm, str(model)) as (port, _):
        code, text = ended(start(vllm, str(model), "--host=127.0.0.1", f"--port={port}"))
    assert (code, "Address already in use" in text) == (1, True), text


@pytest.mark.parametrize(
    ("words", "code"), [((), 2), (("MODEL", "--port=many"), 2), (("MODEL", "--host=nowhere.example"), 1)]
)
def test_wrong_words(vllm: Path, model: Path, words: tuple[str, ...], code: int) -> None:
    given = (str(model) if word == "MODEL" else word for word in words)
    assert ended(start(vllm, *given))[0] == code


def test_it_says_what_it_is(vllm: Path) -> None:
    asked = subprocess.run(
        [vllm, "--version"],
        env={"WSLGPU_STAND_IN_VERSION": "0.11.1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout == "vllm 0.11.1 (wslgpu lab stand-in)\n"
