"""Bill of materials and provenance: their form, and that the bill is the same for the same build."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import cyclonedx.schema
import pytest
from jsonschema import Draft7Validator, FormatChecker  # type: ignore[import-untyped]
from referencing import Registry, Resource

from wslgpu.build.bill import bill_of
from wslgpu.build.key import folder_digests
from wslgpu.build.made import Made
from wslgpu.build.plan import make_plan
from wslgpu.build.provenance import statement
from wslgpu.build.record import Requirements
from wslgpu.settings import load

SCHEMAS = Path(cyclonedx.schema.__file__).parent / "_res"
PACKAGES = {"gcc-12": "12.2.0-14", "libgcc-12-dev": "12.2.0-14", "zlib1g-dev": "1:1.2.13.dfsg-1"}


def _made(build: str) -> Made:
    plan = make_plan(build, load())
    return Made(
        build=build,
        artifact=plan.build.artifact,
        version=plan.build.version,
        key="a" * 64,
        digest="sha256:" + "b" * 64,
        licence=plan.recipe.licence,
        recipe=plan.recipe,
        options=plan.options,
        sources=plan.sources,
        packages=PACKAGES,
        epoch=1_700_000_000,
        requirements=Requirements(glibc="2.34", sonames=("libc.so.6", "libz.so.1")),
        recipe_files={name: value.split()[0] for name, value in folder_digests(plan.folder).items()},
    )


def _schema(name: str) -> Any:
    return json.loads((SCHEMAS / f"{name}.SNAPSHOT.schema.json").read_text())


@pytest.fixture(scope="module")
def cyclonedx_1_6() -> Draft7Validator:
    """The official schema of CycloneDX 1.6, as its own Python library has it."""
    others = [
        (f"http://cyclonedx.org/schema/{name}.schema.json", Resource.from_contents(_schema(name)))
        for name in ("spdx", "jsf-0.82")
    ]
    return Draft7Validator(
        _schema("bom-1.6"), registry=Registry().with_resources(others), format_checker=FormatChecker()
    )


@pytest.mark.parametrize("build", sorted(load().builds))
def test_the_bill_is_cyclonedx(build: str, cyclonedx_1_6: Draft7Validator) -> None:
    document = json.loads(bill_of(_made(build)))
    assert [error.message for error in cyclonedx_1_6.iter_errors(document)] == []
    broken = {**document, "components": [{"name": "x"}]}
    assert list(cyclonedx_1_6.iter_errors(broken))


def test_the_bill_says_what_is_delivered_and_what_only_built_it() -> None:
    document = json.loads(bill_of(_made("mesa-dozen-25.0.7")))
    scopes = {component["bom-ref"]: component["scope"] for component in document["components"]}
    assert scopes["source:mesa"] == "required"
    assert scopes["source:meson"] == "excluded"
    assert scopes["package:gcc-12"] == "excluded"
    assert scopes["package:libgcc-12-dev"] == "required"
    assert document["dependencies"][0]["dependsOn"] == ["source:mesa"]
    sources = {component["name"]: component for component in document["components"]}
    assert sources["Mesa"]["hashes"][0]["content"] == load().build_sources["mesa-25.0.7"].sha256
    assert document["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": "b" * 64}]
    assert sources["zlib1g-dev"]["purl"] == "pkg:deb/debian/zlib1g-dev@1%3A1.2.13.dfsg-1?arch=amd64&distro=bookworm"


def test_the_same_build_has_the_same_bill() -> None:
    made = _made("ffmpeg-7.1.5")
    turned = dataclasses.replace(made, packages=dict(reversed(list(PACKAGES.items()))))
    assert bill_of(made) == bill_of(turned)
    other = dataclasses.replace(made, key="c" * 64)
    assert json.loads(bill_of(made))["serialNumber"] != json.loads(bill_of(other))["serialNumber"]


def test_the_statement_is_slsa_provenance_in_an_in_toto_statement() -> None:
    made = _made("ffmpeg-7.1.5")
    found = json.loads(
        statement(
            made,
            invocation="0d1f",
            started="2026-11-25T10:00:00Z",
            finished="2026-11-25T10:09:16Z",
            internal={"jobs": 2, "ccache": "cold"},
        )
    )
    # the required fields of https://slsa.dev/spec/v1.0/provenance and of in-toto's Statement v1
    assert set(found) == {"_type", "subject", "predicateType", "predicate"}
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["predicateType"] == "https://slsa.dev/provenance/v1"
    assert found["subject"] == [{"name": f"ffmpeg-7.1.5-{'a' * 12}.tar", "digest": {"sha256": "b" * 64}}]
    definition, run = found["predicate"]["buildDefinition"], found["predicate"]["runDetails"]
    assert definition["buildType"]
    assert definition["externalParameters"]["build"] == "ffmpeg-7.1.5"
    assert definition["externalParameters"]["options"] == {"codecs": "full"}
    assert definition["internalParameters"]["jobs"] == 2
    assert run["builder"]["id"]
    assert run["metadata"] == {
        "invocationId": "0d1f",
        "startedOn": "2026-11-25T10:00:00Z",
        "finishedOn": "2026-11-25T10:09:16Z",
    }
    resolved = {entry["name"]: entry for entry in definition["resolvedDependencies"]}
    for pin in made.sources.values():
        assert resolved[pin.file]["digest"] == {"sha256": pin.sha256}
    assert resolved["ffmpeg/build.sh"]["digest"]["sha256"] == made.recipe_files["build.sh"]
    for entry in definition["resolvedDependencies"]:
        assert {"uri", "digest"} & set(entry)
        assert all(len(value) == 64 for value in entry.get("digest", {}).values())
