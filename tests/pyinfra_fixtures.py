"""What the fixture files of tests/facts and tests/operations may say beyond pyinfra-testing's own format.

A command of ours is a whole script, so a fixture names it instead of repeating it::

    command: {script: file_state, args: [/etc/hosts]}            # a fact's
    commands:                                                    # an operation's
      - {script: put_file, args: [/etc/hosts, "644", "root:root", "{sha256}"], stdin: "text", timeout_s: 60}

``stdin`` is the text as the operation was given it; ``{sha256}`` in ``args`` stands for that text's hash.

A fact that an operation reads is given as what its script prints, so that the fact's own parser makes its value::

    facts:
      file_state.FileStates:
        paths=('/etc/hosts',): |
          none - - - /etc/hosts

The keys are as pyinfra-testing has them: last part of the module and class, then the arguments; ``places of all
components``, with or without ``, and what packages need``, stands for the words that the manifest's fact is asked
with. A fact without arguments has its text in place of the mapping. ``settings`` among an operation's arguments is
what differs from the default profile; ``choice`` is tests/artifact_records.choice's fields, ``cluster`` and
``pin`` those of Cluster and K3sPin; ``archive_of`` the members of the archive that is given, by path, or
``corrupted``; a command's ``payload: true`` is that archive as it travels. The controller's clock stands at 2025-01-01.
"""

from __future__ import annotations

import atexit
import functools
import tempfile
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from freezegun import freeze_time
from pyinfra.api import FactBase
from pyinfra.api.state import StateStage

from tests import artifact_records
from wslgpu.build.record import ArtifactRecord
from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.facts import script as fact_script
from wslgpu.kubernetes.bootstrap import Cluster
from wslgpu.kubernetes.k3s_pins import K3sPin
from wslgpu.manifest import claims
from wslgpu.node_script import command_line
from wslgpu.operations import artifact as artifact_operations
from wslgpu.operations import script as operation_script
from wslgpu.pins import load_pins
from wslgpu.settings import PINS_FILE, resolve
from wslgpu.yaml_source import YamlDocument

# pyinfra_cli, which pyinfra_testing imports, replaces sockets, threads and processes of the whole Python process by
# gevent's; the tests of labs run in the same process and need the real ones.
with mock.patch("gevent.monkey.patch_all"):
    from pyinfra_testing.facts import make_fact_tests
    from pyinfra_testing.operations import make_operation_tests

_made = tempfile.TemporaryDirectory(prefix="wslgpu-fixtures-")
atexit.register(_made.cleanup)
PLACES = {
    "places of all components": f"words={claims.words()}",
    "places of all components, and what packages need": f"words={(*claims.words(), 'with=depends')}",
}
FROZEN = "2025-01-01"
"""The controller's clock while a fixture runs; 1735689600 as an epoch."""


def fixtures(tests: Path) -> list[Path]:
    """The fixture files below a directory, each in a folder named ``module.FactOrOperation``; none is an error."""
    found = sorted(path for path in tests.glob("*.*/*") if path.suffix in (".yaml", ".yml", ".json"))
    if not found:
        raise FileNotFoundError(f"no fixtures in {tests}")
    return found


def name_of(fixture: Path) -> str:
    """``module.FactOrOperation/case``: a fixture as pytest shows it."""
    return f"{fixture.parent.name}/{fixture.stem}"


def check_fact(fixture: Path) -> None:
    """Hold a fact against one fixture."""
    data = yaml.safe_load(fixture.read_text(encoding="utf-8"))
    command = data.get("command")
    if isinstance(command, dict):
        path = fact_script.SCRIPTS / f"{command['script']}.sh"
        data["command"] = command_line(path, command.get("args", []))
    if isinstance(data.get("arg"), dict):
        data["arg"] = {key: _frozen(value) for key, value in data["arg"].items()}
    case = _case(make_fact_tests, "wslgpu.facts", fixture)
    case._test(fixture.stem, data)


def check_operation(fixture: Path) -> None:
    """Hold an operation against one fixture."""
    data = yaml.safe_load(fixture.read_text(encoding="utf-8"))
    data["facts"] = {name: _answers(name, given) for name, given in data.get("facts", {}).items()}
    data["kwargs"] = {key: _argument(key, value) for key, value in data.get("kwargs", {}).items()}
    data["commands"] = [_command(command, data["kwargs"]) for command in data["commands"]]
    data["args"] = [_frozen(value) for value in data.get("args", [])]
    case = _case(make_operation_tests, "wslgpu.operations", fixture)
    case.state.current_stage = StateStage.Execute
    with freeze_time(FROZEN), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="No noop_description set")
        case._test(fixture.stem, data)


def _case(make: Callable[[str, str, Path], type[Any]], package: str, fixture: Path) -> Any:
    """A test case of pyinfra-testing's without its own tests: those would leave their files open."""
    with tempfile.TemporaryDirectory() as empty:
        case_class = make(package, fixture.parent.name, Path(empty))
    case_class.setUpClass()
    return case_class("_test")


def _argument(key: str, value: Any) -> Any:
    if key == "settings":
        pins, document = load_pins(PINS_FILE)
        return resolve(pins, document, YamlDocument(Path("fixture"), value, {}))
    if key == "choice":
        return artifact_records.choice(**value)
    if key == "cluster":
        return Cluster(**value)
    if key == "pin":
        return K3sPin(**value)
    if key == "archive_of":
        return functools.partial(_archive, value)
    return _frozen(value)


def _archive(members: Any, record: ArtifactRecord) -> Path:
    """What the store gives for a record."""
    if members == "corrupted":
        raise WslgpuError(f"{record.name} is corrupted in the store", "/store", "Build it again.", ErrorClass.INTEGRITY)
    return artifact_records.archive(Path(_made.name) / "archive.tar", members)


def _frozen(value: Any) -> Any:
    """Lists become tuples: arguments of facts must be hashable."""
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _answers(name: str, given: Any) -> Any:
    module, _, class_name = name.rpartition(".")
    fact_class: type[FactBase[Any]] = getattr(import_module(f"wslgpu.facts.{module}"), class_name)
    if isinstance(given, str):
        return _Plain(fact_class().process(given.splitlines()))
    return {
        PLACES.get(arguments, arguments): fact_class().process(text.splitlines()) if isinstance(text, str) else text
        for arguments, text in given.items()
    }


class _Plain:
    """Carries a fact's value through pyinfra-testing, which would otherwise take it apart."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __getattr__(self, name: str) -> Any:
        return getattr(self.value, name)

    def __eq__(self, other: object) -> bool:
        return bool(self.value == other)

    __hash__ = None  # type: ignore[assignment]


def _command(command: Any, arguments: dict[str, Any]) -> Any:
    if not isinstance(command, dict) or "script" not in command:
        return command
    text = command.get("stdin", "")
    words = [operation_script.sha256_of(text) if word == "{sha256}" else word for word in command.get("args", [])]
    line = command_line(operation_script.SCRIPTS / f"{command['script']}.sh", words)
    connector: dict[str, Any] = {}
    if text:
        connector["_stdin"] = operation_script.as_stdin(text)
    if command.get("payload"):
        record = arguments["choice"].record
        connector["_stdin"] = artifact_operations.payload(record, arguments["archive_of"](record))
    if "timeout_s" in command:
        connector["_timeout"] = command["timeout_s"]
    return {**connector, "command": line} if connector else line
