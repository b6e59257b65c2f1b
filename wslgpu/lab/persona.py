"""What a lab node pretends to be. Data first; how a node is given a shape is in shape.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from wslgpu.errors import ErrorClass
from wslgpu.lab.errors import LabError

WSL2_RELEASE = "6.6.87.2-microsoft-standard-WSL2"  # WSL 2.5.10 to 2.6.3
WSL1_RELEASE = "4.4.0-22621-Microsoft"
STORE_HASH = "a1b2c3d4e5f60718"
DRIVER_VERSION = "581.80"

KERNEL_STAND_IN = "kernel name: files bound over /proc/version and /proc/sys/kernel/osrelease; uname(2) is the host's"
DRIVER_STAND_IN = "NVIDIA driver, nvidia-smi and driver store: the lab's own stand-ins, no GPU behind them"
DXG_STAND_IN = "/dev/dxg: a device node of another driver's number, which can be opened and does nothing"
DRIVES_STAND_IN = "/usr/lib/wsl/drivers: a bind mount, not 9p; /mnt/c, cmd.exe, wslinfo, wslpath: no Windows there"
SIGNAL_STAND_IN = "/init, /run/WSL and binfmt_misc/WSLInterop: files without WSL behind them"


@dataclass(frozen=True)
class Persona:
    """One kind of machine.

    :param kernel_release: what /proc says the kernel is; None leaves the real one
    :param driver: scenario of the driver tree under /usr/lib/wsl; None for no GPU
    :param linux_driver: an NVIDIA driver package of the distribution is installed, which WSL must not have
    :param os_release: replaces /etc/os-release
    :param wsl_required: the deploy's ``wsl_required`` for a lab of this persona
    :param missing: what the real machine has and this one lacks, in words
    """

    name: str
    summary: str
    kernel_release: str | None = WSL2_RELEASE
    driver: str | None = "one-gpu"
    linux_driver: bool = False
    os_release: Mapping[str, str] = field(default_factory=dict)
    lsb_release: Mapping[str, str] = field(default_factory=dict)
    wsl_required: bool = True
    missing: tuple[str, ...] = ()

    @property
    def wsl(self) -> bool:
        return self.kernel_release is not None

    @property
    def wsl1(self) -> bool:
        return self.kernel_release == WSL1_RELEASE

    @property
    def stand_ins(self) -> tuple[str, ...]:
        """What on such a node only imitates; reports show it."""
        found: list[str] = []
        if self.wsl:
            found += [KERNEL_STAND_IN, SIGNAL_STAND_IN, DRIVES_STAND_IN]
        if self.driver is not None:
            found += [DXG_STAND_IN, DRIVER_STAND_IN]
        return tuple(found)


UBUNTU_OS_RELEASE = {
    "PRETTY_NAME": "Ubuntu 24.04.3 LTS",
    "NAME": "Ubuntu",
    "VERSION_ID": "24.04",
    "VERSION": "24.04.3 LTS (Noble Numbat)",
    "VERSION_CODENAME": "noble",
    "ID": "ubuntu",
    "ID_LIKE": "debian",
    "HOME_URL": "https://www.ubuntu.com/",
    "UBUNTU_CODENAME": "noble",
}
UBUNTU_LSB_RELEASE = {
    "DISTRIB_ID": "Ubuntu",
    "DISTRIB_RELEASE": "24.04",
    "DISTRIB_CODENAME": "noble",
    "DISTRIB_DESCRIPTION": "Ubuntu 24.04.3 LTS",
}

PERSONAS = {
    persona.name: persona
    for persona in (
        Persona("wsl2", "a WSL2 distro on a machine with one NVIDIA GPU"),
        Persona("wsl2-two-gpus", "a WSL2 distro on a machine with two NVIDIA GPUs", driver="two-gpus"),
        Persona("wsl2-hybrid-gpu", "a WSL2 distro on a laptop: integrated and NVIDIA GPU", driver="hybrid"),
        Persona("wsl1", "a WSL1 distro: no GPU, no systemd of its own", kernel_release=WSL1_RELEASE, driver=None),
        Persona("no-gpu", "a WSL2 distro on a machine without a GPU", driver=None),
        Persona(
            "linux-driver-installed",
            "a WSL2 distro into which somebody installed a Linux NVIDIA driver",
            linux_driver=True,
        ),
        Persona("plain-linux", "a Linux machine, no WSL", kernel_release=None, driver=None, wsl_required=False),
        Persona(
            "ubuntu-24.04",
            "a WSL2 distro that calls itself Ubuntu 24.04",
            os_release=UBUNTU_OS_RELEASE,
            lsb_release=UBUNTU_LSB_RELEASE,
            missing=(
                "Ubuntu's archive: apt still uses Debian's, with Debian's signing keys",
                "Ubuntu's packages: versions of glibc, systemd, containerd and all else are Debian's",
                "snapd, netplan and ubuntu-pro, which an Ubuntu distro in WSL has",
            ),
        ),
    )
}


def find(name: str) -> Persona:
    try:
        return PERSONAS[name]
    except KeyError:
        raise LabError(
            what=f"there is no persona {name!r}",
            where="--persona",
            next_step=f"one of {', '.join(PERSONAS)}",
            error_class=ErrorClass.USAGE,
        ) from None


def with_driver(persona: Persona, scenario: str) -> Persona:
    """The persona with another scenario of the stand-in driver; itself when *scenario* is empty.

    :raises UsageError: there is no such scenario
    :raises LabError: the persona has no driver, or the scenario is not of its platform
    """
    if not scenario:
        return persona
    from wslgpu.lab.stand_ins import scenarios

    platform = scenarios.find(scenario).platform
    if persona.driver is None:
        what, next_step = f"the persona {persona.name} has no driver", "use a persona with a GPU, such as wsl2"
    elif platform != "wsl2":
        what = f"the driver scenario {scenario} is of a {platform} machine; the persona {persona.name} is WSL2"
        next_step = "use a scenario of WSL2: no persona is a Linux machine with a GPU"
    else:
        return replace(persona, driver=scenario)
    raise LabError(what=what, where="--driver", next_step=next_step, error_class=ErrorClass.USAGE)
