"""The artifact store of a team: any OCI registry, through skopeo, or oras where only that is there.

Logging in is theirs (``skopeo login``): wslgpu neither asks for nor sees a password. What comes is compared with every
digest that it claims, whoever sent it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wslgpu.build.record import KEY_DIGITS, NAME, ArtifactRecord
from wslgpu.errors import ErrorClass, UsageError, WslgpuError
from wslgpu.programs import ProcessId, Result, run
from wslgpu.registry import RegistryError
from wslgpu.store.folder import Store
from wslgpu.store.oci_layout import TAG, Pulled, read_layout, write_layout

TIMEOUT_S = 600.0
_REPOSITORY = re.compile(r"(?P<host>[a-z0-9.-]+(:\d+)?)(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
_LOOPBACK = re.compile(r"(localhost|127\.[0-9.]+)(:\d+)?")

_TRANSFER = ".wslgpu-transfer-"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Registry:
    """Where a team keeps its artifacts.

    :param repository: host and path, below which each artifact has a repository: ``ghcr.io/team/wslgpu``
    :param plain_http: speak http; loopback needs no saying
    :param timeout_s: deadline of one transfer; a registry that trickles is ended by it as well
    """

    repository: str
    plain_http: bool = False
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        match = _REPOSITORY.fullmatch(self.repository)
        if match is None or not re.search(r"[.:]|^localhost$", match["host"]):
            raise UsageError(
                f"{self.repository[:100]!r} is no place in a registry",
                "REPOSITORY",
                "Write HOST[:PORT]/PATH, such as registry.example.com/team; no scheme, user or tag.",
            )

    @property
    def insecure(self) -> bool:
        """Whether the registry may be spoken to without TLS."""
        return self.plain_http or _LOOPBACK.fullmatch(self.repository.partition("/")[0]) is not None

    def reference(self, artifact: str, tag: str) -> str:
        """``ghcr.io/team/wslgpu/ffmpeg:7.1.5-0123456789ab``; tags have no ``+`` and no ``~``."""
        return f"{self.repository}/{artifact}:{re.sub(r'[+~]', '_', tag)}"


def push(store: Store, record: ArtifactRecord, registry: Registry, progress: Progress) -> str:
    """Bring an artifact to a registry, under its version and key, and under the name of its build.

    :return: the reference that people pull, ``...:VERSION-KEY``
    :raises WslgpuError: class integrity: it is corrupted in the store; RegistryError: the registry does not take it
    """
    references = [registry.reference(record.artifact, tag) for tag in (record.folder, record.build)]
    with _work_folder(store) as folder:
        write_layout(store, record, folder / "image")
        for reference in references:
            progress(f"pushing {reference}")
            _copy(folder / "image", reference, registry, to_registry=True)
    return references[0]


def pull(
    store: Store, artifact: str, name: str, registry: Registry, progress: Progress, *, expected: str = ""
) -> ArtifactRecord:
    """Fetch an artifact from a registry into the store.

    :param name: of an artifact (``ffmpeg-7.1.5-0123456789ab``) or of a build, whose youngest it is then
    :param expected: digest that the artifact must have, ``sha256:...``; empty: the registry is believed
    :raises WslgpuError: class integrity: something has another digest than it should; nothing is stored then
    """
    tag = name.removeprefix(f"{artifact}-") if artifact_of(name) == artifact else name
    reference = registry.reference(artifact, tag)
    with _work_folder(store) as folder:
        progress(f"pulling {reference}")
        _copy(folder / "image", reference, registry, to_registry=False)
        pulled = read_layout(folder / "image", reference)
        _require_wanted(pulled, name, expected, reference)
        store.add(pulled.record, pulled.archive, pulled.bill, pulled.provenance)
    return pulled.record


def artifact_of(name: str) -> str:
    """The artifact in the name of one, ``ffmpeg-7.1.5-0123456789ab``; empty where it is no such name."""
    match = NAME.fullmatch(name)
    return match["artifact"] if match else ""


def _require_wanted(pulled: Pulled, name: str, expected: str, where: str) -> None:
    record = pulled.record
    if name not in (record.name, record.build):
        raise _unwanted(f"holds {record.name}, not {name}", where)
    if expected and record.digest != expected:
        raise _unwanted(f"holds {record.digest}; {expected} was to come", where)


def _unwanted(what: str, where: str) -> WslgpuError:
    step = f"Nothing was stored. Pull it by its name with its key ({KEY_DIGITS} digits), or mend the pin."
    return WslgpuError(what, where, step, ErrorClass.INTEGRITY)


def _copy(layout: Path, reference: str, registry: Registry, *, to_registry: bool) -> None:
    program = next((name for name in ("skopeo", "oras") if shutil.which(name)), "skopeo")
    argv = (_skopeo if program == "skopeo" else _oras)(layout, reference, registry.insecure, to_registry)
    result = run(argv, timeout_s=registry.timeout_s, check=False, missing="Install it: apt-get install skopeo.")
    if not result.ok:
        raise trouble(result, reference)


def _skopeo(layout: Path, reference: str, insecure: bool, to_registry: bool) -> Sequence[str]:
    # digests are preserved: skopeo would compress the layers otherwise, and the artifact would have another one there
    ends = [f"oci:{layout}:{TAG}", f"docker://{reference}"]
    side = "dest" if to_registry else "src"
    secure = [f"--{side}-tls-verify=false"] if insecure else []
    return ["skopeo", "copy", "--quiet", "--preserve-digests", *secure, *(ends if to_registry else reversed(ends))]


def _oras(layout: Path, reference: str, insecure: bool, to_registry: bool) -> Sequence[str]:
    if to_registry:
        return [
            "oras",
            "cp",
            *(["--to-plain-http"] if insecure else []),
            "--from-oci-layout",
            f"{layout}:{TAG}",
            reference,
        ]
    return ["oras", "cp", *(["--from-plain-http"] if insecure else []), reference, "--to-oci-layout", f"{layout}:{TAG}"]


_TROUBLES: tuple[tuple[str, ErrorClass, bool, str, str], ...] = (
    (
        r"did not match|mismatch|invalid checksum|manifest .* digest",
        ErrorClass.INTEGRITY,
        False,
        "sends other bytes than it says",
        "Nothing was stored. A proxy alters what comes, or the registry is damaged: try from elsewhere.",
    ),
    (
        r"x509|certificate",
        ErrorClass.INTEGRITY,
        False,
        "has a certificate that cannot be trusted",
        "Add the company's certificate authority to this machine's trust store.",
    ),
    (
        r"HTTP response to HTTPS client",
        ErrorClass.USAGE,
        False,
        "speaks http, not https",
        "Say --plain-http, if nobody can listen on the way there.",
    ),
    (
        r"unauthorized|authentication required|denied|\b401\b|\b403\b",
        ErrorClass.PLATFORM,
        False,
        "wants a login, or does not let this one do that",
        "Log in: skopeo login HOST (it keeps the password, wslgpu never sees it).",
    ),
    (r"manifest unknown|name unknown|not found", ErrorClass.USAGE, False, "has no such artifact", "Check the name."),
    (
        r"(?i)unknown flag|flag provided but not defined",
        ErrorClass.PLATFORM,
        False,
        "needs a newer skopeo",
        "Install oras.",
    ),
    (
        r"EOF|reset by peer|refused|no such host|timeout|timed out|unreachable|TLS handshake|\b5\d\d\b|toomanyrequests",
        ErrorClass.NETWORK,
        True,
        "cannot be reached, or the line was cut",
        "Nothing was stored. Check the connection, DNS and the proxy, then run it again.",
    ),
)


def trouble(result: Result, reference: str) -> RegistryError:
    """What went wrong, by the words of skopeo and oras."""
    said = result.stderr.strip() or result.stdout.strip()
    words = " ".join(said.split())[-300:]
    for pattern, error_class, retryable, what, step in _TROUBLES:
        if re.search(pattern, said):
            return RegistryError(f"the registry {what} ({words})", reference, step, error_class, retryable)
    return RegistryError(f"copying failed ({words or result.rc})", reference, "Nothing was stored. See the message.")


@contextlib.contextmanager
def _work_folder(store: Store) -> Iterator[Path]:
    """A folder beside the store, on the same disk, where that may be written; what died before us is swept up."""
    parent = store.path.parent if os.access(store.path.parent, os.W_OK) else Path(tempfile.gettempdir())
    for leftover in parent.glob(f"{_TRANSFER}*-*"):
        owner = leftover.name.removeprefix(_TRANSFER).partition("-")[0]
        if owner.isdigit() and ProcessId.of(int(owner)) is None:
            shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{_TRANSFER}{os.getpid()}-", dir=parent) as folder:
        yield Path(folder)
