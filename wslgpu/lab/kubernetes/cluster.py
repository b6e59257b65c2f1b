"""The cluster of a lab: kubectl on its control plane, and waiting for what takes its time, with deadlines."""

from __future__ import annotations

import json
import shlex
import socket
import time
from pathlib import Path
from typing import Any

from wslgpu.errors import ErrorClass
from wslgpu.lab.errors import LabError
from wslgpu.lab.kubernetes import control_plane
from wslgpu.lab.node import Node
from wslgpu.lab.shell import Result, run

START_TIMEOUT_S = 180.0
READY_TIMEOUT_S = 180.0
POLL_S = 0.3
VERSION = "1.20.2"


class Cluster:
    """Got by ``Lab.kubernetes``.

    :param node: its control plane
    """

    def __init__(self, node: Node) -> None:
        self.node = node

    @property
    def server(self) -> str:
        """The API server's address."""
        return f"https://{self.node.address}:{control_plane.PORT}"

    @property
    def kubeconfig(self) -> Path:
        """An administrator's, for a kubectl of this machine's; mode 0600."""
        return self.node.lab.directory / "kubeconfig"

    @property
    def bootstrap_kubeconfig(self) -> Path:
        """With what a node joins; mode 0600."""
        return self.node.lab.directory / "bootstrap.kubeconfig"

    @property
    def answers(self) -> bool:
        """Something listens where the API server does."""
        try:
            with socket.create_connection((self.node.address, control_plane.PORT), timeout=1):
                return True
        except OSError:
            return False

    def describe(self) -> dict[str, Any]:
        """As ``lab list --json`` shows it."""
        return {
            "version": VERSION,
            "server": self.server,
            "answers": self.answers,
            "control_plane": self.node.name,
            "kubeconfig": str(self.kubeconfig),
            "device_plugin": self.node.lab.device_plugin or "stand-in",
        }

    def kubectl(
        self, *words: str, stdin: str | bytes | None = None, check: bool = False, timeout_s: float = 60
    ) -> Result:
        """kubectl on the control plane, over ssh, as its administrator.

        :param check: a status other than 0 is a LabError
        """
        line = shlex.join(["kubectl", f"--kubeconfig={control_plane.ADMIN}", *words])
        data = stdin.encode() if isinstance(stdin, str) else stdin
        return run(self.node.ssh_argv(line), stdin=data, check=check, timeout_s=timeout_s)

    def get(self, *words: str) -> Any:
        """What ``kubectl get WORDS -o json`` says, parsed.

        :raises LabError: there is no such thing
        """
        return json.loads(self.kubectl("get", *words, "--output=json", check=True).stdout)

    def apply(self, *documents: dict[str, Any]) -> None:
        """Objects onto the cluster.

        :raises LabError: the server refuses one
        """
        objects = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
        self.kubectl("apply", "--filename=-", stdin=json.dumps(objects), check=True)

    def begin(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait until the control plane works, and let nodes join."""
        self.wait_for_server(timeout_s)
        self.apply(*control_plane.bindings())

    def wait_for_server(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Until the API server says that it is ready.

        :raises LabError: it is not in time
        """
        deadline = time.monotonic() + timeout_s
        said = ""
        while time.monotonic() < deadline:
            if self.answers:
                asked = self.kubectl("get", "--raw=/readyz", "--request-timeout=5s")
                if asked.ok:
                    return
                said = (asked.stderr or asked.stdout).strip()[-300:]
            time.sleep(POLL_S)
        raise self._late(f"the API server is not ready after {timeout_s:g} s", said, "kube-apiserver")

    def wait_for_node(self, name: str = "", timeout_s: float = READY_TIMEOUT_S) -> None:
        """Until a node has joined and is Ready.

        :param name: empty: the control plane's own
        :raises LabError: it is not in time
        """
        name = name or self.node.name
        deadline = time.monotonic() + timeout_s
        said = "it never joined"
        while time.monotonic() < deadline:
            asked = self.kubectl("get", "nodes", name, "--output=json", "--request-timeout=5s")
            if asked.ok:
                conditions = {
                    entry["type"]: entry for entry in json.loads(asked.stdout)["status"].get("conditions", [])
                }
                ready = conditions.get("Ready", {})
                if ready.get("status") == "True":
                    return
                said = str(ready.get("message", "it has no condition Ready yet"))
            time.sleep(POLL_S)
        raise self._late(f"the node {name} is not Ready after {timeout_s:g} s", said, "kubelet")

    def _late(self, what: str, said: str, unit: str) -> LabError:
        return LabError(
            what=f"{what}: {said or 'it said nothing'}",
            where=self.server,
            next_step=f"wslgpu lab exec {self.node.name} --name {self.node.lab.name} journalctl -u {unit}",
            error_class=ErrorClass.TIMEOUT,
            retryable=True,
        )
