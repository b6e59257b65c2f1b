"""The stand-in device plugin asked by a fake kubelet: each version, and each way to have no GPU. No node is needed.

Building it needs root, as every build in a clean root does. Under a genuine kubelet: tests/lab/test_device_plugin.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.plugin_capture import CAPTURE, FIRST_GPU, captured, names_gpus
from wslgpu.lab.kubernetes import ensure
from wslgpu.lab.stand_ins import driver
from wslgpu.settings import DEVICE_PLUGINS_FILE
from wslgpu.workloads import plugin_pins

TIMEOUT_S = 30.0
ROWS = plugin_pins.load_device_plugins(DEVICE_PLUGINS_FILE)[0].device_plugins
FOUR = [f"GPU-0{number}111111-2222-3333-4444-555555555555" for number in (1, 2, 6, 7)]
SHARED = """\
version: v1
sharing:
  timeSlicing:
    failRequestsGreaterThanOne: true
    resources:
      - {name: nvidia.com/gpu, replicas: 3}
"""

pytestmark = [pytest.mark.compiled, pytest.mark.skipif(os.geteuid() != 0, reason="builds need root")]


@pytest.fixture(scope="module")
def programs() -> Path:
    return ensure.program(ensure.STAND_IN_PLUGIN, lambda _: None) / "bin"


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The libraries of two drivers: one takes event registrations, one refuses them as WSL2's may."""
    folder = tmp_path_factory.mktemp("drivers")
    for scenario in ("four-gpus", "four-gpus-events"):
        driver.build_driver_tree(folder / scenario, scenario=scenario, dxg="/dev/null")
    return folder


class Kubelet:
    """A fake kubelet in a folder, and what it has said."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.folder = folder
        self.said: queue.Queue[dict[str, Any]] = queue.Queue()
        self.process = subprocess.Popen(
            [program, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        threading.Thread(target=self._read, daemon=True).start()
        self.wait_for("serving")

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.said.put(json.loads(line))

    def ask(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n")

    def wait_for(self, *events: str) -> dict[str, Any]:
        """The next of these; others are passed over."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                body = self.said.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"the kubelet never said {events}") from None
            if body["event"] in events:
                return body

    def allocate(self, count: int) -> dict[str, Any]:
        self.ask(f"allocate {count}")
        return self.wait_for("allocated", "refused", "insufficient")


class Plugin:
    """A running stand-in."""

    def __init__(self, program: Path, folder: Path, libraries: Path | None, **environment: str) -> None:
        self.log = folder / "plugin.log"
        search = {"LD_LIBRARY_PATH": str(libraries)} if libraries else {}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [program],
                env={"WSLGPU_STAND_IN_SOCKETS": str(folder), **search, **environment},
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    @property
    def text(self) -> str:
        return self.log.read_text()

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while text not in self.text:
            assert time.monotonic() < deadline, f"it never said {text!r}:\n{self.text}"
            time.sleep(0.02)


@contextlib.contextmanager
def stopped(process: subprocess.Popen[Any]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()


@contextlib.contextmanager
def running(
    programs: Path, folder: Path, version: str, libraries: Path | None, **environment: str
) -> Iterator[tuple[Kubelet, Plugin]]:
    kubelet = Kubelet(programs / "fake-kubelet", folder)
    with stopped(kubelet.process):
        program = programs / "nvidia-device-plugin"
        plugin = Plugin(program, folder, libraries, WSLGPU_STAND_IN_VERSION=version, **environment)
        with stopped(plugin.process):
            yield kubelet, plugin


@pytest.mark.parametrize("version", ["0.17.1", "0.19.3"])
def test_it_does_what_the_genuine_one_was_seen_to_do(tmp_path: Path, programs: Path, trees: Path, version: str) -> None:
    genuine = captured(version)
    with running(programs, tmp_path, version, trees / "four-gpus-events/lib") as (kubelet, plugin):
        assert kubelet.wait_for("registered")["resource"] == "nvidia.com/gpu"
        devices = kubelet.wait_for("devices")["devices"]
        assert list(devices.values()) == ["Healthy"] * genuine.allocatable
        one, four = kubelet.allocate(1), kubelet.allocate(4)
        plugin.wait_for(genuine.log[-1])
    assert one == {
        "event": "allocated",
        "env": {"NVIDIA_VISIBLE_DEVICES": genuine.for_one},
        "device_nodes": [],
        "mounts": 0,
    }
    if genuine.pending:
        assert four == {"event": "insufficient", "allocatable": genuine.allocatable}
    else:
        assert genuine.for_four == "<four UUIDs, comma separated>"
        assert four["env"] == {"NVIDIA_VISIBLE_DEVICES": ",".join(FOUR)}
    for line in genuine.log:
        assert line.replace("/var/lib/kubelet/device-plugins", str(tmp_path)) in plugin.text


@pytest.mark.parametrize("version", list(ROWS))
def test_each_version_of_the_table_does_what_the_table_says(
    tmp_path: Path, programs: Path, trees: Path, version: str
) -> None:
    row = ROWS[version]
    with running(programs, tmp_path, version, trees / "four-gpus/lib") as (kubelet, plugin):
        devices = kubelet.wait_for("devices")["devices"]
        assert sorted(devices) == (["all"] if row.advertises == "single-all" else FOUR)
        if row.refused_events == "unhealthy":
            while set(devices.values()) != {"Unhealthy"}:
                devices = kubelet.wait_for("devices")["devices"]
            assert kubelet.allocate(1) == {"event": "insufficient", "allocatable": 0}
        elif row.advertises == "per-gpu":
            plugin.wait_for("too old to support healthchecking")
            assert kubelet.allocate(4)["event"] == "allocated"
        else:
            assert kubelet.allocate(1)["env"] == {"NVIDIA_VISIBLE_DEVICES": "all"}


def test_what_it_says_where_registration_is_refused(tmp_path: Path, programs: Path, trees: Path) -> None:
    genuine = captured("0.17.1")
    with running(programs, tmp_path, "0.17.1", trees / "four-gpus/lib") as (kubelet, plugin):
        while "Healthy" in kubelet.wait_for("devices")["devices"].values():
            pass
        assert kubelet.allocate(1)["allocatable"] == genuine.refused_allocatable == 0
        assert len(genuine.refused_log) == 2
        for line in genuine.refused_log:
            assert names_gpus(line, plugin.text)


def test_without_health_checks_nothing_is_unhealthy(tmp_path: Path, programs: Path, trees: Path) -> None:
    off = {"DP_DISABLE_HEALTHCHECKS": "all"}
    with running(programs, tmp_path, "0.17.1", trees / "four-gpus/lib", **off) as (kubelet, plugin):
        assert set(kubelet.wait_for("devices")["devices"].values()) == {"Healthy"}
        assert kubelet.allocate(4)["event"] == "allocated"
        assert "too old" not in plugin.text


def test_an_error_of_the_gpu_makes_it_unhealthy(tmp_path: Path, programs: Path, trees: Path) -> None:
    libraries = tmp_path / "lib"
    libraries.mkdir()
    for path in (trees / "four-gpus-events/lib").iterdir():
        (libraries / path.name).write_bytes(path.read_bytes())
    scenario = libraries / "wslgpu-stand-in.scenario"
    scenario.chmod(0o644)
    scenario.write_text("nvml.event_xid = 79\nnvml.nvmlDeviceRegisterEvents = works\n")
    sockets = tmp_path / "sockets"
    sockets.mkdir()
    with running(programs, sockets, "0.17.1", libraries) as (kubelet, plugin):
        while (devices := kubelet.wait_for("devices")["devices"])[FIRST_GPU] != "Unhealthy":
            pass
        assert sorted(devices.values()) == ["Healthy"] * 3 + ["Unhealthy"]
        assert "XidCriticalError: Xid=79" in plugin.text


def test_it_registers_again_when_the_kubelet_starts_again(tmp_path: Path, programs: Path, trees: Path) -> None:
    with running(programs, tmp_path, "0.19.3", trees / "four-gpus/lib") as (kubelet, plugin):
        kubelet.wait_for("devices")
        kubelet.ask("restart")
        kubelet.wait_for("registered")
        assert kubelet.wait_for("devices")["devices"] == {"all": "Healthy"}
        assert kubelet.allocate(1)["event"] == "allocated"
        assert f"inotify: {tmp_path}/kubelet.sock created, restarting." in plugin.text


def test_shared_gpus_are_several_devices(tmp_path: Path, programs: Path, trees: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(SHARED)
    with running(programs, tmp_path, "0.19.3", trees / "four-gpus/lib", CONFIG_FILE=str(file)) as (kubelet, _):
        assert sorted(kubelet.wait_for("devices")["devices"]) == ["all::0", "all::1", "all::2"]
        assert kubelet.allocate(1)["env"] == {"NVIDIA_VISIBLE_DEVICES": "all"}
        assert "maximum request size for shared resources is 1; found 2" in kubelet.allocate(2)["text"]


def test_device_nodes_are_given_where_they_are_asked_for(tmp_path: Path, programs: Path, trees: Path) -> None:
    with running(programs, tmp_path, "0.19.3", trees / "four-gpus/lib", PASS_DEVICE_SPECS="true") as (kubelet, _):
        kubelet.wait_for("devices")
        assert kubelet.allocate(1)["device_nodes"] == ["/dev/dxg"]


def test_without_the_driver_it_waits_or_ends_as_it_is_told(tmp_path: Path, programs: Path, trees: Path) -> None:
    with running(programs, tmp_path, "0.19.3", None, FAIL_ON_INIT_ERROR="false") as (kubelet, plugin):
        plugin.wait_for("No devices found. Waiting indefinitely.")
        assert "Incompatible strategy detected auto" in plugin.text
        assert plugin.process.poll() is None
        assert kubelet.said.empty()
    with running(programs, tmp_path, "0.19.3", None) as (_, plugin):
        assert plugin.process.wait(timeout=TIMEOUT_S) == 1
        assert "invalid device discovery strategy" in plugin.text


def test_dxcore_alone_is_wsl_without_nvml(tmp_path: Path, programs: Path, trees: Path) -> None:
    libraries = tmp_path / "lib"
    libraries.mkdir()
    (libraries / "libdxcore.so").write_bytes((trees / "four-gpus/lib/libdxcore.so").read_bytes())
    with running(programs, tmp_path, "0.19.3", libraries) as (_, plugin):
        assert plugin.process.wait(timeout=TIMEOUT_S) == 1
        assert "Failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND" in plugin.text


def test_a_library_that_lacks_a_function_ends_it_as_the_loader_would(
    tmp_path: Path, programs: Path, trees: Path
) -> None:
    assert 'symbol lookup error" and exit 127' in CAPTURE.read_text()
    libraries = tmp_path / "lib"
    libraries.mkdir()
    (libraries / "libdxcore.so").write_bytes((trees / "four-gpus/lib/libdxcore.so").read_bytes())
    (libraries / "libnvidia-ml.so.1").write_bytes((trees / "four-gpus/lib/libnvoptix.so.1").read_bytes())
    with running(programs, tmp_path, "0.19.3", libraries) as (_, plugin):
        assert plugin.process.wait(timeout=TIMEOUT_S) == 127
        assert "symbol lookup error" in plugin.text


@pytest.mark.parametrize("version", ["0.16.2", "", "v0.19.3"])
def test_a_version_that_nobody_described_is_refused(tmp_path: Path, programs: Path, version: str) -> None:
    with running(programs, tmp_path, version, None) as (_, plugin):
        assert plugin.process.wait(timeout=TIMEOUT_S) == 1
        assert f'does not know version "{version}" of the device plugin' in plugin.text
        assert "0.19.3" in plugin.text


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"DEVICE_LIST_STRATEGY": "cdi-cri"}, "invalid --device-list-strategy option"),
        ({"DEVICE_ID_STRATEGY": "name"}, "invalid --device-id-strategy option"),
        ({"MIG_STRATEGY": "single"}, "invalid --mig-strategy option"),
        ({"PASS_DEVICE_SPECS": "perhaps"}, "invalid --pass-device-specs option"),
        ({"CONFIG_FILE": "/nowhere.yaml"}, "unable to load config"),
    ],
)
def test_what_it_does_not_stand_in_for_is_refused(
    tmp_path: Path, programs: Path, environment: dict[str, str], said: str
) -> None:
    with running(programs, tmp_path, "0.19.3", None, **environment) as (_, plugin):
        assert plugin.process.wait(timeout=TIMEOUT_S) == 1
        assert said in plugin.text


def test_it_says_what_it_is(programs: Path) -> None:
    asked = subprocess.run(
        [programs / "nvidia-device-plugin", "--version"],
        env={"WSLGPU_STAND_IN_VERSION": "0.17.1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"v0\.17\.1 \(wslgpu lab stand-in\)", asked.stdout)
