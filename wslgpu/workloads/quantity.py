"""Kubernetes' notation of memory and CPU, and the names that it allows. Pure.

Sources: kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity,
kubernetes.io/docs/concepts/overview/working-with-objects/names.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

GIBIBYTE = 1024**3
_POWERS = {"": 1, "Ki": 1024, "Mi": 1024**2, "Gi": GIBIBYTE, "Ti": 1024**4}
_BYTES = re.compile(r"([1-9]\d{0,15})(|[KMGT]i)")

Bytes = Annotated[str, Field(pattern=rf"^{_BYTES.pattern}$")]
"""A whole number with a binary unit or none, such as ``24Gi``: the part of the notation that needs no rounding."""
Cpu = Annotated[str, Field(pattern=r"^([1-9]\d{0,3}|[1-9]\d{0,5}m)$")]
"""Whole CPUs, or thousandths: ``2``, ``500m``."""
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
"""A DNS label (RFC 1123): what names of all kinds of objects may be."""


def _own_namespace(name: str) -> str:
    if name == "default" or name.startswith("kube-"):
        raise ValueError(
            f"{name} is Kubernetes' own namespace: Pod Security and network policy would be set for all in it"
        )
    return name


Namespace = Annotated[ObjectName, AfterValidator(_own_namespace)]
"""A namespace that is made for what is put into it."""


def cpu_thousandths(quantity: str) -> int:
    """The thousandths of a :data:`Cpu`."""
    return int(quantity[:-1]) if quantity.endswith("m") else int(quantity) * 1000


def as_bytes(quantity: str) -> int:
    """The bytes of a :data:`Bytes`.

    :raises ValueError: it is none
    """
    match = _BYTES.fullmatch(quantity)
    if match is None:
        raise ValueError(f"{quantity!r} is no amount of memory such as 24Gi")
    return int(match[1]) * _POWERS[match[2]]


def as_quantity(size_bytes: int) -> str:
    """Bytes in the largest unit that gives a whole number: ``17179869184`` is ``16Gi``."""
    for unit, power in reversed(_POWERS.items()):
        if size_bytes >= power and size_bytes % power == 0:
            return f"{size_bytes // power}{unit}"
    return str(size_bytes)
