"""Who built an artifact, when, from what: an in-toto statement with SLSA's provenance, unsigned.

Source: https://slsa.dev/spec/v1.0/provenance and in-toto's attestation framework, Statement v1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from wslgpu import __version__
from wslgpu.build.made import Made, package_url, source_url

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:wslgpu:build:1"
"""Recipe, options and sources of a row of builds.yml are the external parameters; what they led to is resolved."""
BUILDER = "urn:wslgpu:builder:clean-root"


def statement(
    made: Made, *, invocation: str, started: str, finished: str, internal: Mapping[str, Any] | None = None
) -> bytes:
    """The statement as JSON.

    :param invocation: something that tells this run from others
    :param started: RFC 3339, as ``finished``
    :param internal: what the builder chose by itself, and what may not change the result: jobs, ccache
    """
    document = {
        "_type": STATEMENT,
        "subject": [{"name": f"{made.artifact}-{made.version}-{made.key[:12]}.tar", "digest": {"sha256": made.hex}}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "build": made.build,
                    "artifact": made.artifact,
                    "version": made.version,
                    "recipe": made.recipe.name,
                    "options": dict(sorted(made.options.items())),
                    "sources": {role: _source(made, role) for role in sorted(made.sources)},
                },
                "internalParameters": {
                    "key": made.key,
                    "base": made.recipe.base,
                    "sourceDateEpoch": made.epoch,
                    **(internal or {}),
                },
                "resolvedDependencies": _dependencies(made),
            },
            "runDetails": {
                "builder": {"id": BUILDER, "version": {"wslgpu": __version__}},
                "metadata": {"invocationId": invocation, "startedOn": started, "finishedOn": finished},
            },
        },
    }
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _source(made: Made, role: str) -> str:
    pin = made.sources[role]
    return f"{pin.name} {pin.version}"


def _dependencies(made: Made) -> list[dict[str, Any]]:
    sources = [
        {"name": pin.file, "uri": source_url(pin), "digest": {"sha256": pin.sha256}, "annotations": {"role": role}}
        for role, pin in sorted(made.sources.items())
    ]
    recipe = [
        {"name": f"{made.recipe.name}/{name}", "digest": {"sha256": digest}}
        for name, digest in sorted(made.recipe_files.items())
    ]
    packages = [
        {"name": name, "uri": package_url(name, version, made.recipe.base)}
        for name, version in sorted(made.packages.items())
    ]
    return sources + recipe + packages
