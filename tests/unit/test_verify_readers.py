"""What the suites make of what a node prints."""

from __future__ import annotations

import json

import pytest

from tests.node.support import apt, cdi, cri, kubernetes, wsl
from tests.node.support.node import TIMED_OUT, Answer
from tests.node.test_container_toolkit_containers import parse_sight
from tests.node.test_wsl import DRIVER_PACKAGES


def _field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def frame(config: object, *, ready: int = 1) -> bytes:
    """A gRPC frame with the StatusResponse that containerd would send."""
    condition = _field(1, b"RuntimeReady") + _field(2, ready)
    entry = _field(1, b"config") + _field(2, json.dumps(config).encode())
    message = _field(1, _field(1, condition)) + _field(2, entry)
    return b"\0" + len(message).to_bytes(4, "big") + message


CONFIG = {
    "containerd": {
        "defaultRuntimeName": "nvidia",
        "runtimes": {"nvidia": {"runtimeType": "t", "options": {"BinaryName": "/usr/bin/x", "SystemdCgroup": True}}},
        "padding": "x" * 300,
    },
    "enableCDI": True,
}


def test_the_running_configuration_is_read() -> None:
    found = cri.parse_status(frame(CONFIG))
    assert found.ready
    assert found.default_runtime == "nvidia"
    assert found.runtime_option("nvidia", "BinaryName") == "/usr/bin/x"
    assert found.runtime_option("nvidia", "SystemdCgroup") is True
    assert found.runtime("runc") is None
    assert found.runtime_option("runc", "SystemdCgroup") is None
    assert not cri.parse_status(frame(CONFIG, ready=0)).ready


@pytest.mark.parametrize("data", [b"", b"\0\0\0\0\5abc", b"\1\0\0\0\0", frame(CONFIG)[:-1], b"\0\0\0\0\2\x12\x7f"])
def test_what_is_no_answer_is_refused(data: bytes) -> None:
    with pytest.raises(cri.NotProtobufError):
        cri.parse_status(data)


POLICY = """\
nvidia-container-toolkit:
  Installed: 1.20.0-1
  Candidate: 1.20.0-1
  Version table:
     1.21.0-1 500
        500 http://10.0.0.1/stable/deb/amd64  Packages
 *** 1.20.0-1 1001
        100 /var/lib/dpkg/status
"""


def test_apts_choice_is_read() -> None:
    found = apt.parse_policy(POLICY)
    assert (found.installed, found.candidate) == ("1.20.0-1", "1.20.0-1")
    assert found.priorities == {"1.21.0-1": 500, "1.20.0-1": 1001}
    assert apt.parse_policy("x:\n  Installed: (none)\n  Candidate: (none)\n") == apt.Policy()


@pytest.mark.parametrize(
    ("address", "place", "may"),
    [
        ("127.0.0.1", "[::1]:6443", True),
        ("127.0.0.1", "*:6443", False),
        ("192.0.2.1", "192.0.2.1:6443", True),
        ("192.0.2.1", "127.0.0.1:6443", True),
        ("192.0.2.1", "192.0.2.2:6443", False),
        ("2001:db8::1", "[2001:db8::1]:6443", True),
        ("::", "*:6443", True),
    ],
)
def test_where_k3s_may_listen(address: str, place: str, may: bool) -> None:
    assert (place in kubernetes.k3s_may_listen(address)) is may


def test_sources_are_read_stanza_by_stanza() -> None:
    text = "# c\nTypes: deb\nURIs: http://a/\n http://b/\nSigned-By: /k.gpg\n\n\nTypes: deb-src\n"
    assert apt.deb822(text) == [
        {"types": "deb", "uris": "http://a/ http://b/", "signed-by": "/k.gpg"},
        {"types": "deb-src"},
    ]


def test_wsl_conf_is_read_as_wsl_reads_it() -> None:
    rows = wsl.parse_conf('\ufeff# c\n[Boot]\nSystemd = true # yes\ncommand="a # b"\nnonsense\n[user]\ndefault=me\n')
    assert [(row.line, row.section, row.key, row.value) for row in rows if not row.broken] == [
        (3, "Boot", "Systemd", "true"),
        (4, "Boot", "command", "a # b"),
        (7, "user", "default", "me"),
    ]
    assert [row.line for row in rows if row.broken] == [5]
    assert rows[0].is_key("boot", "systemd")


@pytest.mark.parametrize(
    ("found", "wanted", "same"),
    [("TRUE", True, True), ("1", True, True), ("false", True, False), ("v2", "v2", True), ("10", 10, True)],
)
def test_values_are_compared_as_wsl_does(found: str, wanted: bool | int | str, same: bool) -> None:
    assert wsl.same_value(found, wanted) is same


def test_kernel_releases_compare_by_number() -> None:
    assert wsl.numbers("6.6.87.2-microsoft-standard-WSL2") > wsl.numbers("5.10.43") > wsl.numbers("4.19.0-x")
    assert wsl.numbers("odd") == ()


SPEC = """\
---
cdiVersion: 0.3.0
kind: nvidia.com/gpu
devices:
    - name: all
      containerEdits:
        deviceNodes:
            - path: /dev/dxg
containerEdits:
    hooks:
        - hookName: createContainer
          path: /usr/bin/nvidia-cdi-hook
    mounts:
        - hostPath: /h/libcuda.so.1.1
          containerPath: /c/libcuda.so.1.1
"""


def test_a_spec_is_read() -> None:
    spec = cdi.parse("/etc/cdi/nvidia.yaml", SPEC)
    assert spec.devices == ["all"]
    assert spec.device_nodes == ["/dev/dxg"]
    assert spec.mounts == {"/h/libcuda.so.1.1": "/c/libcuda.so.1.1"}
    assert spec.hook_programs == ["/usr/bin/nvidia-cdi-hook"]


@pytest.mark.parametrize("text", ["", "[]", "a: [", "kind: x"])
def test_what_is_no_spec_is_named(text: str) -> None:
    with pytest.raises(AssertionError, match=r"/etc/cdi/x\.yaml"):
        cdi.parse("/etc/cdi/x.yaml", text)


def test_what_a_container_saw_is_read() -> None:
    out = "began\ndevice /dev/null\nmount /proc\nlibrary libcuda.so.1 /usr/lib/wsl/x\nfile 1:2:3 /a b\nended\n"
    sight = parse_sight(Answer(0, out, ""))
    assert sight.devices == {"/dev/null"}
    assert sight.mounts == {"/proc"}
    assert sight.libraries == ("libcuda.so.1 /usr/lib/wsl/x",)
    assert sight.files == {"/a b": "1:2:3"}


@pytest.mark.parametrize(
    "answer", [Answer(0, "", ""), Answer(0, "began\n", ""), Answer(TIMED_OUT, "began\nended\n", "")]
)
def test_a_container_that_did_not_run_proves_nothing(answer: Answer) -> None:
    with pytest.raises(AssertionError, match="did not run"):
        parse_sight(answer)


@pytest.mark.parametrize(
    ("name", "driver"),
    [
        ("nvidia-driver-580", True),
        ("nvidia-driver", True),
        ("cuda-drivers", True),
        ("libcuda1", True),
        ("libnvidia-compute-580", True),
        ("nvidia-dkms-580-open", True),
        ("nvidia-utils-580", True),
        ("nvidia-container-toolkit", False),
        ("libnvidia-container1", False),
        ("libnvidia-container-tools", False),
        ("cuda-toolkit-13-0", False),
        ("nvidia-cuda-toolkit", False),
    ],
)
def test_linux_drivers_are_told_from_the_toolkit(name: str, driver: bool) -> None:
    assert bool(DRIVER_PACKAGES.fullmatch(name)) is driver
