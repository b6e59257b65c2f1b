"""Rows 40, 44 to 48 and 56 of the table of faults, as `wslgpu check` meets them on lab nodes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.lab.conftest import LabFactory
from tests.lab.support.check import check, wslgpu
from wslgpu.lab import Lab

pytestmark = pytest.mark.lab

SMI = "/usr/lib/wsl/lib/nvidia-smi"


def observed(lab: Lab, tmp_path: Path, *words: str) -> dict[str, dict[str, object]]:
    """The observations of the lab's first node."""
    file = tmp_path / "node1.json"
    check(lab, "--save", str(file), *words)
    found: dict[str, dict[str, object]] = json.loads(file.read_text())["observations"]
    return found


def test_fault_40_a_probe_that_hangs_is_an_observation(lab: Lab, tmp_path: Path) -> None:
    node = lab.node()
    node.nsenter(f"mv {SMI} {SMI}.kept")
    node.put(SMI, "#!/bin/sh\nexec sleep 601\n", 0o755)
    try:
        seen = observed(lab, tmp_path)
        found = check(lab, "--require", "nvml.smi.runs")
        assert "sleep 601" not in node.nsenter("ps -eo args").stdout
    finally:
        node.nsenter(f"mv -f {SMI}.kept {SMI}")
    assert seen["smi.run"]["status"] == "hang", seen["smi.run"]
    # the rest was looked at all the same
    assert seen["cuda.init"]["status"] == "observed"
    assert seen["network.interfaces"]["status"] == "observed"
    assert (found.code, found.capability("nvml.smi.runs")["state"]) == (1, "broken"), found
    assert "hang" in json.dumps(found.capability("nvml.smi.runs"))


def test_fault_44_a_kernel_that_is_too_old(lab: Lab) -> None:
    node = lab.node()
    node.put("/run/osrelease", "4.19.128-microsoft-standard-WSL2\n")
    node.nsenter("mount --bind /run/osrelease /proc/sys/kernel/osrelease")
    try:
        found = check(lab, "--workload", "cuda")
    finally:
        node.nsenter("umount /proc/sys/kernel/osrelease")
    kernel = found.capability("kernel.minimum")
    assert (found.code, found.workload("cuda")["verdict"], kernel["state"]) == (1, "NO-GO", "broken"), found
    assert "4.19.128" in json.dumps(kernel["evidence"])
    assert "5.10.43" in kernel["remedy"]
    assert found.workload("cuda")["reasons"][0]["capability"] == "kernel.minimum"
    assert check(lab, "--workload", "cuda").code == 0


def test_fault_45_no_gpu(new_lab: LabFactory) -> None:
    found = check(new_lab(persona="no-gpu"), "--workload", "cuda")
    assert (found.code, found.workload("cuda")["verdict"]) == (1, "NO-GO"), found
    # one cause, and what hangs on it
    causes = [reason["capability"] for reason in found.workload("cuda")["reasons"]]
    assert causes == ["wsl.dxg"]
    for name in ("cuda.init", "cuda.kernel", "nvml.init", "gpu.nvidia"):
        assert found.capability(name)["state"] in ("blocked", "not-tested", "not-applicable"), name
    # the rest runs
    for name in ("wsl.platform", "wsl.kernel_release", "kernel.minimum", "kernel.memfd"):
        assert found.capability(name)["state"] == "works", name


def test_fault_46_two_gpus(new_lab: LabFactory) -> None:
    lab = new_lab(persona="wsl2-two-gpus")
    found = check(lab, "--workload", "cuda")
    assert (found.code, found.workload("cuda")["verdict"]) == (0, "GO"), found
    assert found.node()["facts"]["gpu"].startswith("2 x ")
    # no device node of its own for each: nothing keeps one container from the other's GPU
    nodes = found.capability("gpu.device_nodes")
    assert nodes["state"] == "cannot"
    assert "kept apart" in nodes["remedy"]
    assert "on WSL2 the only one" in wslgpu("explain", "container.cdi.device_all").stdout


def test_fault_47_integrated_and_nvidia_gpu(new_lab: LabFactory, tmp_path: Path) -> None:
    lab = new_lab(persona="wsl2-hybrid-gpu")
    stores = observed(lab, tmp_path)["wsl.driver_stores"]["value"]
    assert isinstance(stores, list)
    assert {(store["vendor"], store["has_libcuda"]) for store in stores} == {("intel", False), ("nvidia", True)}
    found = check(lab, "--workload", "cuda")
    assert (found.code, found.workload("cuda")["verdict"]) == (0, "GO"), found
    assert "RTX 4070" in found.node()["facts"]["gpu"]
    assert found.capability("gpu.nvidia")["state"] == "works"


def test_fault_48_a_linux_driver_in_wsl(new_lab: LabFactory) -> None:
    found = check(new_lab(persona="linux-driver-installed"), "--require", "gpu.no_linux_driver")
    driver = found.capability("gpu.no_linux_driver")
    assert (found.code, driver["state"]) == (1, "broken"), found
    assert "libnvidia-compute" in json.dumps(driver["evidence"]), "the packages are named"
    assert "purge" in driver["remedy"]
    assert found.workload("cuda")["verdict"] != "GO"


def test_fault_56_another_locale_and_an_accented_name(lab: Lab, tmp_path: Path) -> None:
    folder = tmp_path / "d\xe9p\xf4t"
    folder.mkdir()
    node = lab.node()
    data = {
        "ssh_hostname": node.address,
        "ssh_user": "ren\xe9e",
        "ssh_key": str(lab.directory / "id_ed25519"),
        "ssh_known_hosts_file": str(lab.directory / "known_hosts"),
    }
    home = "/home/ren\xe9e"
    node.nsenter(
        f"useradd --badname --create-home --home-dir {home} --shell /bin/bash ren\xe9e && mkdir -m 700 {home}/.ssh"
        f" && cp /root/.ssh/authorized_keys {home}/.ssh/ && chown -R ren\xe9e: {home}"
        f" && echo 'export LC_ALL=fr_FR.ISO-8859-1 LANG=fr_FR' >{home}/.bashrc"
    )
    path = folder / "h\xf4tes.py"
    path.write_text(f"# coding: utf-8\ngpu_nodes = {[(node.name, data)]!r}\n", encoding="utf-8")
    answers = []
    for locale in ("C.UTF-8", "C", "POSIX"):
        saved = folder / f"{locale}.json"
        done = wslgpu(
            *["check", "--inventory", str(path), "--json", "--workload", "cuda", "--save", str(saved)],
            environment={"LC_ALL": locale, "LANG": locale},
        )
        assert "Traceback" not in done.stderr
        document = json.loads(done.stdout)
        assert document["nodes"][0]["error"] is None, document
        answers.append((done.returncode, {one["id"]: one["state"] for one in document["nodes"][0]["capabilities"]}))
        assert "ren\xe9e" not in saved.read_text(encoding="utf-8")
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == 0
    assert os.fsencode(folder) == str(folder).encode()
