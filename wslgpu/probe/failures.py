"""Why a channel gave no document: its client's exit status and words, made an error that says what to do. Pure."""

from __future__ import annotations

from wslgpu.errors import ErrorClass, UnreachableError, WslgpuError
from wslgpu.probe.channels import Kind, Target
from wslgpu.report.plain import clean

_PACKAGE = {
    Kind.SSH: "Install openssh-client.",
    Kind.WSL: "Call wslgpu in a WSL distribution with interop, or use `local` inside the distribution.",
    Kind.DOCKER: "Install Docker's client, or run wslgpu where it is.",
    Kind.KUBECTL: "Install kubectl, or run wslgpu where it is.",
    Kind.LOCAL: "A machine without sh cannot be probed.",
}
_NO_SH = ("executable file not found", "sh: not found", "sh: no such file or directory", "exec: sh", 'exec: "sh"')
_NOT_THERE = (
    "No such container",
    "is not running",
    "(NotFound)",
    "container not found",
    "is not valid for pod",
    "WSL_E_DISTRO_NOT_FOUND",
    "no distribution with the supplied name",
)
_NO_SERVICE = (
    "Cannot connect to the Docker daemon",
    "Unable to connect to the server",
    "was refused - did you specify",
)


def client_missing(target: Target) -> WslgpuError:
    """The channel's program is not on this machine."""
    return WslgpuError(
        f"there is no {target.client} on this machine", target.name, _PACKAGE[target.kind], ErrorClass.PLATFORM
    )


def deadline_passed(target: Target, seconds: float) -> WslgpuError:
    """Nothing whole came in time."""
    return WslgpuError(
        f"did not answer within {seconds:g} s, and was ended",
        target.name,
        "Look at the node's load and network, or give it more time with --timeout.",
        ErrorClass.TIMEOUT,
        retryable=True,
    )


def interrupted(target: Target) -> WslgpuError:
    """A signal came before the answer."""
    return WslgpuError("was interrupted before it answered", target.name, "", ErrorClass.TIMEOUT, retryable=True)


def failure(target: Target, status: int, errors: str) -> WslgpuError:
    """The client ended without a document.

    :param status: its exit status; negative is the signal that ended it
    :param errors: what it wrote on standard error: text from an untrusted machine
    """
    # wsl.exe writes UTF-16
    lines = [clean(line, 300).strip() for line in errors.replace("\0", "").splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    text = "\n".join(lines)
    if target.kind is Kind.SSH and status == 255:
        return _ssh_failure(target, text, last)
    if _says(text, _NOT_THERE):
        return WslgpuError(f"is not there: {last}", target.name, "Look at its name, and whether it runs.")
    if _says(text, _NO_SERVICE):
        return UnreachableError(last, target.name, f"See what `{target.client}` itself says there.")
    if status in (126, 127) or _says(text, _NO_SH):
        where = (
            "the container has no sh" if target.kind in (Kind.DOCKER, Kind.KUBECTL) else "sh cannot be started there"
        )
        return WslgpuError(
            f"{where}{': ' + last if last else ''}", target.name, "The probe needs sh; python3 makes it see more."
        )
    if "permission denied" in text.lower():
        return WslgpuError(f"permission denied: {last}", target.name, "Use a login that may do that.")
    ended = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    return WslgpuError(
        f"the probe {ended} and gave no answer{': ' + last if last else ''}",
        target.name,
        "Run it once more; when it stays so, run `wslgpu check local` there.",
        ErrorClass.PLATFORM,
        retryable=True,
    )


def _ssh_failure(target: Target, text: str, last: str) -> WslgpuError:
    if "Host key verification failed." in text or "IDENTIFICATION HAS CHANGED" in text:
        return WslgpuError(
            "its host key is not the one in known_hosts",
            target.name,
            "Compare the key on the host itself, then put it there.",
            ErrorClass.NETWORK,
        )
    if "Permission denied" in text:
        return WslgpuError(
            f"refused the login: {last}",
            target.name,
            "Check user and key; the key must be usable without a question (ssh-agent).",
            ErrorClass.NETWORK,
        )
    return UnreachableError(
        f"cannot be reached: {last}" if last else "cannot be reached",
        target.name,
        "Check the name, the network, and that sshd runs there; then try again.",
    )


def _says(text: str, words: tuple[str, ...]) -> bool:
    lowered = text.lower()
    return any(word.lower() in lowered for word in words)
