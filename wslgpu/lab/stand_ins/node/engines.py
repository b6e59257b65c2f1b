"""``nvidia-ctk runtime configure``: containerd's drop-in file and Docker's daemon.json."""

from __future__ import annotations

import copy
import json
from typing import Any

from . import toml_text
from .cdi import version_tuple

CRI_PLUGIN = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.runtime", 4: "io.containerd.cri.v1.runtime"}
RUNTIME_TYPE = "io.containerd.runc.v2"


class EngineError(Exception):
    """A configuration that cannot be changed."""


def containerd(
    source: str,
    *,
    version: str,
    runtime_name: str = "nvidia",
    runtime_path: str = "/usr/bin/nvidia-container-runtime",
    set_as_default: bool = False,
    cdi: bool = False,
) -> str:
    """The drop-in that goes with containerd configuration *source*, as toolkit *version* writes it.

    It repeats the whole CRI section of the source: containerd before 2.1 replaces a plugin's section by
    the imported one and does not merge them.
    """
    config = _loads(source)
    plugin = _plugin(config)
    section = copy.deepcopy(config.get("plugins", {}).get(plugin, {}))
    result = {"version": config.get("version", 2), "plugins": {plugin: section}}
    engine = toml_text.descend(section, ["containerd"])
    runtimes = toml_text.descend(engine, ["runtimes"])
    model = runtimes.get("runc") or runtimes.get(engine.get("default_runtime_name", ""))
    if model:
        runtime = copy.deepcopy(model)
        # Before 1.20.0 a runc table without runtime_type gave an nvidia table without one, which containerd
        # refuses ("container.Runtime.Name must be set").
        if version_tuple(version) >= (1, 20):
            runtime.setdefault("runtime_type", RUNTIME_TYPE)
    else:
        runtime = {
            "privileged_without_host_devices": False,
            "runtime_engine": "",
            "runtime_root": "",
            "runtime_type": RUNTIME_TYPE,
        }
    toml_text.descend(runtime, ["options"])["BinaryName"] = runtime_path
    runtimes[runtime_name] = runtime
    if set_as_default:
        engine["default_runtime_name"] = runtime_name
    if cdi:
        section["enable_cdi"] = True
    return toml_text.dumps(result)


def containerd_imports(source: str, drop_in: str) -> str:
    """The top-level configuration with the folder of *drop_in* imported; comments are lost, as they are
    with the genuine program."""
    config = _loads(source)
    pattern = drop_in.rsplit("/", 1)[0] + "/*.toml"
    imports = config.setdefault("imports", [])
    if pattern not in imports:
        imports.append(pattern)
    config.setdefault("version", 2)
    return toml_text.dumps(config)


def _loads(source: str) -> toml_text.Table:
    try:
        return toml_text.loads(source)
    except toml_text.TomlError as error:
        raise EngineError(f"unable to load config: {error}") from None


def _plugin(config: toml_text.Table) -> str:
    version = config.get("version", 2)
    if version not in CRI_PLUGIN:
        raise EngineError(f"unsupported config version: {version}")
    return CRI_PLUGIN[version]


def docker(
    source: str,
    *,
    runtime_name: str = "nvidia",
    runtime_path: str = "nvidia-container-runtime",
    set_as_default: bool = False,
    cdi: bool = False,
) -> str:
    """Docker's daemon.json with the runtime in it; *source* is the present text, empty when missing."""
    config: dict[str, Any] = json.loads(source) if source.strip() else {}
    config.setdefault("runtimes", {})[runtime_name] = {"args": [], "path": runtime_path}
    if set_as_default:
        config["default-runtime"] = runtime_name
    if cdi:
        config.setdefault("features", {})["cdi"] = True
    return json.dumps(config, indent=4, sort_keys=True)
