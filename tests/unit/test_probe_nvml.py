"""nvml.* against the stand-in driver: each field answered or refused for itself."""

from __future__ import annotations

import ctypes
import re
from typing import Any

import pytest

from tests.unit.probe_driver import ids, observed, tree, value
from wslgpu.lab.stand_ins import scenarios
from wslgpu.probe.node import nvml
from wslgpu.probe.node.call import UnavailableError
from wslgpu.probe.node.nvml_fields import FIELDS, asked_of_each, process_memory
from wslgpu.probe.node.nvml_library import Nvml
from wslgpu.probe.registry import observation_kinds

pytestmark = pytest.mark.compiled

#: Fields that answer for a pair of devices, or for a link that the scenario's boards do not have.
NOT_ALONE = {"topology", "nvlink_state", "fan_speed", "mig_mode"}


def test_the_fields_are_those_of_the_table() -> None:
    what = observation_kinds()["nvml.fields"].what
    named = re.split(r"\s+", what.partition("FIELD: ")[2].strip())
    assert list(FIELDS) == named


def test_the_topic_speaks_of_every_nvml_observation() -> None:
    assert {name for name in ids() if name.startswith("nvml.")} == {*nvml.IDS, nvml.PROCESS_MEMORY}


def test_a_healthy_linux_machine_answers_every_field() -> None:
    found = observed("cuda", "nvml", scenario="bare-metal")
    assert value(found, "nvml.library") == {"path": str(tree("bare-metal") / "libnvidia-ml.so.1")}
    assert value(found, "nvml.init") == {"result": 0, "name": "NVML_SUCCESS"}
    assert value(found, "nvml.versions")["driver"] == "580.95.05"
    assert value(found, "nvml.versions")["cuda"] == 13000
    assert value(found, "nvml.device_count") == 1
    fields = value(found, "nvml.fields")
    assert list(fields) == list(FIELDS)
    refused = {name for name, row in fields.items() if row["result"] != 0}
    assert refused <= NOT_ALONE
    assert all(row["values"] != [None] for name, row in fields.items() if name not in refused)


def test_values_stand_in_nvml_s_units() -> None:
    fields = value(observed("nvml", scenario="bare-metal"), "nvml.fields")
    memory = fields["memory"]["values"][0]
    assert memory["total_bytes"] == 46068 << 20
    assert memory["free_bytes"] + memory["used_bytes"] == memory["total_bytes"]
    assert fields["name"]["values"] == ["NVIDIA L20 (stand-in)"]
    assert fields["temperature"]["values"] == [41]
    assert fields["power_limit"]["values"] == [275000]
    assert re.fullmatch(r"[0-9A-F]{8}:[0-9A-F]{2}:[0-9A-F]{2}\.0", fields["pci"]["values"][0]["bus_id"])


def test_no_serial_number_and_no_uuid_is_asked_for() -> None:
    text = str(observed("cuda", "nvml", "codec", "dxcore", scenario="two-gpus", level="standard"))
    assert "GPU-" not in text
    assert "1111-2222" not in text


@pytest.mark.parametrize("field", sorted(set(scenarios.NVML_FIELDS) & set(FIELDS) - NOT_ALONE))
def test_a_field_that_is_refused_is_told_from_the_others(field: str) -> None:
    """By its number and name; the fields by other functions are untouched."""
    fields = value(observed("nvml", scenario=f"nvml-without-{field.replace('_', '-')}"), "nvml.fields")
    assert fields[field] == {"result": 3, "name": "NVML_ERROR_NOT_SUPPORTED", "values": [None]}
    healthy = value(observed("nvml", scenario="one-gpu"), "nvml.fields")
    function = scenarios.NVML_FIELDS[field]
    others = [name for name in FIELDS if scenarios.NVML_FIELDS.get(name) != function]
    assert {name: fields[name]["result"] for name in others} == {name: healthy[name]["result"] for name in others}


def test_links_are_counted_and_pairs_have_a_topology() -> None:
    found = observed("cuda", "nvml", scenario="bare-metal-nvlink", level="standard")
    fields = value(found, "nvml.fields")
    assert fields["nvlink_count"]["values"] == [12, 12]
    assert fields["nvlink_state"]["values"] == [12, 12]
    assert len(fields["topology"]["values"][0]) == 1


@pytest.mark.parametrize(("scenario", "code"), [("tcc-blocked", 17), ("version-mismatch", 18), ("store-gone", 12)])
def test_an_nvml_that_does_not_start(scenario: str, code: int) -> None:
    found = observed("nvml", scenario=scenario)
    assert value(found, "nvml.init")["result"] == code
    assert found["nvml.fields"]["status"] == "unknown"
    assert found["nvml.fields"]["reason"].startswith("nvmlInit_v2: NVML_ERROR_")


@pytest.mark.long
def test_an_nvml_that_hangs_is_ended_and_cuda_is_seen_all_the_same() -> None:
    found = observed("nvml", "cuda", scenario="nvmlinit-hang")
    assert found["nvml.init"]["status"] == "hang"
    assert value(found, "cuda.device_count") == 1


def test_without_the_library_nothing_is_claimed() -> None:
    found = observed("cuda", "nvml", level="standard")
    assert value(found, "nvml.library") is None
    assert {row["status"] for name, row in found.items() if name.startswith("nvml.") and name != "nvml.library"} == {
        "unknown"
    }


def test_an_old_library_without_a_function_says_that_it_has_none() -> None:
    fields = value(observed("nvml", scenario="driver-r510"), "nvml.fields")
    assert fields["gpm_support"]["name"] == "NVML_ERROR_FUNCTION_NOT_FOUND"
    assert fields["throttle_reasons"]["result"] == 0, "by the older function"
    assert fields["utilization"]["result"] == 3


@pytest.mark.parametrize(("scenario", "code"), [("one-gpu", 3), ("driver-r610", 3), ("bare-metal", 0)])
def test_memory_of_a_program_that_computes(scenario: str, code: int) -> None:
    found = observed("cuda", "nvml", scenario=scenario, level="standard")
    assert value(found, "nvml.process_memory")["result"] == code


def test_a_list_without_any_program_says_nothing_of_their_memory() -> None:
    library: Any = Nvml.__new__(Nvml)
    with pytest.raises(UnavailableError, match="lists no program"):
        process_memory(library, [])


def test_one_device_that_refuses_decides_the_result_and_the_other_keeps_its_value() -> None:
    row = {"result": 3, "name": "NVML_ERROR_NOT_SUPPORTED", "values": [None, 42]}
    answers = {1: (3, None), 2: (0, 42)}
    query: Any = lambda _nvml, device, _others: answers[device.value]  # noqa: E731
    devices = [ctypes.c_void_p(1), ctypes.c_void_p(2)]
    library: Any = Nvml.__new__(Nvml)
    assert asked_of_each(library, devices, query) == row
