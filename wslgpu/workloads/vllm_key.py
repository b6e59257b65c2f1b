"""vLLM's key, in a file on the controller that nobody else may read.

It reaches vLLM as VLLM_API_KEY and never as an argument: arguments are seen by every user of a machine, and vLLM writes
them into its log at start.
"""

from __future__ import annotations

import re
from typing import Any

from wslgpu.errors import DataError
from wslgpu.secret_file import read_secret_file
from wslgpu.settings import Settings

VARIABLE = "VLLM_API_KEY"
ENTRY = "api-key"
"""Of the Kubernetes Secret."""
SHORTEST = 16


def read(path: str) -> str:
    """The key; empty for no path.

    :raises DataError: the file cannot be read, others may read it, or it holds no key
    """
    if not path:
        return ""
    key = read_secret_file(path, "vllm_api_key_file").strip()
    # what a bearer token may hold (RFC 6750), and what no file for environments takes for something else
    if not re.fullmatch(r"[A-Za-z0-9._~+/=-]+", key) or len(key) < SHORTEST:
        raise DataError(
            f"vllm_api_key_file holds no key: one line of at least {SHORTEST} letters, digits and ._~+/=-",
            path,
            f"openssl rand -hex 32 >{path}",
        )
    return key


def environment_file(key: str) -> str:
    """The file that Compose and Podman read it from."""
    return f"{VARIABLE}={key}\n"


def secret(settings: Settings) -> dict[str, Any] | None:
    """The Kubernetes Secret with the key, to be sent and never written to a file; None where the data name no file.

    :raises DataError: as :func:`read`
    """
    key = read(settings.vllm_api_key_file)
    if not key:
        return None
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": settings.vllm_api_key_secret, "namespace": settings.workload_namespace},
        "type": "Opaque",
        "stringData": {ENTRY: key},
    }
