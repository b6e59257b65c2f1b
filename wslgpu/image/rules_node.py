"""Rules about users and programs, and about what an image must not bring along from where it was made."""

from __future__ import annotations

import fnmatch
import re
import struct
from collections.abc import Iterator

from wslgpu.build.elf import MACHINE_AMD64, MAGIC
from wslgpu.image.contents import Contents, Member
from wslgpu.image.rules_files import boots_systemd
from wslgpu.site_access import PROXY_ENVIRONMENT

_CLOSED = re.compile(r"[!*]*")
"""A password field without a hash: ``*``, ``!``, ``!*``, ``!!``, or nothing."""
KERNELS = ("boot/vmlinu*", "boot/initr*", "boot/*.img", "usr/lib/modules/*/vmlinu*", "vmlinu*", "initrd*")
TRACES = (
    "*wslgpu-lab*",
    "etc/hostname",
    "etc/ssh/sshd_config.d/00-lab.conf",
    "home/*",
    "root/.ssh",
    "var/lib/apt/lists/*_*",
    "var/cache/apt/archives/*.deb",
    "var/lib/systemd/random-seed",
    "var/lib/systemd/credential.secret",
    "var/lib/cloud/*",
    "var/log/*.log",
    "var/log/journal/*",
    "tmp/*",
    "var/tmp/*",
    "run/*",
)
SECRETS = (
    *("*/authorized_keys", "*/.bash_history", "*/.ash_history", "*/id_rsa", "*/id_ed25519", "*/id_ecdsa"),
    *("*/.netrc", "*/.git-credentials", "*/.docker/config.json", "etc/apt/auth.conf", "etc/apt/auth.conf.d/*"),
    *("etc/ssl/private/*", "etc/kubernetes/*.conf", "etc/kubernetes/pki/*", "var/lib/kubelet/pki/*"),
    *("etc/rancher/*/*.yaml", "var/lib/rancher/k3s/server/*"),
)


def _lines(contents: Contents, path: str) -> list[tuple[int, list[str]]]:
    text = contents.text(path) or ""
    return [(number, line.split(":")) for number, line in enumerate(text.splitlines(), 1) if line]


def passwd(contents: Contents) -> Iterator[str]:
    found = contents.find("/etc/passwd")
    if found is None or contents.text("/etc/passwd") is None:
        yield "there is no /etc/passwd"
        return
    member = found[1]
    if member.mode not in (0o644, 0o664) or (member.uid, member.gid) != (0, 0):
        yield f"/etc/passwd has mode {member.mode:04o} and owner {member.uid}:{member.gid}; it should be 0644 and 0:0"
    seen: dict[str, str] = {}
    for number, fields in _lines(contents, "/etc/passwd"):
        if len(fields) != 7 or not fields[2].isdigit():
            yield f"/etc/passwd:{number} is no whole line"
        elif fields[2] in seen:
            yield f"/etc/passwd:{number} gives {fields[0]} the uid {fields[2]} of {seen[fields[2]]}"
        else:
            seen[fields[2]] = fields[0]


def root_user(contents: Contents) -> Iterator[str]:
    names = [fields[0] for _, fields in _lines(contents, "/etc/passwd") if len(fields) == 7 and fields[2] == "0"]
    if names[:1] != ["root"]:
        yield f"the user with uid 0 is {names[0] if names else 'missing'}"


def shadow_mode(contents: Contents) -> Iterator[str]:
    found = contents.find("/etc/shadow")
    if found is None:
        yield "there is no /etc/shadow"
        return
    member = found[1]
    if member.mode not in (0o640, 0o600, 0) or member.uid != 0:
        yield f"/etc/shadow has mode {member.mode:04o} and owner {member.uid}; it should be 0640 and 0"


def shadow_hashes(contents: Contents) -> Iterator[str]:
    for path in ("/etc/shadow", "/etc/shadow-", "/etc/gshadow"):
        for number, fields in _lines(contents, path):
            if len(fields) > 1 and not _CLOSED.fullmatch(fields[1]):
                yield f"{path}:{number} has a password for {fields[0]}"  # its hash is nobody's business
            elif fields[1:2] == [""] and path != "/etc/gshadow":
                yield f"{path}:{number} lets {fields[0]} in without a password"


def _program(contents: Contents, path: str) -> Iterator[str]:
    found = contents.find(path)
    if found is None:
        yield f"there is no {path}"
        return
    member = found[1]
    if member.mode not in (0o755, 0o775) or (member.uid, member.gid) != (0, 0):
        yield f"{path} has mode {member.mode:04o} and owner {member.uid}:{member.gid}; it should be 0755 and 0:0"
    if not is_amd64(member):
        yield f"{path} is no x86-64 program"


def is_amd64(member: Member) -> bool:
    """Its ELF header says 64 bits, little-endian, x86-64. Source: System V ABI, "ELF Header"."""
    data = member.data
    if len(data) < 20 or not data.startswith(MAGIC) or data[4:6] != b"\x02\x01":
        return False
    machine: int = struct.unpack_from("<H", data, 18)[0]
    return machine == MACHINE_AMD64


def init_program(contents: Contents) -> Iterator[str]:
    if boots_systemd(contents):
        yield from _program(contents, "/sbin/init")


def shells(contents: Contents) -> Iterator[str]:
    for path in ("/bin/bash", "/bin/sh"):
        yield from _program(contents, path)


def resolv_conf(contents: Contents) -> Iterator[str]:
    if contents.there("/etc/resolv.conf") is not None:
        yield "/etc/resolv.conf is in the image; WSL writes it"


def kernel(contents: Contents) -> Iterator[str]:
    for path, member in contents.by_path.items():
        if member.kind != "directory" and any(fnmatch.fnmatchcase(path, pattern) for pattern in KERNELS):
            yield f"/{path} is in the image; WSL brings its own kernel"


def machine_id(contents: Contents) -> Iterator[str]:
    member = contents.there("/etc/machine-id")
    if member is None or member.kind != "file":
        yield "there is no /etc/machine-id: systemd would take each start for the first one"
    elif member.size_bytes:
        yield "/etc/machine-id is not empty: all machines made from the image would be one"
    elif (other := contents.there("/var/lib/dbus/machine-id")) is not None and other.kind != "link":
        yield "/var/lib/dbus/machine-id is a file of its own: all machines made from the image would be one"


def host_keys(contents: Contents) -> Iterator[str]:
    for path, _ in contents.below("/etc/ssh"):
        if fnmatch.fnmatchcase(path, "etc/ssh/ssh_host_*_key*"):
            yield f"/{path} is in the image: all machines made from it would share it"


def _matching(contents: Contents, patterns: tuple[str, ...]) -> Iterator[str]:
    for path in contents.by_path:
        if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns):
            yield f"/{path} is in the image"


def secrets(contents: Contents) -> Iterator[str]:
    yield from _matching(contents, SECRETS)
    text = contents.text(PROXY_ENVIRONMENT) or ""
    if re.search(r"://[^/\s]*@", text):
        yield f"{PROXY_ENVIRONMENT} holds a password"


def traces(contents: Contents) -> Iterator[str]:
    yield from _matching(contents, TRACES)
