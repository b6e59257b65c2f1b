"""Where this machine gets Debian from: asked of its own apt and of mmdebstrap, so that no mirror stands here."""

from __future__ import annotations

import re

from wslgpu.debian_root import KEYRING
from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.programs import run

_DEFAULT = re.compile(r"^deb (?:\[[^\]]*\] )?(\S+) (\S+) ", re.MULTILINE)


def candidates(release: str) -> list[list[tuple[str, str]]]:
    """Sets of (address, suite) that a Debian release may be had from, in the order to try them.

    What the machine's own apt is set up for comes first: a site that has a mirror of its own chose it. What
    mmdebstrap uses without being told comes next, and is all there is on Ubuntu.

    :raises WslgpuError: neither knows any, or Debian's keyring is missing
    """
    if not KEYRING.exists():
        raise WslgpuError(
            "Debian's keyring is missing, so nothing from Debian can be trusted",
            str(KEYRING),
            "apt-get install debian-archive-keyring",
        )
    found = [_of_this_machine(release), _of_mmdebstrap(release)]
    kept = [sources for index, sources in enumerate(found) if sources and sources not in found[:index]]
    if not kept:
        raise WslgpuError(
            f"no mirror of Debian is known here, so {release} cannot be asked for anything",
            "apt",
            "Install mmdebstrap, which knows Debian's own.",
            ErrorClass.PLATFORM,
        )
    return kept


def _of_this_machine(release: str) -> list[tuple[str, str]]:
    """The suites of ``release`` at the addresses that this machine's apt has Debian's other releases from."""
    form = "$(CREATED_BY) $(ORIGIN) $(REPO_URI) $(RELEASE)"
    result = run(["apt-get", "indextargets", "--format", form], check=False, missing="Debian or Ubuntu is needed")
    return translated(result.stdout, release) if result.ok else []


def translated(targets: str, release: str) -> list[tuple[str, str]]:
    """(address, suite) for a release, from what ``apt-get indextargets`` says of others.

    ``bookworm-security`` at an address means that ``trixie-security`` is there as well. Unstable has no such suites.
    """
    found: list[tuple[str, str]] = []
    for line in targets.splitlines():
        words = line.split()
        if len(words) != 4 or words[:2] != ["Packages", "Debian"]:
            continue
        address, suite = words[2], words[3]
        _, dash, pocket = suite.partition("-")
        plain = release in ("sid", "unstable")
        if pocket not in ("", "updates", "security") or (plain and pocket):
            continue
        entry = (address.rstrip("/"), f"{release}{dash}{pocket}")
        if entry not in found:
            found.append(entry)
    return found if any(suite == release for _, suite in found) else []


def _of_mmdebstrap(release: str) -> list[tuple[str, str]]:
    """What mmdebstrap writes into a root's sources.list, read in a hook; it has no option that only prints it."""
    hook = 'cat "$1/etc/apt/sources.list"; exit 1'  # the end: nothing is made
    words = ["--quiet", "--mode=chrootless", "--skip=update", "--variant=custom", "--format=null"]
    try:
        result = run(["mmdebstrap", *words, f"--setup-hook={hook}", release, "/dev/null"], check=False)
    except WslgpuError:
        return []
    return [(address.rstrip("/"), suite) for address, suite in _DEFAULT.findall(result.stdout)]
