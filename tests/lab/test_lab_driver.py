"""`wslgpu lab up --driver`: a node whose stand-in driver answers as a scenario says, seen by `check`."""

from __future__ import annotations

import json

import pytest

from tests.lab.conftest import LabFactory
from tests.lab.support.check import check, wslgpu
from wslgpu.errors import WslgpuError
from wslgpu.lab import Lab, down

pytestmark = pytest.mark.lab

PINNED = "pinned-limit-512m"


def granted_bytes(lab: Lab) -> int:
    """What the probe could pin on the lab's first node."""
    capability = check(lab, "--level", "standard", "--workload", "vllm").capability("cuda.pinned.budget")
    assert capability["state"] == "limited", capability
    value: dict[str, int] = capability["evidence"][0]["value"]
    return value["granted_bytes"]


def test_check_sees_the_scenario_also_after_a_driver_update_and_a_reboot(new_lab: LabFactory) -> None:
    lab = new_lab(driver=PINNED, servers=False)
    assert granted_bytes(lab) == 512 << 20
    node = lab.node()
    node.replace_driver_store("0f0f0f0f0f0f0f0f", "582.10")
    node.reboot()
    assert granted_bytes(Lab.load(lab.name)) == 512 << 20


def test_a_scenario_has_its_own_driver_version(new_lab: LabFactory) -> None:
    lab = new_lab(driver="driver-r510", servers=False)
    found = check(lab, "--workload", "vllm")
    assert found.node()["facts"]["driver"] == "511.65"
    assert (found.code, found.workload("vllm")["verdict"]) == (1, "NO-GO")


def test_the_command_makes_it_and_list_tells_it() -> None:
    name = "t-driver-option"
    try:
        made = wslgpu("lab", "up", "--name", name, "--driver", PINNED, "--json")
        assert json.loads(made.stdout)["driver"] == PINNED
        listed = json.loads(wslgpu("lab", "list", "--json").stdout)
        assert next(entry for entry in listed if entry["name"] == name)["driver"] == PINNED
        other = wslgpu("lab", "up", "--name", name, "--driver", "one-gpu")
        assert (other.returncode, PINNED in other.stderr) == (2, True), other.stderr
    finally:
        down(name)


@pytest.mark.parametrize(
    ("persona", "driver", "said"),
    [
        ("wsl2", "bare-metal", "linux machine"),
        ("plain-linux", PINNED, "has no driver"),
        ("wsl2", "no-such-thing", "no driver scenario"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    persona: str, driver: str, said: str, new_lab: LabFactory
) -> None:
    with pytest.raises(WslgpuError, match=said):
        new_lab(persona=persona, driver=driver)


def test_a_name_that_is_almost_right_is_answered_with_the_right_one() -> None:
    done = wslgpu("lab", "up", "--driver", "pinned-limit-512")
    assert done.returncode == 2
    assert PINNED in done.stderr
    assert "Traceback" not in done.stderr
