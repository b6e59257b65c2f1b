"""What comes with an image: bill of materials and provenance."""

from __future__ import annotations

import json
from dataclasses import replace

from wslgpu.image.documents import MadeImage, bill, independent_of, packages_of, provenance
from wslgpu.lock.model import LockedPackage

IMAGE = MadeImage(
    file="a.wsl",
    sha256="ab" * 32,
    size_bytes=10,
    unpacked_bytes=30,
    name="wslgpu-debian-13",
    distribution="debian-13",
    release="trixie",
    profile="current",
    epoch=1_760_000_000,
    packages={"curl": "8.14.1-2", "bash": "5.2.37-2+b5", "adduser": "3.152", "libnvidia-container1": "1.20.0-1"},
    independent=frozenset({"adduser"}),
    settings="cd" * 32,
    lock="sha256:" + "ef" * 32,
    locked={"curl": LockedPackage(version="8.14.1-2", sha256="12" * 32, size_bytes=7, file="c.deb", index=0)},
    artifacts={"ffmpeg": "sha256:" + "34" * 32},
    parts={"/etc/wsl.conf": "56" * 32},
)
STATUS = """\
Package: bash
Status: install ok installed
Version: 5.2.37-2+b5
Description: a shell
 Package: not this one

Package: old
Status: deinstall ok config-files
Version: 1

Package: curl
Status: hold ok installed
Architecture: all
Version: 8.14.1-2
"""


def test_packages_that_are_installed() -> None:
    assert packages_of(STATUS) == {"bash": "5.2.37-2+b5", "curl": "8.14.1-2"}
    assert independent_of(STATUS) == {"curl"}


def test_the_bill_names_every_package_artifact_and_part() -> None:
    document = json.loads(bill(IMAGE))
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    components = {row["bom-ref"]: row for row in document["components"]}
    packages = ["package:adduser", "package:bash", "package:curl", "package:libnvidia-container1"]
    assert list(components) == [*packages, "artifact:ffmpeg", "file:/etc/wsl.conf"]
    assert components["package:adduser"]["purl"] == "pkg:deb/debian/adduser@3.152?arch=all&distro=trixie"
    assert components["package:libnvidia-container1"]["purl"].startswith("pkg:deb/nvidia/libnvidia-container1@")
    assert components["package:bash"]["purl"] == "pkg:deb/debian/bash@5.2.37-2%2Bb5?arch=amd64&distro=trixie"
    assert components["package:curl"]["hashes"] == [{"alg": "SHA-256", "content": "12" * 32}]
    assert "hashes" not in components["package:bash"], "no lock knows it"
    assert document["metadata"]["component"]["hashes"][0]["content"] == IMAGE.sha256
    assert document["dependencies"][0]["dependsOn"] == sorted(components)
    properties = {row["name"]: row["value"] for row in document["metadata"]["component"]["properties"]}
    assert properties["wslgpu:lock"] == IMAGE.lock


def test_the_bill_of_the_same_image_is_the_same_and_of_another_it_is_not() -> None:
    assert bill(IMAGE) == bill(replace(IMAGE))
    other = json.loads(bill(replace(IMAGE, sha256="00" * 32)))
    assert other["serialNumber"] != json.loads(bill(IMAGE))["serialNumber"]


def test_the_provenance_names_the_image_and_what_it_was_made_from() -> None:
    document = json.loads(
        provenance(IMAGE, invocation="i", started="2026-01-01T00:00:00Z", finished="2026-01-01T00:01:00Z")
    )
    assert document["subject"] == [{"name": "a.wsl", "digest": {"sha256": IMAGE.sha256}}]
    definition = document["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["lock"] == {"sha256": "ef" * 32}
    assert definition["internalParameters"]["sourceDateEpoch"] == IMAGE.epoch
    assert definition["internalParameters"]["zlib"]
    names = {row["name"]: row for row in definition["resolvedDependencies"]}
    assert names["curl"]["digest"] == {"sha256": "12" * 32}
    assert names["ffmpeg"]["digest"] == {"sha256": "34" * 32}
    assert document["predicate"]["runDetails"]["metadata"]["invocationId"] == "i"


def test_without_a_lock_none_is_named() -> None:
    text = provenance(replace(IMAGE, lock="", locked={}), invocation="i", started="s", finished="f")
    assert "lock" not in json.loads(text)["predicate"]["buildDefinition"]["externalParameters"]
