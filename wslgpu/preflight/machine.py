"""What kind of machine a node is, and what Windows gives it for a GPU."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wslgpu.errors import ErrorClass
from wslgpu.facts.node_shape import NodeShape
from wslgpu.preflight.finding import Finding, Severity, refuse
from wslgpu.settings import Settings


def judge_machine(shape: NodeShape, settings: Settings) -> Iterator[Finding]:
    if shape.uid != 0:
        yield refuse("node.root", f"the commands run as user {shape.uid}", "Run it with sudo.", ErrorClass.USAGE)
    architecture = shape.architecture or shape.machine
    if architecture not in ("amd64", "x86_64") or shape.machine not in ("x86_64", ""):
        named = architecture if architecture != "amd64" else shape.machine
        what = f"the architecture is {named}; only amd64 (x86_64) is supported"
        yield refuse("node.architecture", what, "Use a machine with an Intel or AMD processor.", ErrorClass.USAGE)
    if shape.distribution not in settings.supported_distributions:
        supported = ", ".join(settings.supported_distributions)
        what = f"the distribution is {shape.distribution or 'unknown'}; supported are {supported}"
        yield refuse(
            "node.distribution",
            what,
            "Install one of them, or name this one in supported_distributions if you know that it works.",
            ErrorClass.USAGE,
        )
    if shape.wsl1:
        what = f"this is WSL1 (kernel {shape.kernel}), which has no Linux kernel and no GPU"
        step = "In Windows: wsl --set-version DISTRO 2 (wsl --list --verbose shows the names)."
        yield refuse("node.wsl1", what, step, ErrorClass.USAGE)
        return
    if not shape.wsl2:
        seen = ", ".join(sorted(shape.signals)) or "none"
        if settings.wsl_required:
            what = (
                f"this is not WSL2: of its signals (kernel, dxg, interop, run-wsl, init) two are needed, seen: {seen}"
            )
            step = "Deploy to a WSL2 distro, or set wsl_required: false to admit other machines."
            yield refuse("node.wsl2", what, step, ErrorClass.USAGE)
        else:
            what = f"this is not WSL2 (signals: {seen}); it is admitted because wsl_required is false"
            yield Finding("node.wsl2", Severity.NOTE, what)
    elif _version(shape.kernel) < _version(settings.minimum_kernel):
        what = f"the kernel is {shape.kernel}; CUDA on WSL2 needs {settings.minimum_kernel} or newer"
        yield refuse("node.kernel", what, "In Windows: wsl --update, then wsl --shutdown.")
    if shape.pid1 != "systemd":
        what = f"systemd is not running: process 1 is {shape.pid1 or 'unknown'}"
        step = "Put systemd=true under [boot] in /etc/wsl.conf; then, in Windows: wsl --terminate DISTRO."
        if not shape.wsl2:
            step = "Boot this machine with systemd."
        yield refuse("node.systemd", what, step, ErrorClass.USAGE)


def _version(text: str) -> tuple[int, ...]:
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def judge_gpu(shape: NodeShape, *, gpu: bool) -> Iterator[Finding]:
    if not shape.wsl2:
        return
    if shape.linux_drivers or shape.linux_cuda:
        yield _linux_driver(shape)
    if "dxg" not in shape.signals:
        what = "/dev/dxg is missing: Windows shows this distro no GPU"
        step = (
            "In Windows: see that the GPU's driver is installed and supports WSL2, and that .wslconfig has no"
            " gpuSupport=false and no safeMode=true; here, that /etc/wsl.conf has no enabled=false under [gpu];"
            " then wsl --shutdown."
        )
        yield refuse("gpu.device", what, step) if gpu else Finding("gpu.device", Severity.NOTE, what)
        return
    with_cuda = [store for store, cuda in shape.stores.items() if cuda]
    without = [store for store, cuda in shape.stores.items() if not cuda]
    if not with_cuda and gpu:
        others = f" (seen: {', '.join(without)})" if without else ""
        what = f"no driver under /usr/lib/wsl/drivers holds libcuda.so.1.1: there is no NVIDIA driver for WSL2{others}"
        step = "Install NVIDIA's current Windows driver (not a Linux one), then, in Windows: wsl --shutdown."
        yield refuse("gpu.driver", what, step)
    if with_cuda and without:
        what = f"two kinds of GPU: NVIDIA's driver is {', '.join(with_cuda)}; another is {', '.join(without)}"
        yield Finding("gpu.hybrid", Severity.NOTE, what)
    if len(with_cuda) > 1:
        what = f"Windows keeps {len(with_cuda)} NVIDIA drivers: {', '.join(with_cuda)}"
        yield Finding("gpu.stores", Severity.NOTE, what)
    for place, kind in (("/usr/lib/wsl/lib", "overlay"), ("/usr/lib/wsl/drivers", "9p")):
        mount = shape.mount_of(place)
        if mount is None or mount.point != place:
            what = f"{place} is no mount of its own; WSL2 mounts the Windows driver there"
            yield Finding("gpu.mounts", Severity.DEGRADED, what, "In Windows: wsl --shutdown, then start it again.")
        elif mount.kind != kind:
            yield Finding("gpu.mounts", Severity.NOTE, f"{place} is of type {mount.kind}; under WSL2 it is {kind}")


def _linux_driver(shape: NodeShape) -> Finding:
    packages = sorted({*shape.linux_drivers, *(owner for owner in shape.linux_cuda.values() if owner)})
    loose = sorted(path for path, owner in shape.linux_cuda.items() if not owner)
    seen = [*packages, *sorted(shape.linux_cuda)]
    steps = []
    if packages:
        steps.append(f"apt-get remove --purge {' '.join(packages)}")
    if loose:
        steps.append(f"rm {' '.join(loose)}")
    steps.append("ldconfig")
    what = f"a Linux NVIDIA driver is installed, which hides the one that Windows provides: {', '.join(seen)}"
    return refuse("gpu.linux-driver", what, f"Remove it: {'; '.join(steps)}.")
