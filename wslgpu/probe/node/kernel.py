"""What the kernel offers, by calling it and by the files that it makes; never by a configuration that may be missing.

Numbers of system calls: Linux arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
"""

from __future__ import annotations

import os
import time

from .base import NotSeenError, Probe
from .child import Emit
from .files import find_program, names, read_text, read_word

_X86 = {
    "memfd_create": 319,
    "userfaultfd": 323,
    "kcmp": 312,
    "io_uring_setup": 425,
    "pidfd_open": 434,
    "unshare_user": 272,
}
_GENERIC = {
    "memfd_create": 279,
    "userfaultfd": 282,
    "kcmp": 272,
    "io_uring_setup": 425,
    "pidfd_open": 434,
    "unshare_user": 97,
}
_NUMBERS = {"x86_64": _X86, "aarch64": _GENERIC, "riscv64": _GENERIC}
_CLONE_NEWUSER = 0x10000000
_UFFD_USER_MODE_ONLY = 1
_EINVAL = 22
_SYSCTLS = {
    "ip_forward": "net/ipv4/ip_forward",
    "bridge_nf_call_iptables": "net/bridge/bridge-nf-call-iptables",
    "max_map_count": "vm/max_map_count",
    "overcommit_memory": "vm/overcommit_memory",
}
_DMESG_S = 0.2
_DMESG_LINES = 40


def observe(probe: Probe) -> None:
    _calls(probe)
    probe.look("kernel.features", _features)
    probe.look("kernel.sysctl", lambda: {name: _number(f"/proc/sys/{path}") for name, path in _SYSCTLS.items()})
    probe.look("wsl.dmesg", lambda: dxg_messages(_messages()))
    if probe.wants("standard"):
        probe.look("kernel.criu", lambda: _criu(probe))


def _calls(probe: Probe) -> None:
    try:
        import ctypes  # noqa: F401 - whether it is there is the question
    except ImportError:
        probe.unknown("kernel.calls", "this python3 has no ctypes")
        return
    if os.uname().machine not in _NUMBERS:
        probe.unknown("kernel.calls", f"the numbers of system calls on {os.uname().machine} are not known here")
        return
    probe.in_child(["kernel.calls"], _call_all, timeout_s=5.0)


def _call_all(emit: Emit) -> None:
    """In a child: what they open goes with it, and a new user name space is its own."""
    import ctypes

    numbers = _NUMBERS[os.uname().machine]
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long

    def call(name: str, *arguments: object) -> int:
        ctypes.set_errno(0)
        words = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
        return ctypes.get_errno() if syscall(ctypes.c_long(numbers[name]), *words) < 0 else 0

    pid = os.getpid()
    result = {"memfd_create": call("memfd_create", ctypes.c_char_p(b"wslgpu"), 0)}
    fault = call("userfaultfd", os.O_CLOEXEC | _UFFD_USER_MODE_ONLY)
    # before Linux 5.11 there is no such flag
    result["userfaultfd"] = call("userfaultfd", os.O_CLOEXEC) if fault == _EINVAL else fault
    result["kcmp"] = call("kcmp", pid, pid, 0, 0, 0)
    result["io_uring_setup"] = call("io_uring_setup", 1, ctypes.create_string_buffer(120))
    result["pidfd_open"] = call("pidfd_open", pid, 0)
    result["unshare_user"] = call("unshare_user", _CLONE_NEWUSER)
    emit("kernel.calls", result)


def _features() -> dict[str, object]:
    filesystems = (read_text("/proc/filesystems") or "").split()
    modules = _modules()

    def offered(name: str, module: str) -> bool:
        return name in filesystems or module in modules

    rows = [line.split() for line in (read_text("/proc/cgroups") or "").splitlines()]
    return {
        "config_gz": os.path.exists("/proc/config.gz"),
        "map_files": os.path.isdir("/proc/self/map_files"),
        "overlay": offered("overlay", "overlay"),
        "nine_p": offered("9p", "9p"),
        "virtiofs": offered("virtiofs", "virtiofs"),
        "fuse": offered("fuse", "fuse"),
        "tun": os.path.exists("/dev/net/tun"),
        "kvm": os.path.exists("/dev/kvm"),
        "nft": "nf_tables" in modules,
        "ip_tables": "ip_tables" in modules or os.path.exists("/proc/net/ip_tables_names"),
        "br_netfilter": "br_netfilter" in modules or os.path.isdir("/proc/sys/net/bridge"),
        "infiniband": len(names("/sys/class/infiniband") or []),
        "nvidia_fs": os.path.isdir("/proc/driver/nvidia-fs"),
        # since Linux 6.14 a controller that version 1 does not have is not in this table
        "memcg_v1": any(row[0] == "memory" and row[3:4] == ["1"] for row in rows if row),
        "hugepages": bool(names("/sys/kernel/mm/hugepages")),
    }


def _modules() -> frozenset[str]:
    """Names of modules that are loaded, built in, or could be loaded."""
    found = set(names("/sys/module") or [])
    release = os.uname().release
    for table in ("modules.builtin", "modules.dep"):
        for line in (read_text(f"/lib/modules/{release}/{table}", 4 << 20) or "").splitlines():
            path = line.partition(":")[0]
            found.add(path.rpartition("/")[2].partition(".ko")[0].replace("-", "_"))
    return frozenset(found)


def _number(path: str) -> int | None:
    word = read_word(path)
    return int(word) if word.lstrip("-").isdigit() else None


def _messages() -> list[str]:
    """The kernel's messages, of which one read gives one."""
    try:
        descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise NotSeenError(f"/dev/kmsg: {error.strerror}") from None
    found: list[str] = []
    deadline = time.monotonic() + _DMESG_S
    try:
        while time.monotonic() < deadline:
            try:
                record = os.read(descriptor, 8192)
            except BlockingIOError:
                break
            except BrokenPipeError:
                continue  # overwritten before it was read
            if not record:
                break
            if b"dxg" in record:
                found.append(record.decode("utf-8", "replace").partition(";")[2].partition("\n")[0])
    except OSError as error:
        raise NotSeenError(f"/dev/kmsg: {error.strerror}") from None
    finally:
        os.close(descriptor)
    return found


def dxg_messages(lines: list[str]) -> dict[str, object]:
    """Counts, and the last lines. make_resident failing with -12: no memory left on the GPU (microsoft/WSL#41176)."""
    lines = [line for line in lines if "dxg" in line]
    return {
        "dxgk_errors": sum("Ioctl failed" in line for line in lines),
        "make_resident_no_memory": sum("make_resident" in line and "failed: -12" in line for line in lines),
        "lines": [line[:300] for line in lines[-_DMESG_LINES:]],
    }


def _criu(probe: Probe) -> dict[str, object] | None:
    if find_program("criu") is None:
        return None
    version = probe.ask(["criu", "--version"])
    check = probe.run(["criu", "check"], timeout_s=15.0)
    said = (check.out + check.err).strip()
    words = [line.partition(":")[2].strip() for line in version.splitlines() if line.startswith("Version:")]
    return {"version": words[0] if words else "", "check_exit": check.exit, "text": said[-2000:]}
