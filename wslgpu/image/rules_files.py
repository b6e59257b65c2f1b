"""Rules about the archive itself and about the files that WSL reads when it installs a distro."""

from __future__ import annotations

import configparser
import json
import re
import struct
from collections import Counter
from collections.abc import Iterator

from wslgpu import wsl_files
from wslgpu.image.contents import Contents, plain

DISTRIBUTION = "/etc/wsl-distribution.conf"
WSL_CONF = "/etc/wsl.conf"
DISTRIBUTION_KEYS = (
    "oobe.command",
    "oobe.defaultuid",
    "oobe.defaultname",
    "shortcut.icon",
    "windowsterminal.profiletemplate",
)
ICON_BYTES = 1 << 20
TERMINAL_BYTES = 1 << 20
_USUAL_TOP = {"bin", "etc", "usr", "var"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def name(contents: Contents) -> Iterator[str]:
    if not contents.file_name.endswith(".wsl"):
        yield f"{contents.file_name} is not opened by Windows as a distro"


def compression(contents: Contents) -> Iterator[str]:
    if not contents.format:
        yield "it is compressed with neither gzip nor xz"


def top(contents: Contents) -> Iterator[str]:
    tops = {path.partition("/")[0] for path in contents.by_path if path}
    if len(tops) == 1 and not tops & _USUAL_TOP:
        yield f"everything lies in the folder {tops.pop()}"
    elif missing := sorted(_USUAL_TOP - tops):
        yield f"{' and '.join(missing)} missing at its top"


def members(contents: Contents) -> Iterator[str]:
    counted = Counter(plain(member.name) for member in contents.members)
    for path, count in sorted(counted.items()):
        if count > 1:
            yield f"/{path} stands in it {count} times"
    for member in contents.members:
        if ".." in member.name.split("/"):
            yield f"{member.name!r} leads out of it"
        if member.kind in ("device", "fifo", "other"):
            yield f"/{plain(member.name)} is neither file, folder nor link"


def _modes(contents: Contents, path: str, allowed: tuple[int, ...]) -> Iterator[str]:
    """Mode and owner of what a path leads to; one that is not there is another rule's."""
    found = contents.find(path)
    if found is None:
        return
    member = found[1]
    if member.mode not in allowed:
        yield f"{path} has mode {member.mode:04o}; it should be {' or '.join(f'{mode:04o}' for mode in allowed)}"
    if (member.uid, member.gid) != (0, 0):
        yield f"{path} is owned by {member.uid}:{member.gid}; it should be 0:0"


def distribution_there(contents: Contents) -> Iterator[str]:
    if contents.text(DISTRIBUTION) is None:
        yield f"there is no {DISTRIBUTION}"


def distribution_mode(contents: Contents) -> Iterator[str]:
    yield from _modes(contents, DISTRIBUTION, (0o644, 0o664))


def distribution_values(contents: Contents) -> dict[str, str] | None:
    """Its ``section.key`` in small letters -> value; None where it is not there or cannot be read."""
    text = contents.text(DISTRIBUTION)
    if text is None:
        return None
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    return {
        f"{section.lower()}.{key}": value for section in parser.sections() for key, value in parser[section].items()
    }


def distribution_keys(contents: Contents) -> Iterator[str]:
    if contents.text(DISTRIBUTION) is None:
        return
    values = distribution_values(contents)
    if values is None:
        yield f"{DISTRIBUTION} is no file of sections and keys"
        return
    for key in values:
        if key not in DISTRIBUTION_KEYS:
            yield f"{DISTRIBUTION}: {key} is not known (known: {', '.join(DISTRIBUTION_KEYS)})"


def _value(contents: Contents, key: str) -> str:
    return (distribution_values(contents) or {}).get(key, "")


def default_name(contents: Contents) -> Iterator[str]:
    value = _value(contents, "oobe.defaultname")
    if distribution_values(contents) is None:
        return
    if not value:
        yield "oobe.defaultName is not set: opening the file in Windows would not install it"
    elif not _NAME.fullmatch(value):
        yield f"oobe.defaultName {value!r} cannot name a distro"


def default_uid(contents: Contents) -> Iterator[str]:
    value = _value(contents, "oobe.defaultuid")
    if value and value != "1000":
        yield f"oobe.defaultUid is {value}"
    for line in (contents.text("/etc/passwd") or "").splitlines():
        fields = line.split(":")
        if value and len(fields) == 7 and fields[2] == value:
            yield f"/etc/passwd gives the uid {value} to {fields[0]}, whom oobe.command is to make"


def oobe_there(contents: Contents) -> Iterator[str]:
    command = _value(contents, "oobe.command")
    if not command:
        return
    found = contents.find(command)
    if found is None or found[1].kind != "file":
        yield f"oobe.command {command} is not in the image"
    elif not found[1].data.startswith((b"#!/", b"\x7fELF")):
        yield f"oobe.command {command} is no program"


def oobe_mode(contents: Contents) -> Iterator[str]:
    if command := _value(contents, "oobe.command"):
        yield from _modes(contents, command, (0o755, 0o775))


def oobe_place(contents: Contents) -> Iterator[str]:
    command = _value(contents, "oobe.command")
    if command and not command.startswith(("/usr/lib/wsl/", "/usr/libexec/wsl/")):
        yield f"oobe.command is {command}"


def icon_set(contents: Contents) -> Iterator[str]:
    if distribution_values(contents) is not None and not _value(contents, "shortcut.icon"):
        yield "shortcut.icon is not set"


def icon_file(contents: Contents) -> Iterator[str]:
    icon = _value(contents, "shortcut.icon")
    if not icon:
        return
    found = contents.find(icon)
    if found is None or found[1].kind != "file":
        yield f"shortcut.icon {icon} is not in the image"
        return
    if found[1].size_bytes > ICON_BYTES:
        yield f"shortcut.icon {icon} has {found[1].size_bytes} bytes"
    data = found[1].data
    # an icon begins with 0, 1 and the number of its pictures
    if len(data) < 22 or struct.unpack_from("<HH", data) != (0, 1) or not struct.unpack_from("<H", data, 4)[0]:
        yield f"shortcut.icon {icon} is no .ico file"
    yield from _modes(contents, icon, (0o644, 0o664))


def icon_place(contents: Contents) -> Iterator[str]:
    icon = _value(contents, "shortcut.icon")
    if icon and not icon.startswith(("/usr/lib/wsl/", "/usr/share/wsl/")):
        yield f"shortcut.icon is {icon}"


def terminal(contents: Contents) -> Iterator[str]:
    path = _value(contents, "windowsterminal.profiletemplate")
    if not path:
        return
    found = contents.find(path)
    if found is None or found[1].kind != "file":
        yield f"windowsterminal.profileTemplate {path} is not in the image"
        return
    if found[1].size_bytes > TERMINAL_BYTES:
        yield f"windowsterminal.profileTemplate {path} has {found[1].size_bytes} bytes"
        return
    yield from _modes(contents, path, (0o644, 0o664, 0o640, 0o660))
    try:
        body = json.loads(found[1].data)
    except (ValueError, RecursionError) as error:
        yield f"windowsterminal.profileTemplate {path} is no JSON: {error}"
        return
    if not isinstance(body, dict) or not isinstance(body.get("profiles"), list):
        yield f"windowsterminal.profileTemplate {path} has no list of profiles"


def terminal_place(contents: Contents) -> Iterator[str]:
    path = _value(contents, "windowsterminal.profiletemplate")
    if path and not path.startswith("/usr/lib/wsl/"):
        yield f"windowsterminal.profileTemplate is {path}"


def wsl_conf_there(contents: Contents) -> Iterator[str]:
    if contents.text(WSL_CONF) is None:
        yield f"there is no {WSL_CONF}"


def wsl_conf_mode(contents: Contents) -> Iterator[str]:
    yield from _modes(contents, WSL_CONF, (0o644, 0o664))


def wsl_conf_lint(contents: Contents) -> Iterator[str]:
    for finding in wsl_files.lint(contents.text(WSL_CONF) or "", wsl_files.WSL_CONF_FILE):
        if finding.severity == "error":
            yield f"{WSL_CONF}:{finding.line}: {finding.what}"


def wsl_conf_own(contents: Contents) -> Iterator[str]:
    values = wsl_files.values(contents.text(WSL_CONF) or "", wsl_files.WSL_CONF_FILE)
    others = sorted(f"{section}.{key}" for section, key in values if (section, key) != ("boot", "systemd"))
    if others:
        yield f"{WSL_CONF} also sets {', '.join(others)}, which Microsoft's list of distributions would refuse"


def boots_systemd(contents: Contents) -> bool:
    """Whether its wsl.conf lets systemd run."""
    values = wsl_files.values(contents.text(WSL_CONF) or "", wsl_files.WSL_CONF_FILE)
    return values.get(("boot", "systemd"), "").lower() in ("true", "1")
