"""A short pod that asks for one GPU, says what it sees, and is gone again."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from typing import Any

from wslgpu.errors import UsageError
from wslgpu.kubernetes.chain_facts import PodView
from wslgpu.kubernetes.kubectl import Kubectl, Request
from wslgpu.kubernetes.kubectl_errors import ForbiddenError, NotFoundError, RefusedError
from wslgpu.kubernetes.pods import CONFIG_REASONS, IMAGE_REASONS, read_pod
from wslgpu.report.plain import clean
from wslgpu.settings import Settings
from wslgpu.workloads.kubernetes_form import labels
from wslgpu.workloads.manifest import GPU_RESOURCE

NAME = "chain-pod"
RUNTIME_CLASS = "nvidia"
POLL_S = 0.5
LINES_LIMIT = 40
# what a container with a GPU has on WSL2; POSIX sh, since the image may hold no more
PROGRAM = """
echo "visible ${NVIDIA_VISIBLE_DEVICES:-}"
[ -c /dev/dxg ] && echo "device /dev/dxg"
for path in $(ldconfig -p 2>/dev/null | sed -n 's/.*=> //p' | grep -E 'lib(cuda|dxcore|nvidia-ml)\\.so') \
    $(find /usr/lib/wsl /usr/lib/x86_64-linux-gnu -name 'libcuda.so.1*' -o -name 'libdxcore.so' 2>/dev/null); do
    echo "library $path"
done | sort -u
for program in nvidia-smi /usr/lib/wsl/lib/nvidia-smi; do
    command -v "$program" >/dev/null 2>&1 || continue
    "$program" -L 2>&1 | sed 's/^/gpu /' | head -n 16
    break
done
exit 0
"""


def see(
    kubectl: Kubectl, settings: Settings, *, node: str, namespace: str, limit_s: float, say: Callable[[str], None]
) -> PodView:
    """Run the pod on a node and read what it printed. It is removed whatever happens, Ctrl-C included.

    :param node: its name in the cluster; empty: any
    :return: that the cluster refuses it is one too: a link before it may be why
    :raises UsageError: the image has no digest yet
    :raises KubectlError: the cluster cannot be asked
    """
    name = f"wslgpu-chain-{secrets.token_hex(3)}"
    document = manifest(settings, name, namespace, node)
    say(f"pod {namespace}/{name} asks for one GPU")
    try:
        kubectl.run("create", "--filename=-", stdin=json.dumps(document)).text()
        return _watch(kubectl, name, namespace, limit_s)
    except (RefusedError, NotFoundError, ForbiddenError) as error:
        return PodView(False, error.what)
    finally:
        kubectl.run("delete", "pod", name, f"--namespace={namespace}", "--ignore-not-found", "--wait=false")


def manifest(settings: Settings, name: str, namespace: str, node: str) -> dict[str, Any]:
    """The pod, within the restricted Pod Security profile.

    :raises UsageError: the image has no digest
    """
    image = next(image for image in settings.cuda_images if image.role == "base")
    try:
        reference = image.reference
    except ValueError as error:
        raise UsageError(str(error), "cuda_images", "`wslgpu pins resolve` asks the registry for it.") from error
    gpu = {GPU_RESOURCE: "1"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels(NAME)},
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": 300,
            "terminationGracePeriodSeconds": 0,
            "runtimeClassName": RUNTIME_CLASS,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            **({"nodeSelector": {"kubernetes.io/hostname": node}} if node else {}),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65534,
                "runAsGroup": 65534,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "view",
                    "image": reference,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["/bin/sh", "-c", PROGRAM],
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "32Mi", **gpu},
                        "limits": {"cpu": "500m", "memory": "256Mi", **gpu},
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }


def _watch(kubectl: Kubectl, name: str, namespace: str, limit_s: float) -> PodView:
    deadline = time.monotonic() + limit_s
    space = f"--namespace={namespace}"
    while True:
        pod, log = kubectl.ask(
            Request(("get", "pod", name, space, "--output=json")),
            Request(("logs", name, space, f"--tail={LINES_LIMIT}")),
        )
        state = read_pod(pod.document())
        lines = tuple(clean(line, 300).strip() for line in log.out.splitlines() if line.strip()) if log.ok else ()
        if state.phase == "Succeeded":
            return PodView(True, "", lines)
        hopeless = state.reason in (*IMAGE_REASONS, *CONFIG_REASONS) and state.reason != "ErrImagePull"
        if state.phase == "Failed" or hopeless or time.monotonic() > deadline:
            return PodView(False, f"{state.phase}, {state.reason}: {state.message}".rstrip(": "), lines)
        time.sleep(POLL_S)
