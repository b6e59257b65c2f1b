"""A document without what tells whose it is: for ``--save``, ``support``, and anything that is sent to somebody.

Identities become keyed digests, so that duplicates can still be found within one report; names, addresses, serial
numbers and secrets in texts become marks (:mod:`wslgpu.probe.redactions`). Numbers, versions and driver stores stay:
the redacted document is judged as the whole one is.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Iterator
from typing import Any

from wslgpu.probe.document import Identity, Observation, Observations
from wslgpu.probe.redactions import IPV4, REDACTIONS
from wslgpu.probe.registry import REGISTRY_FILE, observation_kinds

_PROCESS_KEY = secrets.token_bytes(32)
_DIGEST_PREFIX = "sha256:"

_VERSION_OBSERVATIONS = frozenset(("wsl.version", "python.packages", "nvml.versions"))
_VERSION_KEYS = frozenset(
    "version release driver nvml smi_version driver_version cuda_version server_version cdi_version api_version"
    " conformance vbios_version nvcc version_id pretty_name compute_capability".split()
)
"""Where a text like 6.6.87.2 is a version, and not an address."""

_HOMES = re.compile(
    r"(?:[\\/]{1,2}home[\\/]{1,2}|(?:/mnt/[a-z]|\b[A-Za-z]:)?[\\/]{1,2}Users[\\/]{1,2})([^\\/:*?\"<>|\s']{3,64})"
)
_CONFIGURED = re.compile(r"(?im)^[ \t]*(?:default|hostname)[ \t]*=[ \t]*\"?([\w.-]{3,64})")
_COMMON_WORDS = frozenset(
    (
        "root user users admin administrator ubuntu debian fedora arch linux windows default public desktop laptop"
        " server localhost home main test host node nodes master worker work nvidia amd intel gpu cuda docker podman"
        " kubernetes containerd runner runneradmin build wsl wsl2 wddm tcc mcdm none true false null legacy auto ext4"
        " overlay tmpfs"
    ).split()
)
_SECRET_KEY = re.compile(r"(?i)(?:token|password|passwd|secret|(?:api|access)_?key)$")


def redact(document: Observations, key: bytes | None = None) -> Observations:
    """The document as it may leave the machine. One that is redacted already stays as it is.

    :param key: of the digests, the same for all documents of one report; without one, this process's own
    """
    if document.redacted:
        return document
    redactor = Redactor(document, key)
    known = observation_kinds()
    return document.model_copy(
        update={
            "redacted": True,
            "identity": redactor.identity(),
            "probe": document.probe.model_copy(update={"interpreter": redactor.text(document.probe.interpreter)}),
            # what no registry knows nobody judges, and its very name may tell something
            "observations": {
                name: redactor.observation(name, observation)
                for name, observation in document.observations.items()
                if name in known
            },
        }
    )


class Redactor:
    """Takes out of texts what the table says, and the names that a document gives away.

    :param document: the whole one; texts beside it (configuration, logs) are redacted by the same names
    """

    def __init__(self, document: Observations, key: bytes | None = None) -> None:
        self._document = document
        self._key = _PROCESS_KEY if key is None else key
        host = document.identity.hostname
        self._hosts = _word_pattern(host_names(host), suffix=r"(?:\.[\w-]+)*")
        # it stands in paths of the journal and of systemd's cgroups, with and without hyphens
        machine = document.identity.machine_id
        self._machine = re.compile("(?i)" + "-?".join(map(re.escape, machine))) if len(machine) >= 16 else None
        self._users = _word_pattern(user_names(_texts(document)))

    def identity(self) -> Identity:
        """Digests of what is there."""
        identity = self._document.identity
        return Identity(
            hostname=self._digest("hostname", identity.hostname.lower()),
            machine_id=self._digest("machine_id", identity.machine_id),
            ssh_host_keys=tuple(self._digest("ssh_host_key", mark) for mark in identity.ssh_host_keys),
        )

    def _digest(self, kind: str, value: str) -> str:
        if not value:
            return ""
        return _DIGEST_PREFIX + hmac.new(self._key, f"{kind}\0{value}".encode(), hashlib.sha256).hexdigest()[:32]

    def observation(self, observation_id: str, observation: Observation) -> Observation:
        """One observation, its value in depth."""
        is_version = observation_id in _VERSION_OBSERVATIONS
        return observation.model_copy(
            update={
                "value": self._value(observation.value, is_version),
                "reason": self.text(observation.reason),
                "command": self.text(observation.command),
            }
        )

    def text(self, text: str, *, is_version: bool = False) -> str:
        """A text with marks in it.

        :param is_version: it may be a version of four numbers, which looks as an IPv4 address does
        """
        if self._machine is not None:
            text = self._machine.sub("<machine id>", text)
        for redaction in REDACTIONS:
            text = redaction.apply(text)
        if not is_version:
            text = IPV4.apply(text)
        if self._hosts is not None:
            text = self._hosts.sub("<host>", text)
        return text if self._users is None else self._users.sub("<user>", text)

    def _value(self, value: Any, is_version: bool) -> Any:
        if isinstance(value, str):
            return self.text(value, is_version=is_version)
        if isinstance(value, list):
            return [self._value(item, is_version) for item in value]
        if isinstance(value, dict):
            result: dict[str, Any] = {}
            for key, item in value.items():
                name = marked = self.text(key)
                number = 2
                while name in result:
                    name, number = f"{marked} {number}", number + 1
                secret = isinstance(item, str) and item != "" and _SECRET_KEY.search(key) is not None
                result[name] = "<secret>" if secret else self._value(item, is_version or key in _VERSION_KEYS)
            return result
        return value


def host_names(hostname: str) -> set[str]:
    """The words that name the host: the whole name and its first part, if they tell anything."""
    return {word for word in (hostname, hostname.split(".")[0]) if _tells(word)}


def user_names(texts: Iterable[str]) -> set[str]:
    """The users that paths and wsl.conf name."""
    found = {word for text in texts for pattern in (_HOMES, _CONFIGURED) for word in pattern.findall(text)}
    return {word for word in found if _tells(word)}


def _tells(word: str) -> bool:
    return len(word) >= 3 and word.lower() not in _vocabulary() and not word.replace(".", "").isdigit()


@functools.cache
def _vocabulary() -> frozenset[str]:
    """Words that stand in documents anyhow: taking them out would hide nobody and could turn a verdict."""
    return _COMMON_WORDS | frozenset(re.findall(r"[a-z0-9]{3,}", REGISTRY_FILE.read_text(encoding="utf-8").lower()))


def _word_pattern(words: set[str], suffix: str = "") -> re.Pattern[str] | None:
    if not words:
        return None
    longest_first = sorted(words, key=len, reverse=True)[:64]
    return re.compile(rf"(?i)(?<![^\W_])(?<!<)(?:{'|'.join(map(re.escape, longest_first))})(?![^\W_]|>){suffix}")


def _texts(document: Observations) -> Iterator[str]:
    for observation in document.observations.values():
        yield observation.reason
        yield observation.command
        yield from _texts_in(observation.value)


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts_in(item)
