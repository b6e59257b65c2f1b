"""What preflight makes of a node's shape."""

from dataclasses import replace

import pytest

from wslgpu.errors import ErrorClass
from wslgpu.facts.node_shape import Holder, Mount, NodeShape, Room, parse_mount, parse_node_shape
from wslgpu.pins import load_pins
from wslgpu.preflight import ControllerClock, Finding, Severity, judge, packages_to_come, refusals
from wslgpu.settings import PINS_FILE, Settings, resolve
from wslgpu.yaml_source import YamlDocument

GB = 1_000_000_000
NOW = 1_735_689_600


def settings(**differing: object) -> Settings:
    pins, document = load_pins(PINS_FILE)
    return resolve(pins, document, YamlDocument(PINS_FILE, differing, {}))


STORE = "/usr/lib/wsl/drivers/nv_dispi.inf_amd64_a1b2"
# mountinfo lines as a WSL 2.6 distro shows them
MOUNTINFO = r"""
69 60 8:48 / / rw,relatime - ext4 /dev/sdd rw,discard,errors=remount-ro,data=ordered
80 69 0:33 / /usr/lib/wsl/drivers ro,nosuid,nodev,noatime - 9p drivers ro,aname=drivers;fmask=222;dmask=222
81 69 0:39 / /usr/lib/wsl/lib rw,nosuid,nodev,noatime - overlay none rw,lowerdir=/gpu_lib_packaged:/gpu_lib_inbox
82 69 0:40 /init /init ro - rootfs rootfs ro,size=4054816k
110 69 0:60 / /mnt/c rw,noatime - 9p C:\134 rw,dirsync,aname=drvfs;path=C:\;uid=1000;gid=1000
111 69 0:61 / /mnt/with\040space rw - virtiofs share rw
""".strip().splitlines()
MOUNTS = tuple(mount for line in MOUNTINFO if (mount := parse_mount(line)))
ROOM = Room("/", "2096", 100 * GB, 10_000_000, 16_000_000)
GOOD = NodeShape(
    complete=True,
    clock=NOW,
    uid=0,
    pid1="systemd",
    kernel="6.6.87.2-microsoft-standard-WSL2",
    machine="x86_64",
    architecture="amd64",
    distribution="ubuntu 24.04",
    signals=("kernel", "dxg", "interop", "run-wsl"),
    mounts=MOUNTS,
    stores={STORE: True},
    lists_epoch=NOW,
    data_dir="/var/lib/wslgpu",
    rooms=tuple(replace(ROOM, path=path) for path in ("/", "/var/lib", "/var/lib/containerd", "/var/lib/wslgpu")),
    systemd="running",
)
CLOCK = ControllerClock(NOW - 0.2, NOW + 0.4)


def judged(shape: NodeShape, *, gpu: bool = True, clock: ControllerClock = CLOCK, **differing: object) -> list[Finding]:
    return judge(shape, settings(**differing), clock, gpu=gpu)


def ids(findings: list[Finding], severity: Severity = Severity.REFUSE) -> list[str]:
    return [finding.id for finding in findings if finding.severity is severity]


def test_a_good_node_is_not_refused_and_is_told_what_will_be_fetched() -> None:
    findings = judged(GOOD)
    assert ids(findings) == ids(findings, Severity.DEGRADED) == []
    assert [finding.what for finding in findings] == [
        "about 5.9 GB will be fetched (NVIDIA Container Toolkit 9.0 MB, base image 150.0 MB, runtime image 1.5 GB,"
        " devel image 4.2 GB)"
    ]


# one row: what differs, the refusal's id, its class, whether a retry may help, words of the message and of the remedy
REFUSED: list[tuple[dict[str, object], str, str, bool, str, str]] = [
    ({"uid": 1000}, "node.root", "usage", False, "user 1000", "sudo"),
    ({"architecture": "arm64"}, "node.architecture", "usage", False, "arm64", "Intel or AMD"),
    ({"machine": "aarch64"}, "node.architecture", "usage", False, "aarch64", "Intel or AMD"),
    ({"distribution": "alpine 3.20"}, "node.distribution", "usage", False, "alpine 3.20", "supported_distributions"),
    ({"distribution": ""}, "node.distribution", "usage", False, "unknown", "supported_distributions"),
    ({"signals": ("kernel",)}, "node.wsl2", "usage", False, "seen: kernel", "wsl_required: false"),
    ({"kernel": "5.4.72-microsoft-standard-WSL2"}, "node.kernel", "platform", False, "5.10.43", "wsl --update"),
    ({"pid1": "init", "systemd": ""}, "node.systemd", "usage", False, "process 1 is init", "systemd=true under [boot]"),
    ({"signals": ("kernel", "run-wsl")}, "gpu.device", "platform", False, "/dev/dxg", "gpuSupport"),
    ({"stores": {}}, "gpu.driver", "platform", False, "libcuda.so.1.1", "Windows driver"),
    ({"linux_drivers": ("nvidia-driver-550",)}, "gpu.linux-driver", "platform", False, "nvidia-driver-550",
     "apt-get remove --purge nvidia-driver-550; ldconfig"),
    ({"linux_cuda": {"/lib/libcuda.so.1": "libnvidia-compute-550"}}, "gpu.linux-driver", "platform", False,
     "/lib/libcuda.so.1", "apt-get remove --purge libnvidia-compute-550; ldconfig"),
    ({"linux_cuda": {"/opt/libcuda.so.1": ""}}, "gpu.linux-driver", "platform", False, "/opt/libcuda.so.1",
     "rm /opt/libcuda.so.1; ldconfig"),
    ({"dpkg_error": "dpkg-query: error: parsing file '/var/lib/dpkg/updates/0001'"}, "dpkg.database", "platform",
     False, "updates/0001", "dpkg --configure -a"),
    ({"apt_locks": (Holder(7, "unattended-upgr", "/var/lib/dpkg/lock"),), "missing": ("kmod",)}, "apt.lock", "timeout",
     True, "unattended-upgr (process 7)", "Never delete"),
    ({"clock": NOW - 3600}, "node.clock", "platform", True, "3600 s behind", "hwclock"),
    ({"clock": NOW + 7200}, "node.clock", "platform", True, "7200 s ahead", "hwclock"),
    ({"data_dir": "/mnt/c/wslgpu"}, "data-dir.file-system", "usage", False, "Windows drive (9p)", "/var/lib/wslgpu"),
    ({"data_dir": "/mnt/with space/x"}, "data-dir.file-system", "usage", False, "(virtiofs)", "/var/lib/wslgpu"),
    ({"mounts": (*MOUNTS, Mount("/var/lib/wslgpu", "fuse.sshfs", "x", False))}, "data-dir.file-system", "usage", False,
     "fuse.sshfs", "Linux file system"),
    ({"mounts": (*MOUNTS, Mount("/var/lib/wslgpu", "tmpfs", "x", False))}, "data-dir.file-system", "usage", False,
     "tmpfs", "on the disk"),
    ({"mounts": (*MOUNTS, Mount("/", "ext4", "/dev/sdd", True))}, "file-system.read-only", "platform", False,
     "at / is read-only", "remount"),
    ({"rooms": (replace(ROOM, path="/var/lib/containerd", free_bytes=5 * GB),)}, "disk.bytes", "platform", False,
     "5.0 GB are free", "Free space"),
    ({"rooms": (replace(ROOM, path="/var/lib/containerd", free_inodes=100),)}, "disk.inodes", "platform", False,
     "100 inodes", "too many"),
    ({"run_lock": "2025-01-01T00:00:00Z ann@desk"}, "node.lock", "timeout", True, "ann@desk, since 2025", "Wait"),
]  # fmt: skip


@pytest.mark.parametrize(("differing", "finding_id", "error_class", "retryable", "what", "step"), REFUSED)
def test_refused(
    differing: dict[str, object], finding_id: str, error_class: str, retryable: bool, what: str, step: str
) -> None:
    shape = replace(GOOD, **differing)  # type: ignore[arg-type]
    found = refusals(judged(shape))
    assert [finding.id for finding in found] == [finding_id]
    assert (found[0].error_class.value, found[0].retryable) == (error_class, retryable)
    assert what in found[0].what
    assert step in found[0].next_step


def test_all_problems_at_once_those_that_end_with_1_first() -> None:
    shape = replace(
        GOOD,
        architecture="arm64",
        distribution="alpine 3.20",
        pid1="init",
        clock=NOW - 100,
        linux_drivers=("cuda-drivers",),
        data_dir="/mnt/c/x",
    )
    assert ids(judged(shape)) == [
        "gpu.linux-driver",
        "node.architecture",
        "node.distribution",
        "node.systemd",
        "node.clock",
        "data-dir.file-system",
    ]


def test_wsl1_is_named_as_such_and_its_consequences_are_not() -> None:
    shape = replace(GOOD, kernel="4.4.0-22621-Microsoft", signals=("kernel", "interop"), pid1="init", stores={})
    found = refusals(judged(shape))
    assert [finding.id for finding in found] == ["node.wsl1"]
    assert "wsl --set-version" in found[0].next_step


def test_other_machines_are_admitted_on_purpose_and_visibly() -> None:
    shape = replace(
        GOOD, kernel="6.12.0-amd64", signals=(), stores={}, linux_drivers=("nvidia-driver-550",), linux_cuda={}
    )
    assert ids(judged(shape)) == ["node.wsl2"]
    findings = judged(shape, wsl_required=False)
    assert ids(findings) == []
    assert [f.what for f in findings if f.id == "node.wsl2"] == [
        "this is not WSL2 (signals: none); it is admitted because wsl_required is false"
    ]


def test_no_gpu_is_only_said_where_none_is_asked_for() -> None:
    shape = replace(GOOD, signals=("kernel", "run-wsl"), stores={})
    assert ids(judged(shape, gpu=False)) == []
    assert "gpu.device" in ids(judged(shape, gpu=False), Severity.NOTE)


def test_interrupted_dpkg_is_no_reason_to_stop() -> None:
    findings = judged(replace(GOOD, unfinished={"kmod": "half-configured"}))
    assert ids(findings) == []
    assert [f.what for f in findings if f.id == "dpkg.unfinished"] == [
        "dpkg was interrupted: kmod (half-configured); it is finished before anything is installed"
    ]


def test_a_lock_does_not_matter_where_nothing_is_to_be_installed() -> None:
    findings = judged(replace(GOOD, apt_locks=(Holder(7, "apt", "/var/lib/dpkg/lock"),)))
    assert ids(findings) == []
    assert "apt.lock" in ids(findings, Severity.NOTE)


def test_a_degraded_systemd_names_its_units() -> None:
    findings = judged(replace(GOOD, systemd="degraded", failed_units=("a.service", "b.mount")))
    assert [f.what for f in findings if f.severity is Severity.DEGRADED] == [
        "systemd is degraded; failed units: a.service, b.mount"
    ]


def test_hybrid_graphics_name_both_drivers() -> None:
    intel = "/usr/lib/wsl/drivers/iigd_dch.inf_amd64_77"
    findings = judged(replace(GOOD, stores={STORE: True, intel: False}))
    assert [f.what for f in findings if f.id == "gpu.hybrid"] == [
        f"two kinds of GPU: NVIDIA's driver is {STORE}; another is {intel}"
    ]


def test_the_clock_is_measured_around_the_round_trip() -> None:
    slow = ControllerClock(NOW - 300, NOW + 300)
    assert ids(judged(replace(GOOD, clock=NOW + 350), clock=slow)) == []
    assert ids(judged(replace(GOOD, clock=NOW + 361), clock=slow)) == ["node.clock"]
    assert ids(judged(replace(GOOD, clock=NOW - 61), clock=ControllerClock(NOW, NOW))) == ["node.clock"]
    assert ids(judged(replace(GOOD, clock=NOW - 60), clock=ControllerClock(NOW, NOW))) == []


def test_nothing_is_to_be_fetched_when_all_is_there() -> None:
    wanted = settings()
    digests = {
        image.name: image.digest if image.digest != "unresolved" else "sha256:any" for image in wanted.cuda_images
    }
    shape = replace(GOOD, toolkit_version=wanted.container_toolkit_version, images=digests)
    findings = judged(replace(shape, rooms=(replace(ROOM, free_bytes=GB // 2),)))
    assert [f.what for f in findings if f.id == "fetch"] == ["nothing is to be fetched"]
    assert ids(findings) == []  # too little room in reserve, and nothing that needs it
    assert ids(findings, Severity.DEGRADED) == ["disk.bytes"]


def test_packages_without_lists_are_named_and_the_toolkit_is_counted_once() -> None:
    shape = replace(GOOD, missing=("containerd", "nvidia-container-toolkit"), lists_epoch=0)
    said = next(f.what for f in judged(shape) if f.id == "fetch")
    assert said.endswith("and packages whose size apt's lists will tell: containerd")
    assert said.count("Toolkit") == 1


def test_room_is_asked_of_each_file_system_by_itself() -> None:
    rooms = (replace(ROOM, path="/"), replace(ROOM, path="/var/lib/containerd", device="7", free_bytes=10 * GB))
    found = refusals(judged(replace(GOOD, rooms=rooms)))
    assert [finding.what for finding in found] == [
        "10.0 GB are free at /var/lib/containerd, 18.6 GB are needed (17.6 GB for what is installed, 1.0 GB in reserve)"
    ]


def test_old_lists_are_fetched_first() -> None:
    shape = replace(GOOD, missing=("kmod",), fetch_bytes=95_704, lists_epoch=NOW - 3 * 86_400)
    said = next(f.what for f in judged(shape) if f.id == "fetch")
    assert "(packages 0.1 MB, " in said
    assert said.endswith("; apt's lists are 3 days old and are fetched first")


def test_an_unfinished_answer_is_no_answer() -> None:
    found = judged(replace(GOOD, complete=False))
    assert [(f.id, f.error_class) for f in found] == [("node.unreadable", ErrorClass.INTERNAL)]


# reading


def test_mounts() -> None:
    assert parse_mount(MOUNTINFO[4]) == Mount("/mnt/c", "9p", "C:\\134", False)
    assert GOOD.mount_of("/mnt/with space/x") == Mount("/mnt/with space", "virtiofs", "share", False)
    assert GOOD.mount_of("/mnt/cd/x") == Mount("/", "ext4", "/dev/sdd", False)
    assert parse_mount("nonsense - x") is None


def test_the_init_signal_is_only_wsls_own() -> None:
    assert "init" in parse_node_shape([f"mount {MOUNTINFO[3]}"]).signals
    assert "init" not in parse_node_shape([f"mount {MOUNTINFO[0]}"]).signals


@pytest.mark.parametrize(
    ("kernel", "wsl1"),
    [
        ("4.4.0-22621-Microsoft", True),
        ("4.19.104-microsoft-standard", False),
        ("6.6.87.2-microsoft-standard-WSL2", False),
        ("4.4.0-22621-generic", False),
    ],
)
def test_wsl1_by_its_kernel(kernel: str, wsl1: bool) -> None:
    assert NodeShape(kernel=kernel).wsl1 is wsl1


def test_hostile_output_is_read_as_nothing() -> None:
    shape = parse_node_shape(["", "clock 1e9", "room", "room a b", "store", "\x1b[31mclock 5", "mount x", "image a"])
    assert shape == NodeShape()


def test_packages_to_come() -> None:
    assert packages_to_come(settings(), gpu=False) == tuple(settings().base_packages)
    assert "containerd|containerd.io" in packages_to_come(settings(), gpu=True)
    assert "containerd.io" in packages_to_come(settings(containerd_package="containerd.io"), gpu=True)
