"""The tables of keys, and the words for what is not in them."""

import pytest

from wslgpu.wsl_keys import WSL_CONF, WSLCONFIG, Kind, find_key, mapping_problems, nearest, value_problem


def test_the_tables_hold_what_wsl_knows() -> None:
    assert sum(len(keys) for keys in WSL_CONF.values()) == 25
    assert find_key("BOOT", "Systemd", WSL_CONF) == ("boot", "systemd")
    assert find_key("wsl2", "networkingmode", WSLCONFIG) == ("wsl2", "networkingMode")
    assert find_key("wsl2", "systemd", WSLCONFIG) is None


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Kind.BOOLEAN, ["true", "False", "1", True], ["yes", "", 2]),
        (Kind.INTEGER, ["-1", "0x10", 5], ["five", "1.5", ""]),
        (Kind.MEMORY, ["8GB", "512mb", 0, "1 G"], ["8 gigabytes", "-1GB", ""]),
        (Kind.CGROUPS, ["v1", "v2"], ["V2", "2"]),
        (Kind.NETWORKING, ["NAT", "bridged", "virtioproxy"], ["bridge", ""]),
        (Kind.MAC_ADDRESS, ["00:15:5D:01:02:03", "00-15-5d-01-02-03"], ["00:15:5d:01:02", "none"]),
    ],
)
def test_values(kind: Kind, good: list[str | int | bool], bad: list[str | int | bool]) -> None:
    assert [value for value in good if value_problem(kind, value)] == []
    assert [value for value in bad if not value_problem(kind, value)] == []


def test_nearest_names_a_likely_word_or_none() -> None:
    assert nearest("ws12", list(WSLCONFIG)) == "wsl2"
    assert nearest("zzz", list(WSLCONFIG)) == ""


def test_mapping_problems_name_section_key_and_guess() -> None:
    problems = mapping_problems(
        {"bot": {"systemd": True}, "boot": {"systmd": True, "systemd": "perhaps"}}, WSL_CONF, "wsl.conf"
    )
    assert problems == [
        (("bot",), "[bot] is not a section of wsl.conf; did you mean [boot]?"),
        (("boot", "systmd"), "systmd is not a key of [boot] in wsl.conf; did you mean systemd?"),
        (("boot", "systemd"), "systemd must be true or false, not 'perhaps'"),
    ]
