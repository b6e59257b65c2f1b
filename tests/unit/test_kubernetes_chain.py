"""The chain from CDI spec to pod: each recognised cause, and that one cause gives one finding."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.chain_nodes import (
    ENGINE,
    GPU_SPEC,
    OBSERVED,
    VIDEO_SPEC,
    answer,
    checkpoint,
    facts,
    plugin_pod,
)
from wslgpu.kubernetes import chain as chain_module
from wslgpu.kubernetes.chain_facts import PodView
from wslgpu.kubernetes.chain_judge import judge
from wslgpu.kubernetes.chain_model import LINKS, Chain, Link, LinkState
from wslgpu.kubernetes.kubectl import Answer
from wslgpu.kubernetes.text import chain_lines
from wslgpu.probe.document import Status

UNREGISTERED = answer(checkpoint())
NOTHING_TO_GIVE = {"k8s.node": {**OBSERVED["k8s.node"], "allocatable_gpus": 0, "capacity_gpus": 0}}
SEEN = PodView(True, "", ("visible all", "device /dev/dxg", "library /usr/lib/wsl/lib/libdxcore.so", "gpu GPU 0: x"))


def states(chain: Chain) -> dict[str, str]:
    return {link.id: link.state.value for link in chain.links}


def found(chain: Chain, link_id: str, cause: str) -> Link:
    """The finding, which must be this one."""
    assert chain.finding is not None, states(chain)
    assert (chain.finding.id, chain.finding.cause) == (link_id, cause), chain.finding
    assert chain.finding.remedy, chain.finding
    assert chain.exit_code == 1
    return chain.finding


def test_a_node_in_order() -> None:
    chain = judge(facts(pod=SEEN))
    assert set(states(chain).values()) == {"holds"}, states(chain)
    assert list(states(chain)) == list(LINKS)
    assert (chain.node, chain.exit_code) == ("node1", 0)


def test_without_pod_that_link_was_not_asked_and_takes_nothing_from_the_verdict() -> None:
    chain = judge(facts())
    assert chain.link("pod").state is LinkState.NOT_ASKED
    assert chain.exit_code == 0


def test_a_spec_that_names_what_is_gone() -> None:
    stale = {**GPU_SPEC, "missing": ["/usr/lib/wsl/drivers/nv_AAAA/libcuda.so.1.1"]}
    chain = judge(facts({"toolkit.cdi_specs": [stale, VIDEO_SPEC]}))
    link = found(chain, "cdi-spec", "spec-stale")
    assert link.evidence == ("/var/run/cdi/nvidia.yaml: /usr/lib/wsl/drivers/nv_AAAA/libcuda.so.1.1 is gone",)
    # what runs goes on: the links after it hold
    assert states(chain)["allocatable"] == "holds"


def test_two_specs_claim_one_device() -> None:
    twin = {**GPU_SPEC, "file": "/etc/cdi/by-hand.yaml"}
    link = found(judge(facts({"toolkit.cdi_specs": [GPU_SPEC, twin]})), "cdi-spec", "device-claimed-twice")
    assert "nvidia.com/gpu=all" in link.what
    assert "/etc/cdi/by-hand.yaml" in link.what
    assert "/var/run/cdi/nvidia.yaml" in link.what
    assert link.evidence == ("the one in the folder that is read last counts",)
    same_folder = {**GPU_SPEC, "file": "/var/run/cdi/other.yaml"}
    link = found(judge(facts({"toolkit.cdi_specs": [GPU_SPEC, same_folder]})), "cdi-spec", "device-claimed-twice")
    assert "give out neither" in link.evidence[0]


def test_ours_beside_the_refresh_units_is_no_finding() -> None:
    ours = {**GPU_SPEC, "file": "/etc/cdi/nvidia.yaml"}
    assert judge(facts({"toolkit.cdi_specs": [ours, GPU_SPEC]})).link("cdi-spec").state is LinkState.HOLDS


def test_no_spec_of_the_kind_names_the_kinds_that_there_are() -> None:
    link = found(judge(facts({"toolkit.cdi_specs": [VIDEO_SPEC]})), "cdi-spec", "no-spec")
    assert "wslgpu.dev/gpu" in link.what


def test_the_running_containerd_counts_and_not_its_files() -> None:
    engine = {**ENGINE, "handlers": {"runc": ""}}
    chain = judge(facts(cri=answer(json.dumps(engine))))
    link = found(chain, "runtime-handler", "engine-older-than-files")
    assert "restart" in link.remedy
    files = {"containerd.config": {**OBSERVED_CONFIG, "runtimes": ["runc"]}}
    found(judge(facts(files, cri=answer(json.dumps(engine)))), "runtime-handler", "no-handler")


def test_a_containerd_that_nobody_could_ask_is_unknown_and_no_pass() -> None:
    chain = judge(facts(cri=answer(json.dumps({"reason": "permission denied"}))))
    assert chain.link("runtime-handler").state is LinkState.UNKNOWN
    assert chain.exit_code == 2


def test_links_that_nobody_could_look_at_are_named_at_the_end() -> None:
    chain = judge(facts(cri=None))
    assert chain.exit_code == 2
    assert list(chain_lines(chain))[-1].endswith("nobody could look at: runtime handler in the running containerd.")


def test_a_runtime_class_is_needed_unless_nvidia_is_the_default() -> None:
    none: dict[str, Any] = {"k8s.runtime_classes": [{"name": "gvisor", "handler": "runsc"}]}
    found(judge(facts(none)), "runtime-class", "no-runtime-class")
    default = answer(json.dumps({**ENGINE, "default": "nvidia"}))
    link = judge(facts(none, cri=default)).link("runtime-class")
    assert link.state is LinkState.HOLDS
    assert link.notes


def test_no_plugin_is_one_finding_and_the_rest_is_because_of_it() -> None:
    none = {"k8s.device_plugin": None, **NOTHING_TO_GIVE}
    chain = judge(facts(none, checkpoint=UNREGISTERED, plugin_pods=answer("", 1), pod_1=None))
    found(chain, "registration", "no-plugin")
    assert chain.link("allocatable").state is LinkState.BECAUSE
    assert chain.link("allocatable").because == "registration"
    assert chain.link("label").state is LinkState.HOLDS
    lines = list(chain_lines(chain))
    assert sum("BROKEN" in line for line in lines) == 1
    assert any("because of: the plugin's registration" in line for line in lines)


def test_a_plugin_that_no_node_is_chosen_for() -> None:
    bare = {**OBSERVED["k8s.node"], "labels": {}, "allocatable_gpus": 0}
    chain = judge(facts({"k8s.node": bare}, checkpoint=UNREGISTERED, plugin_pods=answer("", 1), pod_1=None))
    link = found(chain, "registration", "plugin-not-scheduled")
    assert "lacks the label nvidia.com/gpu.present=true" in link.evidence[1]
    assert chain.link("label").because == "registration"


@pytest.mark.parametrize(
    "words",
    [
        "Failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND",
        "Incompatible strategy detected auto",
        "No devices found. Waiting indefinitely.",
    ],
)
def test_a_plugin_without_nvml(words: str) -> None:
    log = answer(f"Starting OS watcher.\n{words}\n")
    under_runc = answer(json.dumps(plugin_pod(runtime_class="", waiting="CrashLoopBackOff")))
    link = found(
        judge(facts(NOTHING_TO_GIVE, checkpoint=UNREGISTERED, pod_1=under_runc, log_1=log)),
        "registration",
        "plugin-without-runtime",
    )
    assert words in link.evidence[0]
    assert "handler runc" in link.evidence[1]
    # under the right runtime, and with a driver that is there now, it came too early
    link = found(
        judge(facts(NOTHING_TO_GIVE, checkpoint=UNREGISTERED, log_1=log)), "registration", "plugin-before-driver"
    )
    assert "delete pod" in link.remedy
    no_driver = {**NOTHING_TO_GIVE, "nvml.device_count": 0}
    found(judge(facts(no_driver, checkpoint=UNREGISTERED, log_1=log)), "registration", "no-driver")


def test_what_a_plugin_said_before_it_was_started_again_counts() -> None:
    previous = answer("Incompatible strategy detected auto\n")
    pod = answer(json.dumps(plugin_pod(waiting="CrashLoopBackOff", restarts=4)))
    chain = judge(facts(NOTHING_TO_GIVE, checkpoint=UNREGISTERED, pod_1=pod, log_1=answer(""), previous_1=previous))
    found(chain, "registration", "plugin-before-driver")


def test_gpus_marked_unhealthy_are_recognised_by_their_cause() -> None:
    said = (
        "Device GPU-01111111-2222-3333-4444-555555555555 is too old to support healthchecking.\n"
        "'nvidia.com/gpu' device marked unhealthy: Marking device GPU-0111 as unhealthy: Not Supported\n"
    )
    unhealthy = answer(checkpoint(**{"nvidia.com/gpu": []}))
    chain = judge(facts(NOTHING_TO_GIVE, checkpoint=unhealthy, log_1=answer(said)))
    link = found(chain, "allocatable", "gpus-marked-unhealthy")
    assert states(chain)["registration"] == "holds"
    assert "DP_DISABLE_HEALTHCHECKS" in link.remedy
    assert link.evidence[0] == "capacity 0, allocatable 0"


@pytest.mark.parametrize(
    ("waiting", "words"),
    [("ImagePullBackOff", "cannot be pulled"), ("CrashLoopBackOff", "ends again and again")],
)
def test_a_plugin_pod_that_does_not_run(waiting: str, words: str) -> None:
    pod = answer(json.dumps(plugin_pod(waiting=waiting, restarts=3)))
    chain = judge(facts(NOTHING_TO_GIVE, checkpoint=UNREGISTERED, pod_1=pod, log_1=answer("")))
    assert words in found(chain, "registration", f"plugin-pod-{waiting.lower()}").what


def test_what_the_kubelet_knows_and_has_not_reported_yet() -> None:
    link = found(judge(facts(NOTHING_TO_GIVE)), "allocatable", "not-reported-yet")
    assert "Look again" in link.remedy
    none = answer(checkpoint(**{"nvidia.com/gpu": []}))
    found(judge(facts(NOTHING_TO_GIVE, checkpoint=none)), "allocatable", "nothing-allocatable")


def test_a_missing_symbol() -> None:
    log = answer("nvidia-device-plugin: symbol lookup error: undefined symbol: nvmlEventSetWait_v2\n")
    chain = judge(facts(NOTHING_TO_GIVE, checkpoint=UNREGISTERED, log_1=log))
    found(chain, "registration", "plugin-symbol-missing")


def test_an_unknown_version_of_the_plugin_is_a_note() -> None:
    row = {**OBSERVED["k8s.device_plugin"], "image": "nvcr.io/nvidia/k8s-device-plugin:v0.99.0", "version": "0.99.0"}
    link = judge(facts({"k8s.device_plugin": row})).link("registration")
    assert link.state is LinkState.HOLDS
    assert "0.99.0" in link.notes[0]
    assert judge(facts()).link("registration").notes == ()


def test_one_that_stands_for_all_is_a_note() -> None:
    assert "One stands for all 4" in judge(facts({"nvml.device_count": 4})).link("allocatable").notes[0]
    assert judge(facts()).link("allocatable").notes == ()


def test_a_kubelet_that_does_not_run_or_is_not_there() -> None:
    down = {"k8s.kubelet": {**OBSERVED["k8s.kubelet"], "active": False}}
    found(judge(facts(down)), "registration", "kubelet-down")
    chain = judge(facts({"k8s.kubelet": None, "k8s.node": None, "k8s.runtime_classes": None}))
    assert chain.exit_code == 2
    assert chain.link("registration").state is LinkState.UNKNOWN


def test_a_node_that_is_not_ready() -> None:
    found(judge(facts({"k8s.node": {**OBSERVED["k8s.node"], "ready": False}})), "allocatable", "node-not-ready")


def test_a_node_without_its_label() -> None:
    chain = judge(facts({"k8s.node": {**OBSERVED["k8s.node"], "labels": {}}}))
    assert "kubectl label node node1" in found(chain, "label", "no-label").remedy


def test_a_pod_that_runs_without_the_gpu_or_not_at_all() -> None:
    link = found(judge(facts(pod=PodView(True, "", ("visible all",)))), "pod", "pod-without-gpu")
    assert "/dev/dxg" in link.what
    link = found(judge(facts(pod=PodView(False, "Pending, Unschedulable: 1 Insufficient"))), "pod", "pod-did-not-run")
    assert "Insufficient" in link.what


@pytest.mark.parametrize("label", ["cri", "checkpoint", "pod_1"])
@pytest.mark.parametrize("garbage", ["", "[]", "{", '"x"', "\x1b[31mred", "[[[[" * 40000, '{"Data": 3}'])
def test_garbage_of_a_node_is_never_a_traceback(label: str, garbage: str) -> None:
    changed: dict[str, Answer | None] = {label: answer(garbage)}
    chain = judge(facts(None, None, **changed))
    json.dumps(chain.as_json())
    assert "\x1b" not in json.dumps(chain.as_json())


def test_nothing_seen_is_nothing_judged() -> None:
    unseen = dict.fromkeys(OBSERVED, Status.UNKNOWN)
    nothing = dict.fromkeys(("cri", "checkpoint", "pod_1", "plugin_pods", "sockets"))
    chain = judge(facts(unseen, None, **nothing))
    assert {link.state for link in chain.links} == {LinkState.UNKNOWN, LinkState.NOT_ASKED}
    assert chain.exit_code == 2


OBSERVED_CONFIG = {
    "version": 2,
    "default_runtime": "runc",
    "runtimes": ["nvidia", "runc"],
    "nvidia_binary": "/usr/bin/nvidia-container-runtime",
    "systemd_cgroup": True,
    "cdi_enabled": True,
    "cdi_directories": ["/etc/cdi"],
    "imports": [],
    "registry_path": None,
}


def test_pods_of_gpu_feature_discovery_are_not_the_plugins(tmp_path: Path) -> None:
    image = "nvcr.io/nvidia/k8s-device-plugin@sha256:00"
    rows = [f"gpu {name} {image}" for name in ("gpu-feature-discovery-a1", "nvdp-mps-control-daemon-b2", "plugin-c3")]
    stubs = (
        f"wslgpu_kubectl() {{ printf '%s\\n' {shlex.join(rows)}; }}; wslgpu_piece() {{ :; }}; wslgpu_answer() {{ :; }}"
    )
    script = Path(chain_module.__file__).parent / "scripts" / "chain.sh"
    program = f"wslgpu_folder={tmp_path}; : >{tmp_path}/out; {stubs}; . {script}; wslgpu_plugin_pods"
    done = subprocess.run(["/bin/sh", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"gpu plugin-c3 {image}\n"
