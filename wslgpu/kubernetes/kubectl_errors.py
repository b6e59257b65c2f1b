"""What kubectl's own words mean, and what to do about them. Pure.

Source of the words: k8s.io/kubectl (pkg/cmd/util/helpers.go), client-go (rest, clientcmd) and the API server's status
reasons (k8s.io/apimachinery, pkg/apis/meta/v1/types.go).
"""

from __future__ import annotations

from collections.abc import Callable

from wslgpu.errors import ErrorClass, UnreachableError, WslgpuError
from wslgpu.report.plain import clean


class KubectlError(WslgpuError):
    """kubectl could not do what it was asked; every kind below is one."""


class KubectlMissingError(KubectlError):
    """There is no kubectl where it was to run."""

    def __init__(self, where: str) -> None:
        super().__init__(
            "there is no kubectl",
            where,
            "Install it (Debian 13: package kubectl; k3s brings its own), or name a machine that has one with --on.",
            ErrorClass.USAGE,
        )


class NoCredentialsError(KubectlError):
    """kubectl has no configuration that names a cluster, or none that it can read."""

    def __init__(self, said: str, where: str) -> None:
        # without a configuration it asks an address that nobody named, and talks of that
        why = "there is no kubeconfig" if "localhost:8080" in said else said
        super().__init__(
            f"kubectl knows no cluster: {why}",
            where,
            "Name one with --kubeconfig, or the control plane's own machine with --on ssh://NODE (as root there).",
            ErrorClass.USAGE,
        )


class ForbiddenError(KubectlError):
    """The cluster knows who asks and does not allow it, or does not know who asks."""

    def __init__(self, said: str, where: str) -> None:
        super().__init__(
            f"the cluster does not allow it: {said}",
            where,
            "Use credentials that may do that (--kubeconfig, --context), or ask the cluster's administrator for them.",
            ErrorClass.USAGE,
        )


class ClusterUnreachableError(UnreachableError, KubectlError):
    """Nobody answers at the API server's address, or not in time."""

    def __init__(self, said: str, where: str) -> None:
        super().__init__(
            f"the API server does not answer: {said}",
            where,
            "Check that it runs (on its machine: systemctl status kube-apiserver k3s) and the address in kubeconfig.",
        )


class UntrustedError(KubectlError):
    """The API server's certificate is not the one that the kubeconfig trusts."""

    def __init__(self, said: str, where: str) -> None:
        super().__init__(
            f"the API server's certificate is not trusted: {said}",
            where,
            "Get the cluster's present kubeconfig from its administrator; the connection was not made.",
            ErrorClass.INTEGRITY,
        )


class NotFoundError(KubectlError):
    """The object, or its kind, is not in the cluster."""

    def __init__(self, said: str, where: str) -> None:
        super().__init__(said, where, "Check the name and the namespace.")


class RefusedError(KubectlError):
    """The API server read the object and does not take it."""

    def __init__(self, said: str, where: str) -> None:
        super().__init__(f"the API server refuses it: {said}", where, "Nothing of it was applied; mend what it names.")


Make = Callable[[str, str], KubectlError]

# the first that fits: admission says "forbidden" too, of the object and not of who asks
_KINDS: tuple[tuple[tuple[str, ...], Make], ...] = (
    (("violates podsecurity", "exceeded quota", "admission webhook"), RefusedError),
    (("x509:", "certificate signed by unknown authority", "certificate has expired"), UntrustedError),
    (
        (
            "no configuration has been provided",
            "localhost:8080 was refused",
            "invalid configuration: ",
            "context was not found for specified context",
            "does not exist: stat",
            "error loading config file",
            "no such file or directory",
        ),
        NoCredentialsError,
    ),
    (
        (
            "forbidden: user ",
            "you must be logged in",
            "unauthorized",
            "permission denied",
        ),
        ForbiddenError,
    ),
    (
        (
            "unable to connect to the server",
            "was refused - did you specify the right host",
            "connection refused",
            "i/o timeout",
            "no such host",
            "network is unreachable",
            "no route to host",
            "tls handshake timeout",
            "context deadline exceeded",
            "the server was unable to return a response in the time allotted",
            "etcdserver: request timed out",
            "error from server (timeout)",
            "error from server (serviceunavailable)",
            "unexpected eof",
        ),
        ClusterUnreachableError,
    ),
    (("(notfound)", "the server doesn't have a resource type", "no matches for kind"), NotFoundError),
    (
        (
            "is invalid",
            "error validating data",
            "strict decoding error",
            "(badrequest)",
            "is forbidden",
            "(invalid)",
        ),
        RefusedError,
    ),
)


def of_answer(status: int, errors: str, where: str) -> KubectlError:
    """The error that kubectl's end means.

    :param errors: its standard error: words of a cluster that nobody vouches for
    :param where: the machine that kubectl ran on, and what was asked
    """
    lines = [clean(line, 600).strip() for line in errors.splitlines() if line.strip()]
    # client-go logs a line for each try before kubectl says its own, and warnings are no reasons
    own = [line for line in lines if not line.startswith(("E", "W", "I")) or "]" not in line] or lines
    own = [line for line in own if not line.startswith("Warning:")] or own
    said = "; ".join(own[-3:])[:900] or f"kubectl ended with status {status} and said nothing"
    if status == 127:
        return KubectlMissingError(where)
    lowered = said.lower()
    for words, make in _KINDS:
        if any(word in lowered for word in words):
            return make(said, where)
    return KubectlError(f"kubectl ended with status {status}: {said}", where, "See what kubectl says there by hand.")
