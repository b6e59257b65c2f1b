"""nvidia-ctk: cdi generate, cdi list, runtime configure, config."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys

from . import cdi, cli, config, engines, files
from .log import Logger
from .version import VERSION

CONTAINERD_CONFIG = "/etc/containerd/config.toml"
CONTAINERD_DROP_IN = "/etc/containerd/conf.d/99-nvidia.toml"
DOCKER_CONFIG = "/etc/docker/daemon.json"


def main(argv: list[str] | None = None, node: cdi.Node | None = None) -> int:
    """The program; returns its exit status. *node* is the machine itself unless a test gives another."""
    parser = cli.parser("nvidia-ctk", "NVIDIA Container Toolkit CLI")
    cli.add_bool(parser, "-d", "--debug", text="enable debug-level logging")
    cli.add_bool(parser, "-q", "--quiet", text="suppress all output except for errors")
    command = cli.subparsers(parser)

    cdi_command = cli.subparsers(command("cdi", "provide tools for interacting with CDI specifications"))
    generate = cdi_command("generate", "generate CDI specifications for use with CDI-enabled runtimes")
    generate.add_argument("--output", default=os.environ.get("NVIDIA_CTK_CDI_OUTPUT_FILE_PATH", ""))
    generate.add_argument("--format", choices=["yaml", "json"], default="yaml")
    generate.add_argument("--mode", "--discovery-mode", default="auto")
    generate.set_defaults(run=_generate)
    listing = cdi_command("list", "list the available CDI devices")
    listing.add_argument("--spec-dir", action="append")
    listing.set_defaults(run=_list)

    runtime = cli.subparsers(command("runtime", "a collection of runtime-related utilities"))
    configure = runtime("configure", "add a runtime to the specified container engine")
    configure.add_argument("--runtime", choices=["containerd", "docker"], default="docker")
    configure.add_argument("--config", default="")
    configure.add_argument("--drop-in-config", default="")
    configure.add_argument("--config-source", choices=["file", "command"], default="file")
    configure.add_argument("--executable-path", default="containerd")
    configure.add_argument("--nvidia-runtime-name", default="nvidia")
    configure.add_argument("--nvidia-runtime-path", default="")
    cli.add_bool(configure, "--set-as-default", "--nvidia-set-as-default", text="make it the default runtime")
    cli.add_bool(configure, "--cdi.enabled", "--cdi.enable", "--enable-cdi", text="enable CDI in the engine")
    cli.add_bool(configure, "--dry-run", text="print the configuration and change nothing")
    configure.set_defaults(run=_configure)

    settings = command("config", "interact with the NVIDIA Container Toolkit configuration")
    settings.add_argument("--config-file", "--config", "-c", default=config.PATH)
    settings.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    settings.add_argument("--output", "-o", default="")
    cli.add_bool(settings, "--in-place", "-i", text="change the file itself")
    settings.set_defaults(run=_config)
    settings.add_argument("command", nargs="?", choices=["default"])

    options = cli.parse(parser, argv)
    log = Logger(quiet=options.quiet)
    try:
        options.run(options, node or cdi.Node(), log)
    except (cdi.CdiError, config.ConfigError, engines.EngineError, OSError, json.JSONDecodeError) as error:
        log.failure(str(error))
        return 1
    return 0


def _generate(options: argparse.Namespace, node: cdi.Node, log: Logger) -> None:
    if options.mode == "auto":
        found = "wsl" if cdi.has_dxcore(node) else "nvml"
        log.info(f"Auto-detected mode as '{found}'")
        options.mode = found
    if options.mode != "wsl":
        raise cdi.CdiError(
            "failed to generate CDI spec: failed to create device CDI specs: failed to initialize NVML: "
            f"ERROR_LIBRARY_NOT_FOUND (the stand-in knows mode wsl only, not {options.mode})"
        )
    spec = cdi.generate(node, VERSION, log)
    text = json.dumps(spec, separators=(",", ":")) if options.format == "json" else cdi.to_yaml(spec)
    if options.output:
        files.write(node.at(options.output), text)
    else:
        sys.stdout.write(text)
    log.info(f"Generated CDI spec with version {spec['cdiVersion']}")


def _list(options: argparse.Namespace, node: cdi.Node, log: Logger) -> None:
    devices, errors = cdi.read_specs(node, options.spec_dir or list(cdi.SPEC_DIRS))
    if errors:
        log.warning("The following registry errors were reported:")
        for path, error in errors.items():
            log.warning(f"{path}: {error}")
    log.info(f"Found {len(devices)} CDI devices")
    for name in sorted(devices):
        print(name)


def _configure(options: argparse.Namespace, node: cdi.Node, log: Logger) -> None:
    enable_cdi = getattr(options, "cdi.enabled")
    if options.runtime == "docker":
        path = options.config or DOCKER_CONFIG
        text = engines.docker(
            _read(node, path, log),
            runtime_name=options.nvidia_runtime_name,
            runtime_path=options.nvidia_runtime_path or "nvidia-container-runtime",
            set_as_default=options.set_as_default,
            cdi=enable_cdi,
        )
        _write(options, node, log, path, text)
        log.info("It is recommended that docker daemon be restarted.")
        return
    path = options.config or CONTAINERD_CONFIG
    drop_in = options.drop_in_config or CONTAINERD_DROP_IN
    top = _read(node, path, log)
    source = top
    if options.config_source == "command":
        done = subprocess.run([options.executable_path, "config", "dump"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise engines.EngineError(f"unable to get config from {options.executable_path}: {done.stderr.strip()}")
        source = done.stdout
    text = engines.containerd(
        source,
        version=VERSION,
        runtime_name=options.nvidia_runtime_name,
        runtime_path=options.nvidia_runtime_path or "/usr/bin/nvidia-container-runtime",
        set_as_default=options.set_as_default,
        cdi=enable_cdi,
    )
    imports = engines.containerd_imports(top, drop_in)
    _write(options, node, log, drop_in, text)
    _write(options, node, log, path, imports)
    log.info("It is recommended that containerd daemon be restarted.")


def _read(node: cdi.Node, path: str, log: Logger) -> str:
    try:
        text = node.at(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        log.info("Config file does not exist; using empty config")
        return ""
    log.info(f"Loading config from {path}")
    return text


def _write(options: argparse.Namespace, node: cdi.Node, log: Logger, path: str, text: str) -> None:
    if options.dry_run:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        return
    files.write(node.at(path), text)
    log.info(f"Wrote updated config to {path}")


def _config(options: argparse.Namespace, node: cdi.Node, _log: Logger) -> None:
    path = node.at(options.config_file)
    text = config.DEFAULT
    if options.command != "default" and path.exists():
        text = path.read_text(encoding="utf-8")
    for settings in options.set:
        for setting in settings.split(","):
            text = config.set_value(text, setting)
    if options.command != "default" and options.in_place:
        files.write(path, text)
    elif options.output:
        files.write(node.at(options.output), text)
    else:
        sys.stdout.write(text)
