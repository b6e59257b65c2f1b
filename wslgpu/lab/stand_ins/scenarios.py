"""What the stand-in driver answers, scenario by scenario: ``scenarios.yml`` beside this file, strictly read.

A platform's answers are compiled into the libraries; a scenario's own lie in :data:`FILE_NAME` beside them, so that
one build serves many scenarios. ``driver.build_driver_tree(dest, scenario=NAME)`` places both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from wslgpu.errors import UsageError
from wslgpu.yaml_source import load_yaml, validate

SCENARIOS_FILE = Path(__file__).with_name("scenarios.yml")
#: As src/scenario.h calls it.
FILE_NAME = "wslgpu-stand-in.scenario"
DRIVER_VERSION = "581.80"

Settings = dict[str, str | int]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Platform(_Strict):
    """What a healthy machine of one kind answers."""

    settings: Settings = {}


class Scenario(_Strict):
    """One machine.

    :param imitates: what it is, in one line
    :param source: where somebody met that; empty when it is the stand-in's own
    :param hardware: its GPUs and adapters, a key of ``driver.SCENARIOS``
    :param driver_version: the Windows driver's version, on Linux the driver's
    :param settings: answers that differ from the platform's
    :param missing: functions that the library does not export
    :param without: paths taken out of the tree; ``STORE`` stands for the NVIDIA driver store's folder,
        ``STORE/NAME`` for a file in it
    :param compiled: the settings are compiled in: containers get the libraries without the file beside them
    """

    imitates: str
    source: str
    platform: Literal["wsl2", "linux"] = "wsl2"
    hardware: str = "one-gpu"
    driver_version: str = DRIVER_VERSION
    settings: Settings = {}
    missing: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    compiled: bool = False

    @property
    def only_settings(self) -> bool:
        """Any tree of its platform and hardware serves it."""
        return not self.missing and not self.without and not self.compiled


class _File(_Strict):
    schema_version: int
    platforms: dict[str, Platform]
    nvml_fields: dict[str, str]
    scenarios: dict[str, Scenario]


def _load() -> _File:
    document = load_yaml(SCENARIOS_FILE)
    data = dict(document.data)
    data["schema_version"] = data.pop("schema", 0)
    return validate(_File, document, data)


_FILE = _load()
PLATFORMS: dict[str, Platform] = _FILE.platforms
#: The function behind each field of the observation ``nvml.fields``.
NVML_FIELDS: dict[str, str] = _FILE.nvml_fields


def without_nvml_field(field: str) -> Scenario:
    """A healthy WSL2 node whose NVML refuses one field. *field* is a key of :data:`NVML_FIELDS`."""
    return Scenario(
        imitates=f"an NVML that does not tell {field.replace('_', ' ')}",
        source="",
        # one GPU has no other to be near to
        hardware="two-gpus" if field == "topology" else "one-gpu",
        settings={f"nvml.{NVML_FIELDS[field]}": 3},
    )


#: By name; those of single NVML fields are called nvml-without-FIELD.
SCENARIOS: dict[str, Scenario] = {
    **_FILE.scenarios,
    **{f"nvml-without-{field.replace('_', '-')}": without_nvml_field(field) for field in NVML_FIELDS},
}


def as_text(settings: Settings) -> str:
    """Settings as src/scenario.c reads them."""
    return "".join(f"{key} = {value}\n" for key, value in settings.items())


def find(name: str) -> Scenario:
    """The scenario called *name*.

    :raises UsageError: there is none
    """
    try:
        return SCENARIOS[name]
    except KeyError:
        raise UsageError(
            f"no driver scenario is called {name!r}", next_step=f"use one of {', '.join(SCENARIOS)}"
        ) from None


def write_scenario(tree: Path, name: str) -> None:
    """Turn a tree that ``build_driver_tree`` made into another scenario of the same platform and hardware.

    :raises UsageError: no such scenario, or one that must be built: it takes functions or files away, or is compiled in
    """
    scenario = find(name)
    if not scenario.only_settings:
        raise UsageError(
            f"the scenario {name!r} lacks functions or files, or is compiled in",
            next_step="build a tree for it: build_driver_tree",
        )
    place_file(tree, name, scenario)


def place_file(tree: Path, name: str, scenario: Scenario) -> None:
    """Put the scenario's answers beside the libraries, or take away what lies there when it has none of its own."""
    text = f"# wslgpu lab stand-in, scenario {name}: {scenario.imitates}\n{as_text(scenario.settings)}"
    for folder in [tree / "lib", *(tree / "drivers").glob("nv*")]:
        path = folder / FILE_NAME
        path.unlink(missing_ok=True)
        if scenario.settings:
            path.write_text(text, encoding="utf-8")
            path.chmod(0o444)
