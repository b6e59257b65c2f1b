"""nvidia-container-runtime: rewrites a bundle's config.json, then becomes runc.

Modes as in the genuine program since 1.18 (internal/info and internal/modifier/cdi.go): ``auto`` is ``cdi``
where a container asks by fully qualified names alone, else ``jit-cdi``. Both look fully qualified names up
in the spec folders; any other name is of the default kind in ``cdi``, and in ``jit-cdi`` of the kind whose
spec is made in memory, which cannot be asked for beside another. WSL2 knows one device only, ``all``: in
jit-cdi an index, a UUID and "none" alike give all GPUs (container toolkit #21; "none" is honoured only
after 1.20.0).
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any

from . import NOTICE, cdi, config, files, toml_text
from .log import Logger
from .version import VERSION

ENV = "NVIDIA_VISIBLE_DEVICES"
JIT_KIND = "runtime.nvidia.com/gpu"

# runc's flags before the command that take their value as the next word.
_RUNC_VALUES = ("--root", "--log", "--log-format", "--criu", "--rootless")


class InjectError(Exception):
    """The container cannot be made as asked."""


def main(argv: list[str] | None = None, node: cdi.Node | None = None) -> int:
    """The program: does not return where a low-level runtime could be started."""
    arguments = sys.argv[1:] if argv is None else argv
    log = Logger(json_file=_option(arguments, "--log") if _option(arguments, "--log-format") == "json" else "")
    node = node or cdi.Node()
    if arguments in (["--version"], ["-v"]):
        print(f"NVIDIA Container Runtime version {VERSION}\n{NOTICE}\n", flush=True)
    try:
        settings = toml_text.loads(_read(node.at(config.PATH)))
        if _command(arguments) in ("create", "run"):
            bundle = Path(_option(arguments, "--bundle") or _option(arguments, "-b") or ".")
            modify_bundle(bundle, settings, node, log)
    except (InjectError, cdi.CdiError, OSError, ValueError) as error:
        log.failure(f"could not apply required modification to OCI specification: {error}")
        return 1
    runtime = low_level(settings)
    if not runtime:
        names = " ".join(_runtimes(settings))
        log.failure(f"error locating runtime: no runtime binary found from candidate list: [{names}]")
        return 1
    return os.execv(runtime, [runtime, *arguments])  # noqa: S606 - a wrapper becomes what it wraps


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else config.DEFAULT


def _option(arguments: list[str], name: str) -> str:
    for at, word in enumerate(arguments):
        if word == name and at + 1 < len(arguments):
            return arguments[at + 1]
        if word.startswith(name + "="):
            return word[len(name) + 1 :]
    return ""


def _command(arguments: list[str]) -> str:
    """runc's subcommand: the first word that is neither a flag nor a flag's value."""
    words = iter(arguments)
    for word in words:
        if word in _RUNC_VALUES:
            next(words, None)
        elif not word.startswith("-"):
            return word
    return ""


def low_level(settings: dict[str, Any]) -> str:
    """The path of the first configured low-level runtime that is installed, empty when none is."""
    return next((found for name in _runtimes(settings) if (found := files.which(name))), "")


def _runtimes(settings: dict[str, Any]) -> list[str]:
    return [str(name) for name in config.lookup(settings, "nvidia-container-runtime.runtimes")]


def modify_bundle(bundle: Path, settings: dict[str, Any], node: cdi.Node, log: Logger) -> None:
    """Apply to ``bundle/config.json`` what the container asks for; nothing when it asks for nothing."""
    path = bundle / "config.json"
    spec = json.loads(path.read_text(encoding="utf-8"))
    edits = requested_edits(spec, settings, node, log)
    if edits is None:
        return
    apply(spec, edits, node)
    files.write(path, json.dumps(spec), stat.S_IMODE(path.stat().st_mode))


def requested_edits(
    spec: dict[str, Any], settings: dict[str, Any], node: cdi.Node, log: Logger
) -> dict[str, Any] | None:
    """The containerEdits that *spec* asks for by annotation or environment; None when there is no request."""
    mode = config.lookup(settings, "nvidia-container-runtime.mode")
    if mode == "legacy":
        raise InjectError(f"mode legacy needs libnvidia-container, which the {NOTICE} does not have")
    if mode not in ("auto", "cdi", "jit-cdi"):
        raise InjectError(f"invalid runtime mode: {mode}")
    names = _annotated(spec, settings) or _visible(spec, settings)
    if not names:
        return None
    if mode == "cdi" or (mode == "auto" and all(_qualified(name) for name in names)):
        kind = config.lookup(settings, "nvidia-container-runtime.modes.cdi.default-kind")
    else:
        kind = JIT_KIND
    wanted = [name if _qualified(name) else f"{kind}={name}" for name in names]
    automatic = [name for name in wanted if name.startswith(f"{JIT_KIND}=")]
    if automatic and len(automatic) < len(wanted):
        raise InjectError(
            "requesting a CDI device with vendor 'runtime.nvidia.com' is not supported when requesting other CDI"
            " devices"
        )
    if not automatic:
        spec_dirs = config.lookup(settings, "nvidia-container-runtime.modes.cdi.spec-dirs")
        devices, _ = cdi.read_specs(node, spec_dirs)
        missing = [name for name in wanted if name not in devices]
        if missing:
            raise InjectError(
                f"error modifying OCI spec: failed to inject CDI devices: unresolvable CDI devices {', '.join(missing)}"
            )
        return cdi.merge(*(devices[name] for name in dict.fromkeys(wanted)))
    generated = cdi.generate(node, VERSION, Logger(quiet=True, json_file=log.json_file))
    return cdi.merge(generated["devices"][0]["containerEdits"], generated["containerEdits"])


def _qualified(name: str) -> bool:
    """VENDOR/CLASS=NAME, as the CDI library tells a name from an index or a UUID."""
    return re.fullmatch(r"[A-Za-z][\w.-]*/[A-Za-z][\w.-]*=[\w.:-]+", name) is not None


def _annotated(spec: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    prefixes = tuple(config.lookup(settings, "nvidia-container-runtime.modes.cdi.annotation-prefixes"))
    annotations = spec.get("annotations") or {}
    return [
        name.strip()
        for key in sorted(annotations)
        if key.startswith(prefixes)
        for name in annotations[key].split(",")
        if name.strip()
    ]


def _visible(spec: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    process = spec.get("process") or {}
    environment = dict(entry.partition("=")[::2] for entry in process.get("env") or [])
    value = environment.get(ENV, "")
    if value in ("", "void"):
        return []
    accepted = config.lookup(settings, "accept-nvidia-visible-devices-envvar-when-unprivileged")
    bounding = (process.get("capabilities") or {}).get("bounding") or []
    if not accepted and "CAP_SYS_ADMIN" not in bounding:
        return []
    return [name.strip() for name in value.split(",") if name.strip()]


def apply(spec: dict[str, Any], edits: dict[str, Any], node: cdi.Node) -> None:
    """Apply containerEdits to an OCI spec in place, as the CDI library does."""
    process = spec.setdefault("process", {})
    for entry in edits["env"]:
        name = entry.partition("=")[0]
        kept = [old for old in process.get("env") or [] if old.partition("=")[0] != name]
        process["env"] = [*kept, entry]

    linux = spec.setdefault("linux", {})
    for device in edits["deviceNodes"]:
        entry, rule = _device(device, node)
        linux["devices"] = [old for old in linux.get("devices") or [] if old["path"] != entry["path"]]
        linux["devices"].append(entry)
        resources = linux.setdefault("resources", {})
        resources["devices"] = [*(resources.get("devices") or []), rule]

    mounts = spec.setdefault("mounts", [])
    for mount in edits["mounts"]:
        target = mount["containerPath"]
        mounts[:] = [old for old in mounts if old["destination"] != target]
        mounts.append(
            {"source": mount["hostPath"], "destination": target, "type": "bind", "options": mount.get("options") or []}
        )
    # A folder before what is mounted in it; the order is kept otherwise.
    mounts.sort(key=lambda mount: mount["destination"].rstrip("/").count("/"))

    hooks = spec.setdefault("hooks", {})
    for hook in edits["hooks"]:
        entry = {key: hook[key] for key in ("path", "args", "env", "timeout") if hook.get(key)}
        hooks.setdefault(hook["hookName"], []).append(entry)


def _device(device: dict[str, Any], node: cdi.Node) -> tuple[dict[str, Any], dict[str, Any]]:
    major, minor, mode = device.get("major"), device.get("minor"), device.get("fileMode")
    if major is None:
        source = device.get("hostPath") or device["path"]
        info = node.at(source).stat()
        if not stat.S_ISCHR(info.st_mode):
            raise InjectError(
                "error modifying OCI spec: failed to inject CDI devices: "
                f'failed to stat CDI host device "{source}": not a device node'
            )
        major, minor = os.major(info.st_rdev), os.minor(info.st_rdev)
        mode = stat.S_IMODE(info.st_mode)
    kind = device.get("type") or "c"
    entry = {"path": device["path"], "type": kind, "major": major, "minor": minor}
    if mode is not None:
        entry["fileMode"] = mode
    access = device.get("permissions") or "rwm"
    return entry, {"allow": True, "type": kind, "major": major, "minor": minor, "access": access}
