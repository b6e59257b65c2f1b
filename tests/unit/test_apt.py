"""What apt and dpkg say, and what it means."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from wslgpu.apt_preferences import pin_text
from wslgpu.node_script import command_line, parse_errors
from wslgpu.operations.apt_repository import sources_text
from wslgpu.operations.script import SCRIPTS

SAID = yaml.safe_load((Path(__file__).parents[1] / "fixtures" / "apt_words.yaml").read_text())


@pytest.mark.parametrize("row", SAID, ids=[row["case"] for row in SAID])
def test_words_are_classed(row: dict[str, Any], tmp_path: Path) -> None:
    for name in ("apt_messages.sh", "openpgp.sh"):
        shutil.copy(SCRIPTS / name, tmp_path)
    (tmp_path / "log").write_text(row["said"] + "\n")
    probe = tmp_path / "probe.sh"
    probe.write_text(
        f"rehold() {{ :; }}\nforeign_holds() {{ :; }}\nlog={tmp_path}/log\nwanted='a=1'\n"
        "# include: apt_messages.sh\nprimary_keys() { :; }\nexplain 'installing a=1'\n"
    )
    ended = subprocess.run(["sh", "-c", command_line(probe)], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    (error,) = parse_errors(ended.stderr.splitlines(), "node1")
    assert (error.error_class.value, error.retryable) == (row["class"], row["retryable"]), error
    assert row["means"] in error.what + " "
    assert error.next_step


def test_pin_names_exact_versions() -> None:
    text = pin_text((("a", "1.0-1"), ("b", "2:3")))
    assert "Package: a\nPin: version 1.0-1\nPin-Priority: 1001\n\nPackage: b\nPin: version 2:3\n" in text


def test_sources_are_of_one_architecture_and_one_key() -> None:
    assert sources_text("https://x/deb", "/k.gpg").splitlines()[1:] == [
        "Types: deb",
        "URIs: https://x/deb",
        "Suites: /",
        "Architectures: amd64",
        "Signed-By: /k.gpg",
    ]
