"""/etc/wsl.conf, and .wslconfig for the Windows side."""

from __future__ import annotations

import difflib
from collections.abc import Generator, Mapping

from pyinfra import host
from pyinfra.api import StringCommand, operation

from wslgpu.facts import bound
from wslgpu.facts.wsl_files import Profile, WslFiles, WslFileStates
from wslgpu.operations.notes import tell
from wslgpu.operations.script import as_stdin, script, sha256_of
from wslgpu.wsl_files import WSL_CONF_FILE, WSLCONFIG_FILE, FileKind, decode, lint, merge
from wslgpu.wsl_keys import Scalar
from wslgpu.wsl_waiting import Running, waiting

Sections = Mapping[str, Mapping[str, Scalar]]
TERMINATE = "In Windows: wsl --terminate DISTRO, wait 8 seconds, and start it again."
CLOCK_GRAIN_S = 2
"""Start times are counted from a boot time in whole seconds."""
SHUTDOWN = "In Windows: wsl --shutdown; it ends every running distro."


@operation()
def conf(wanted: Sections, data_dir: str) -> Generator[StringCommand, None, None]:
    """Set our keys in /etc/wsl.conf; keys, comments and order of others stay.

    :param data_dir: only for the fact that this task shares
    """
    files = bound.read(WslFileStates, data_dir=data_dir)
    if not files.wsl:
        host.noop("this is not WSL")
        return
    try:
        text, _ = decode(files.conf or b"")
    except ValueError as error:
        step = "Save it as UTF-8 text, or move it away to begin with an empty one."
        yield script("fail", "usage", f"/etc/wsl.conf is no text that WSL can read: {error}", step)
        return
    merged = merge(text, wanted, WSL_CONF_FILE)
    if merged == text and (files.conf_kind == "none" or _in_order(files)):
        host.noop("/etc/wsl.conf holds our keys")
        return
    yield script("put_wsl_conf", sha256_of(merged), files.started + CLOCK_GRAIN_S, stdin=as_stdin(merged))


def _in_order(files: WslFiles) -> bool:
    if files.conf_kind == "regular-empty-file":
        return (files.conf_mode, files.conf_owner) == ("644", "root:root")
    return (files.conf_kind, files.conf_mode, files.conf_owner) == ("regular-file", "644", "root:root")


@operation()
def rendered(wanted: Sections, data_dir: str, windows_user: str = "") -> Generator[StringCommand, None, None]:
    """Keep DATA_DIR/wslconfig: the .wslconfig that the data asks for, the present one's other keys included."""
    files = bound.read(WslFileStates, data_dir=data_dir)
    if not files.wsl:
        host.noop("this is not WSL")
        return
    path = f"{data_dir}/wslconfig"
    if not wanted:
        if files.rendered is None:
            host.noop("no key of .wslconfig is asked for")
        else:
            yield script("remove_file", path)
        return
    profile = _profile(files, windows_user)
    present = _text(profile)
    text = _header(path) + merge((present or "").lstrip("\ufeff"), wanted, WSLCONFIG_FILE).replace("\r\n", "\n")
    if files.rendered == text.encode():
        host.noop(f"{path} is as it should be")
        return
    yield script("put_file", path, "644", "root:root", sha256_of(text), stdin=as_stdin(text))


def _header(path: str) -> str:
    return (
        "# Made by wslgpu: .wslconfig for the Windows side. To put it in place, in Windows' command prompt (cmd):\n"
        "#   copy %USERPROFILE%\\.wslconfig %USERPROFILE%\\.wslconfig.bak\n"
        f"#   wsl.exe -d DISTRO -u root -- cat {path} > %USERPROFILE%\\.wslconfig\n"
        "#   wsl.exe --shutdown\n"
    )


@operation()
def windows_side(wanted: Sections, data_dir: str, windows_user: str = "") -> Generator[StringCommand, None, None]:
    """Set our keys in the Windows user's own .wslconfig, with a backup beside it, and show the difference."""
    files = bound.read(WslFileStates, data_dir=data_dir)
    if not files.wsl:
        host.noop("this is not WSL")
        return
    profile = _profile(files, windows_user)
    if profile is None:
        names = ", ".join(candidate.directory for candidate in files.profiles)
        what = (
            "the Windows drive is not mounted" if not files.drives else f"several Windows users are possible: {names}"
        )
        if files.drives and not files.profiles:
            what = f"no Windows user's directory can be reached on {', '.join(files.drives)}"
        step = f"Name one as wslconfig_windows_user, or put {data_dir}/wslconfig in place by hand as it says."
        yield script("fail", "usage", f".wslconfig cannot be written: {what}", step)
        return
    try:
        present, encoding = decode(profile.content or b"")
    except ValueError as error:
        step = "Save it as UTF-8 text in Windows' editor."
        yield script("fail", "usage", f"{profile.path} is no text that WSL can read: {error}", step)
        return
    merged = merge(present, wanted, WSLCONFIG_FILE)
    if merged == present:
        host.noop(f"{profile.path} holds our keys")
        return
    if profile.content is None:
        merged = merged.replace("\n", "\r\n")
    for line in difflib.unified_diff(
        present.splitlines(), merged.splitlines(), profile.path, f"{profile.path} (new)", n=1, lineterm=""
    ):
        tell(line)
    if encoding != "utf-8":
        # WSL reads UTF-8 as well, and everything else does so better
        merged = merged.lstrip("\ufeff")
    yield script("put_wslconfig", profile.path, sha256_of(merged), stdin=as_stdin(merged))


@operation()
def report(wanted: Sections, data_dir: str, windows_user: str = "") -> Generator[StringCommand, None, None]:
    """Say what is wrong in both files, by line, and what of them waits for a restart. Changes nothing.

    :param wanted: our keys of .wslconfig
    """
    files = bound.read(WslFileStates, data_dir=data_dir)
    host.noop("told what the files hold")
    if files.wsl:
        for line in report_lines(files, wanted, data_dir, windows_user):
            tell(line, warning=True)
    yield from ()


def report_lines(files: WslFiles, wanted: Sections, data_dir: str, windows_user: str) -> list[str]:
    """What :func:`report` says, line by line; nothing when all is well."""
    lines = _lint_lines("/etc/wsl.conf", files.conf, WSL_CONF_FILE)
    at_start = None if files.at_start is None else _decoded(files.at_start)
    running = Running(
        systemd=files.pid1 == "systemd",
        hostname=files.hostname,
        cgroup=files.cgroup,
        interop=files.interop,
        drives=files.drives,
        at_start=at_start,
        changed_since_start=files.conf_modified > files.started + CLOCK_GRAIN_S,
    )
    lines += [f"{line}. {TERMINATE}" for line in waiting(_decoded(files.conf or b""), running)]
    for profile in files.profiles:
        lines += _lint_lines(profile.path, profile.content, WSLCONFIG_FILE)
        if profile.content is not None and profile.modified > files.booted + CLOCK_GRAIN_S:
            lines.append(f"{profile.path} is newer than the running virtual machine: its changes wait. {SHUTDOWN}")
    if wanted:
        chosen = _profile(files, windows_user)
        present = _text(chosen)
        if present is None or merge(present, wanted, WSLCONFIG_FILE) != present:
            place = chosen.path if chosen else "the Windows side"
            lines.append(
                f"{place} lacks keys that the data asks for: {data_dir}/wslconfig holds them and says how to put them"
                " in place, or set wslconfig_write: true."
            )
    return lines


def _lint_lines(path: str, content: bytes | None, kind: FileKind) -> list[str]:
    if content is None:
        return []
    try:
        text, _ = decode(content)
    except ValueError as error:
        return [f"{path}: is no text that WSL can read: {error}"]
    return [f"{path}:{finding.line}: {finding.what}" for finding in lint(text, kind)]


def _profile(files: WslFiles, windows_user: str) -> Profile | None:
    """The Windows user whose .wslconfig counts: the named one, the only one, or the only one that has the file."""
    if windows_user:
        named = [profile for profile in files.profiles if profile.directory.rpartition("/")[2] == windows_user]
        return named[0] if named else None
    having = [profile for profile in files.profiles if profile.content is not None]
    for candidates in (having, list(files.profiles)):
        if len(candidates) == 1:
            return candidates[0]
    return None


def _text(profile: Profile | None) -> str | None:
    return None if profile is None or profile.content is None else _decoded(profile.content)


def _decoded(content: bytes) -> str:
    try:
        return decode(content)[0]
    except ValueError:
        return ""
