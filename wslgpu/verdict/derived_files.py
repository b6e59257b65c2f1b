"""``derived.wsl_conf`` and ``derived.wslconfig``: WSL's two files, read as WSL reads them."""

from __future__ import annotations

from typing import Any

from wslgpu.report.plain import clean
from wslgpu.verdict.seen import NotSeenError, Seen
from wslgpu.wsl_files import WSL_CONF_FILE, WSLCONFIG_FILE, FileKind, lint, values

LINE_LIMIT = 500
LENGTH_LIMIT_CHARACTERS = 16 << 10
"""No such file is longer, and looking for the nearest key on every line of one takes its time."""

PROBLEM_LIMIT = 40


def wsl_conf(seen: Seen) -> dict[str, Any]:
    """/etc/wsl.conf with WSL's defaults (microsoft/WSL src/linux/init/WslDistributionConfig.cpp).

    :raises NotSeenError: it was not read, or is too long to be one
    """
    text = _text(seen, "wsl.conf")
    taken = values(text, WSL_CONF_FILE)

    def flag(section: str, key: str, default: bool) -> bool:
        return taken[section, key].lower() in ("true", "1") if (section, key) in taken else default

    return {
        "problems": _problems(text, WSL_CONF_FILE),
        "systemd": flag("boot", "systemd", False),
        "gpu_enabled": flag("gpu", "enabled", True),
        "append_lib_path": flag("gpu", "appendLibPath", True),
        "ldconfig": flag("automount", "ldconfig", True),
        "interop": flag("interop", "enabled", True),
        "append_windows_path": flag("interop", "appendWindowsPath", True),
        "cgroups": taken.get(("automount", "cgroups"), "v2"),
    }


def wslconfig(seen: Seen) -> dict[str, Any]:
    """The Windows user's .wslconfig: what WSL takes from it; empty where the user has none.

    :raises NotSeenError: it was not read, or is too long to be one
    """
    text = _text(seen, "wsl.wslconfig")
    taken = {f"{section}.{key}": clean(value, 300) for (section, key), value in values(text, WSLCONFIG_FILE).items()}
    return {"problems": _problems(text, WSLCONFIG_FILE), "values": taken}


def _text(seen: Seen, observation_id: str) -> str:
    value = seen.value(observation_id)
    text = str(value["text"]) if value else ""
    if len(text) > LENGTH_LIMIT_CHARACTERS or text.count("\n") > LINE_LIMIT:
        raise NotSeenError(f"{observation_id} is longer than such a file can be")
    return text


def _problems(text: str, kind: FileKind) -> list[str]:
    found = [f"line {row.line}: {clean(row.what, 300)}" for row in lint(text, kind) if row.severity == "error"]
    more = [f"and {len(found) - PROBLEM_LIMIT} more"] if len(found) > PROBLEM_LIMIT else []
    return found[:PROBLEM_LIMIT] + more
