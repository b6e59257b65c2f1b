"""What provisioning is about, as values: two nodes of one lab that were provisioned alike have equal end states."""

from __future__ import annotations

import json
from typing import Any

from wslgpu.lab import Node

NOISE = {
    "/etc/machine-id": "each node has its own",
    "/etc/hostname": "each node has its own",
    "/etc/hosts": "names the other nodes",
    "/etc/resolv.conf": "the lab's, not provisioned",
    "/etc/ssh": "host keys; nothing there is provisioned",
    "/etc/wslgpu-lab": "the lab's own mark",
    "/etc/ld.so.cache": "holds time stamps of libraries",
    "/etc/.pwd.lock": "appears when a package makes a user",
    "/etc/.updated": "when systemd last saw /usr change",
    "/var/lib/wslgpu/manifest.json": "says when, and counts its writes; the rest of it is compared on its own",
}

PROGRAM = r"""
import hashlib, json, os, pwd, grp, re, stat, subprocess, sys

noise = tuple(json.load(sys.stdin))
places = ["/etc", "/usr/share/keyrings", "/usr/local/share/ca-certificates", "/var/lib/wslgpu", "/var/run/cdi",
          "/root/.docker", "/etc/cdi", "/usr/local/lib/wslgpu"]

def lines(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    return done.stdout.splitlines()

files = {}
for place in places:
    for folder, directories, names in os.walk(place):
        for path in [folder, *(os.path.join(folder, name) for name in [*directories, *names])]:
            if path in noise or path.startswith(tuple(f"{entry}/" for entry in noise)):
                continue
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                what = "link to " + os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                with open(path, "rb") as handle:
                    what = hashlib.sha256(handle.read()).hexdigest()
            else:
                what = "directory" if stat.S_ISDIR(status.st_mode) else "special"
            owner = f"{pwd.getpwuid(status.st_uid).pw_name}:{grp.getgrgid(status.st_gid).gr_name}"
            files[path] = f"{stat.S_IMODE(status.st_mode):o} {owner} {what}"

left = [
    path
    for place in ("/etc", "/usr", "/var", "/run", "/opt", "/root")
    for path in lines("find", place, "-xdev", "(", "-name", ".*wslgpu-*", "-o", "-name", "*.wslgpu-restored",
                      "-o", "-name", "containerd-last-good*", "-o", "-name", ".lock.*", ")",
                      "-not", "-path", "/etc/skel/*")
    if not path.startswith("/etc/.pwd")
]
# without when and how often it was written; a person who reads differences wants lines
def said():
    try:
        with open("/var/lib/wslgpu/manifest.json") as handle:
            document = json.load(handle)
    except FileNotFoundError:
        return ["none"]
    for component in document["components"].values():
        del component["at"]
    return sorted(
        f"{name} {key} {entry} {json.dumps(values[entry], sort_keys=True) if isinstance(values, dict) else ''}"
        for name, component in document["components"].items()
        for key, values in component.items()
        for entry in (values if isinstance(values, (dict, list)) else [values])
    )

# what runs or waits; services that did one thing at boot depend on which boot it was
active = lines("systemctl", "list-units", "--state=running,waiting,listening", "--type=service,path,socket,timer",
               "--plain", "--no-legend", "--no-pager")
session = re.compile(r"^(user|session|getty|run-|systemd-hostnamed|systemd-localed|systemd-timedated|ssh@|sshd@)")
print(json.dumps({
    "files": files,
    "left over": left,
    "packages": sorted(lines("dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Abbrev}\n")),
    "manifest": said(),
    "dpkg audit": lines("dpkg", "--audit"),
    "enabled": sorted(line.split()[0] for line in lines("systemctl", "list-unit-files", "--state=enabled",
                                                        "--no-legend", "--no-pager")),
    "active": sorted(word for word in (line.split()[0] for line in active) if not session.match(word)),
    "failed": sorted(lines("systemctl", "list-units", "--state=failed", "--plain", "--no-legend")),
    # name, type, digest, whole or not
    "images": sorted(" ".join(line.split()[:4]) for line in lines("ctr", "-n", "k8s.io", "images", "check")[1:]),
    "downloads under way": lines("ctr", "-n", "k8s.io", "content", "active", "-q"),
    # the order of its imports is that of a hash table
    "containerd": [line for line in lines("containerd", "config", "dump") if not line.startswith("imports")],
}))
"""


def end_state(node: Node) -> dict[str, Any]:
    """Everything that provisioning is about on a running node, by part; ``files`` by path.

    Read from outside with the node's own python3, not with a fact of ours. Times of files are left out: they are when,
    not what.
    """
    answer = node.nsenter(["python3", "-c", PROGRAM], stdin=json.dumps(sorted(NOISE)).encode(), timeout=120)
    state: dict[str, Any] = json.loads(answer.stdout)
    assert state["packages"], "the node's packages could not be read"
    return state


def differences(state: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """What differs between two end states, one line each; nothing when they are equal."""
    found = []
    for path in sorted({*state["files"], *expected["files"]}):
        have, want = state["files"].get(path, "missing"), expected["files"].get(path, "missing")
        if have != want:
            found.append(f"{path}: {have}, expected {want}")
    for part in sorted(expected):
        if part != "files" and state[part] != expected[part]:
            have, want = set(state[part]), set(expected[part])
            found.append(f"{part}: more {sorted(have - want)}, missing {sorted(want - have)}")
    return found
