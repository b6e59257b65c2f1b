"""What comes with an image: its bill of materials (CycloneDX 1.6) and its provenance (in-toto, SLSA 1). Pure.

The bill is the same bytes for the same image from the same inputs. Hashes of packages come from the lock: without one
there are none. The provenance says who built it, when, and from what; it is unsigned.
Sources: https://cyclonedx.org/docs/1.6/json/ and https://slsa.dev/spec/v1.0/provenance.
"""

from __future__ import annotations

import datetime
import json
import re
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wslgpu import __version__
from wslgpu.build.made import package_url
from wslgpu.build.provenance import PREDICATE, STATEMENT
from wslgpu.lock.model import LockedPackage

BUILD_TYPE = "urn:wslgpu:image:1"
"""Distribution, profile, site and lock are the external parameters; packages and artifacts are what they led to."""
BUILDER = "urn:wslgpu:builder:throw-away-machine"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:wslgpu:image")


@dataclass(frozen=True)
class MadeImage:
    """An image that was packed.

    :param distribution: ``debian-13``
    :param release: ``trixie``
    :param packages: package -> version of everything that is installed in it
    :param independent: those of them that are of no architecture
    :param locked: what the lock says of packages, by name; empty where there was no lock
    :param lock: ``sha256:...`` of the lock's text; empty where there was none
    :param artifacts: artifact -> digest of what stands in it
    :param parts: path -> sha256 of each file that makes it a WSL distro
    :param settings: sha256 of the site's settings as sorted JSON, without the lock's path
    """

    file: str
    sha256: str
    size_bytes: int
    unpacked_bytes: int
    name: str
    distribution: str
    release: str
    profile: str
    epoch: int
    packages: Mapping[str, str]
    settings: str
    lock: str = ""
    locked: Mapping[str, LockedPackage] = field(default_factory=dict)
    independent: frozenset[str] = frozenset()
    artifacts: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)


def packages_of(status: str) -> dict[str, str]:
    """Package -> version of what dpkg's status file says is installed, whole or not."""
    found: dict[str, str] = {}
    for stanza in status.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Status|Version): (.*)$", stanza, re.MULTILINE))
        if "Package" in fields and fields.get("Status", "").endswith(" installed"):
            found[fields["Package"]] = fields.get("Version", "")
    return dict(sorted(found.items()))


def independent_of(status: str) -> frozenset[str]:
    """Packages in dpkg's status file that are of no architecture (``all``)."""
    return frozenset(
        match[1]
        for stanza in status.split("\n\n")
        if (match := re.search(r"^Package: (.*)$", stanza, re.MULTILINE))
        and re.search(r"^Architecture: all$", stanza, re.MULTILINE)
    )


def bill(image: MadeImage) -> bytes:
    """The bill of materials as JSON. It follows from the image, its file's name, the lock and the settings."""
    root = f"image:{image.file}"
    packages = [_package(image, name, version) for name, version in sorted(image.packages.items())]
    artifacts = [
        {
            "type": "application",
            "bom-ref": f"artifact:{name}",
            "name": name,
            "version": digest,
            "hashes": [_hash(digest.removeprefix("sha256:"))],
        }
        for name, digest in sorted(image.artifacts.items())
    ]
    parts = [
        {"type": "file", "bom-ref": f"file:{path}", "name": path, "hashes": [_hash(digest)]}
        for path, digest in sorted(image.parts.items())
    ]
    properties = {
        "wslgpu:distribution": image.distribution,
        "wslgpu:lock": image.lock,
        "wslgpu:profile": image.profile,
        "wslgpu:settings": image.settings,
    }
    return _text(
        {
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, image.sha256)}",
            "version": 1,
            "metadata": {
                "timestamp": _utc(image.epoch),
                "lifecycles": [{"phase": "build"}],
                "tools": {"components": [{"type": "application", "name": "wslgpu", "version": __version__}]},
                "component": {
                    "type": "operating-system",
                    "bom-ref": root,
                    "name": image.name,
                    "version": image.sha256[:12],
                    "hashes": [_hash(image.sha256)],
                    "properties": [{"name": key, "value": value} for key, value in properties.items() if value],
                },
            },
            "components": [*packages, *artifacts, *parts],
            "dependencies": [
                {
                    "ref": root,
                    "dependsOn": sorted(str(row["bom-ref"]) for row in [*packages, *artifacts, *parts]),
                }
            ],
        }
    )


def provenance(
    image: MadeImage, *, invocation: str, started: str, finished: str, internal: Mapping[str, Any] | None = None
) -> bytes:
    """The statement as JSON.

    :param invocation: something that tells this run from others
    :param started: RFC 3339, as ``finished``
    :param internal: what the builder chose by itself
    """
    packages: list[dict[str, Any]] = []
    for name, version in sorted(image.packages.items()):
        row = {"name": name, "uri": _url(image, name, version)}
        if name in image.locked:
            row["digest"] = {"sha256": image.locked[name].sha256}  # type: ignore[assignment]
        packages.append(row)
    artifacts = [
        {"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}
        for name, digest in sorted(image.artifacts.items())
    ]
    parameters: dict[str, Any] = {
        "distribution": image.distribution,
        "name": image.name,
        "profile": image.profile,
        "settings": {"sha256": image.settings},
    }
    if image.lock:
        parameters["lock"] = {"sha256": image.lock.removeprefix("sha256:")}
    return _text(
        {
            "_type": STATEMENT,
            "subject": [{"name": image.file, "digest": {"sha256": image.sha256}}],
            "predicateType": PREDICATE,
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": parameters,
                    "internalParameters": {
                        "sourceDateEpoch": image.epoch,
                        "zlib": zlib.ZLIB_RUNTIME_VERSION,
                        **(internal or {}),
                    },
                    "resolvedDependencies": packages + artifacts,
                },
                "runDetails": {
                    "builder": {"id": BUILDER, "version": {"wslgpu": __version__}},
                    "metadata": {"invocationId": invocation, "startedOn": started, "finishedOn": finished},
                },
            },
        }
    )


def _package(image: MadeImage, name: str, version: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "type": "library",
        "bom-ref": f"package:{name}",
        "name": name,
        "version": version,
        "purl": _url(image, name, version),
    }
    if name in image.locked:
        row["hashes"] = [_hash(image.locked[name].sha256)]
    return row


def _url(image: MadeImage, name: str, version: str) -> str:
    architecture = "all" if name in image.independent else "amd64"
    # of the toolkit, from NVIDIA's own repository; all that Debian has of such names is drivers, which no WSL has
    vendor = "nvidia" if name.startswith(("nvidia-", "libnvidia-")) else "debian"
    return package_url(name, version, image.release, architecture, vendor)


def _hash(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest}


def _utc(epoch: int) -> str:
    return datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).isoformat()


def _text(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
