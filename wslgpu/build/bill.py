"""The bill of materials of an artifact: CycloneDX 1.6, the same bytes for the same build.

The sources that became part of it are ``required``, and so are the packages of the clean root whose objects every
linker adds (start code, the compiler's own library). What only built it is ``excluded``, as CycloneDX calls what is not
delivered. Source: https://cyclonedx.org/docs/1.6/json/.
"""

from __future__ import annotations

import datetime
import json
import re
import uuid
from typing import Any

from wslgpu import __version__
from wslgpu.build.licence import parts_of
from wslgpu.build.made import Made, package_url, source_url
from wslgpu.build.pins import SourcePin

_GCC = "GPL-3.0-or-later WITH GCC-exception-3.1"
RUNTIMES = {r"libc6-dev": "LGPL-2.1-or-later", r"libgcc-\d+-dev": _GCC, r"libstdc\+\+-\d+-dev": _GCC}
"""Packages of which something is linked into what is built, with the licence of that part."""
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:wslgpu:bill")


def bill_of(made: Made) -> bytes:
    """The bill of materials as JSON.

    Its one time is that of the sources, and its serial number follows from what was built, so that a second build of
    the same key has the same bill.
    """
    root = f"artifact:{made.artifact}@{made.version}"
    delivered = set(parts_of(made.recipe, made.options))
    sources = [_source(role, pin, role in delivered) for role, pin in sorted(made.sources.items())]
    packages = [_package(name, version, made.recipe.base) for name, version in sorted(made.packages.items())]
    document: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, f'{made.key} {made.digest}')}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.datetime.fromtimestamp(made.epoch, datetime.timezone.utc).isoformat(),
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [{"type": "application", "name": "wslgpu", "version": __version__}]},
            "component": {
                "type": "application" if made.artifact == "ffmpeg" else "library",
                "bom-ref": root,
                "name": made.artifact,
                "version": made.version,
                "description": made.recipe.title,
                "hashes": [{"alg": "SHA-256", "content": made.hex}],
                "licenses": [{"expression": made.licence}],
                "properties": _properties(made),
            },
        },
        "components": sources + packages,
        "dependencies": [{"ref": root, "dependsOn": sorted(f"source:{role}" for role in delivered)}],
    }
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _source(role: str, pin: SourcePin, delivered: bool) -> dict[str, Any]:
    hashes = [{"alg": "SHA-256", "content": pin.sha256}]
    component: dict[str, Any] = {
        "type": "library" if delivered else "application",
        "bom-ref": f"source:{role}",
        "name": pin.name,
        "version": pin.version,
        "scope": "required" if delivered else "excluded",
        "hashes": hashes,
        "licenses": [{"expression": pin.licence}],
        "properties": [{"name": "wslgpu:role", "value": role}, {"name": "wslgpu:file", "value": pin.file}],
    }
    if pin.urls:
        component["externalReferences"] = [
            {"type": "source-distribution", "url": url, "hashes": hashes} for url in pin.urls
        ]
    else:
        component["purl"] = source_url(pin)
    return component


def _package(name: str, version: str, release: str) -> dict[str, Any]:
    linked = next((licence for pattern, licence in RUNTIMES.items() if re.fullmatch(pattern, name)), "")
    return {
        "type": "library",
        "bom-ref": f"package:{name}",
        "name": name,
        "version": version,
        "scope": "required" if linked else "excluded",
        "purl": package_url(name, version, release),
        **({"licenses": [{"expression": linked}]} if linked else {}),
    }


def _properties(made: Made) -> list[dict[str, str]]:
    needs = made.requirements
    values = {
        "wslgpu:build": made.build,
        "wslgpu:key": made.key,
        "wslgpu:glibc": needs.glibc,
        "wslgpu:glibcxx": needs.glibcxx,
        "wslgpu:cxxabi": needs.cxxabi,
        "wslgpu:links": " ".join(needs.sonames),
        **{f"wslgpu:option:{name}": _word(value) for name, value in made.options.items()},
    }
    return [{"name": name, "value": value} for name, value in sorted(values.items()) if value]


def _word(value: bool | str) -> str:
    return value if isinstance(value, str) else ("yes" if value else "no")
