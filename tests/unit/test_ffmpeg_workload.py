"""FFmpeg as a worker and as a job: what is asked for, and scripts whose output is whole or not there."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.rendered_workloads import settings
from wslgpu import templates
from wslgpu.errors import UsageError
from wslgpu.project import PROJECT_ROOT
from wslgpu.workloads import ffmpeg_arguments
from wslgpu.workloads.manifest import gpus_asked, pod_spec
from wslgpu.workloads.model import NodeTruth, Rendered
from wslgpu.workloads.render import render

TRUTH = NodeTruth(gpus=1, advertised=1, video_device="wslgpu.dev/gpu=video")
TRANSCODE = PROJECT_ROOT / "wslgpu/workloads/ffmpeg_transcode.sh"
WORKER = PROJECT_ROOT / "wslgpu/workloads/ffmpeg_worker.sh"


def made(name: str, truth: NodeTruth = TRUTH, /, **changed: Any) -> Rendered:
    return render(name, settings(**changed), truth)


def owner(rendered: Rendered) -> dict[str, Any]:
    return next(dict(item) for item in rendered.documents if item["kind"] in ("Deployment", "Job"))


def pod(rendered: Rendered) -> dict[str, Any]:
    spec = pod_spec(owner(rendered))
    assert spec is not None
    return dict(spec)


def environment(rendered: Rendered) -> dict[str, str]:
    return {row["name"]: row["value"] for row in pod(rendered)["containers"][0].get("env", [])}


# -- arguments ---------------------------------------------------------------------------------------------------------


def test_the_check_is_the_source_documents_command() -> None:
    _, command = ffmpeg_arguments.check(settings(), "h264_nvenc")
    text = " ".join(command)
    assert "-hwaccel cuda -hwaccel_output_format cuda -threads 2 -i {input}" in text
    assert "-vf scale_cuda=854:480 -c:v h264_nvenc -preset p1 -cq 28 -c:a copy" in text
    assert " -y " in text


def test_the_cpus_command_names_nothing_of_a_gpu() -> None:
    text = " ".join(ffmpeg_arguments.transcode(settings(), "cpu"))
    assert "libx264" in text
    assert not any(word in text for word in ("cuda", "nvenc", "hwaccel"))


# -- manifests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ffmpeg", "ffmpeg-job"])
def test_a_gpus_pod_asks_for_it_and_for_the_codec_libraries(name: str) -> None:
    rendered = made(name)
    assert gpus_asked(owner(rendered)) == 1
    assert pod(rendered)["runtimeClassName"] == "nvidia"
    assert environment(rendered)["NVIDIA_VISIBLE_DEVICES"] == "nvidia.com/gpu=all,wslgpu.dev/gpu=video"
    # of a node that is kept for GPUs
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod(rendered)["tolerations"]


def test_the_cpus_job_needs_no_gpu_and_no_runtime_class() -> None:
    rendered = made("ffmpeg-job", NodeTruth(gpus=0, advertised=0), ffmpeg_job_encoder="cpu")
    assert gpus_asked(owner(rendered)) == 0
    assert "runtimeClassName" not in pod(rendered)
    assert "tolerations" not in pod(rendered)
    assert environment(rendered) == {}


@pytest.mark.parametrize("name", ["ffmpeg", "ffmpeg-job"])
def test_a_gpu_that_nobody_has_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="Pending"):
        made(name, NodeTruth(gpus=1, advertised=0))


@pytest.mark.parametrize(
    ("toolkit", "device", "asked", "noted"),
    [
        ("1.20.0-1", "", False, False),
        ("1.20.0-1", "wslgpu.dev/gpu=video", True, False),
        ("1.18.1-1", "wslgpu.dev/gpu=video", True, False),
        ("1.18.1-1", "", False, True),
        ("1.18.1-1", None, False, True),
    ],
)
def test_codec_libraries_by_toolkit_and_node(toolkit: str, device: str | None, asked: bool, noted: bool) -> None:
    rendered = made("ffmpeg", NodeTruth(gpus=1, advertised=1, video_device=device), container_toolkit_version=toolkit)
    assert ("NVIDIA_VISIBLE_DEVICES" in environment(rendered)) == asked
    assert any("no codec libraries" in note for note in rendered.notes) == noted


def test_the_legacy_mode_is_given_no_cdi_device() -> None:
    found = environment(made("ffmpeg", container_toolkit_runtime_mode="legacy"))
    assert found == {"NVIDIA_DRIVER_CAPABILITIES": "compute,video,utility"}


def test_the_artifact_is_mounted_where_nobody_can_write() -> None:
    spec = pod(made("ffmpeg-job"))
    mount = next(row for row in spec["containers"][0]["volumeMounts"] if row["name"] == "program")
    assert mount == {"name": "program", "mountPath": "/opt/wslgpu/ffmpeg", "readOnly": True}
    storage = render("ffmpeg-storage", settings(), TRUTH).documents
    volume = next(item for item in storage if item["kind"] == "PersistentVolume")
    assert volume["spec"]["hostPath"]["path"] == "/opt/wslgpu/ffmpeg"
    assert volume["spec"]["accessModes"] == ["ReadOnlyMany"]


def test_an_image_of_ones_own_needs_no_artifact() -> None:
    image = f"docker.io/x/ffmpeg@sha256:{'1' * 64}"
    changed: dict[str, Any] = {"ffmpeg_pod_program": "image", "ffmpeg_pod_image": image}
    spec = pod(made("ffmpeg-job", **changed))
    assert [row["name"] for row in spec["volumes"]] == ["media", "scripts", "tmp"]
    assert spec["containers"][0]["command"][4] == "ffmpeg"
    kinds = [item["kind"] for item in render("ffmpeg-storage", settings(**changed), TRUTH).documents]
    assert kinds == ["PersistentVolumeClaim"]


def test_a_job_that_does_something_else_is_another_job() -> None:
    names = [
        owner(made("ffmpeg-job", **changed))["metadata"]["name"]
        for changed in ({}, {}, {"ffmpeg_job_input": "b.mp4"}, {"ffmpeg_job_encoder": "cpu"})
    ]
    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_a_job_of_another_template_is_another_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's pods cannot be changed: else a new version of wslgpu could not be applied while the old job is there."""
    path = "etc/wslgpu/kubernetes/ffmpeg/pod-head.yaml.j2"
    before = owner(made("ffmpeg-job"))["metadata"]["name"]
    text = templates._TEXTS[path]
    monkeypatch.setitem(templates._TEXTS, path, text.replace("enableServiceLinks: false", "enableServiceLinks: true"))
    changed = owner(made("ffmpeg-job"))
    assert changed["spec"]["template"]["spec"]["enableServiceLinks"] is True
    assert changed["metadata"]["name"] != before


def test_a_job_ends() -> None:
    spec = owner(made("ffmpeg-job", ffmpeg_job_backoff_limit=2, ffmpeg_job_deadline_s=60, ffmpeg_job_keep_s=5))["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) == (2, 60, 5)
    assert spec["template"]["spec"]["restartPolicy"] == "Never"


def test_the_worker_does_something_and_checks_first() -> None:
    spec = pod(made("ffmpeg"))
    assert [row["name"] for row in spec["initContainers"]] == ["sample", "check"]
    assert spec["containers"][0]["command"][:4] == ["/bin/sh", "/etc/wslgpu/worker.sh", "/media/in", "/media/out"]


# -- scripts, run for real ---------------------------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path: Path) -> str:
    """A stand-in for ffmpeg that copies what follows -i to its last word, as slowly as its first word says."""
    path = tmp_path / "ffmpeg"
    path.write_text(
        "#!/bin/sh\nseconds=$1\ncase $seconds in fail) exit 3 ;; nothing) exit 0 ;; esac\n"
        'while [ "$1" != -i ]; do shift; done\ninput=$2\nfor output; do :; done\n'
        'head -c 5 "$input" >"$output"; sleep "$seconds" 2>/dev/null; cat "$input" >"$output"\n'
    )
    path.chmod(0o755)
    return str(path)


def transcode(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["/bin/sh", str(TRANSCODE), *map(str, words)], stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def ended(process: subprocess.Popen[str], timeout_s: float = 30) -> tuple[int, str]:
    _, said = process.communicate(timeout=timeout_s)
    return process.returncode, said


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in put.mp4"
    path.write_text("whole file")
    return path


def test_a_file_is_transcoded_once(source: Path, tmp_path: Path, program: str) -> None:
    target = tmp_path / "deep" / "out.mp4"
    assert ended(transcode(source, target, program, 0, "-i", "{input}"))[0] == 0
    assert target.read_text() == "whole file"
    before = target.stat().st_mtime_ns
    code, said = ended(transcode(source, target, program, 0, "-i", "{input}"))
    assert code == 0
    assert "there already" in said
    assert target.stat().st_mtime_ns == before
    assert ended(transcode("--again", source, target, program, 0, "-i", "{input}"))[0] == 0
    assert target.stat().st_mtime_ns != before


@pytest.mark.parametrize(("how", "code"), [("fail", 3), ("nothing", 70)])
def test_what_fails_leaves_nothing(source: Path, tmp_path: Path, program: str, how: str, code: int) -> None:
    target = tmp_path / "out" / "out.mp4"
    assert ended(transcode(source, target, program, how, "-i", "{input}"))[0] == code
    assert list(target.parent.iterdir()) == []


def test_an_input_that_is_not_there_is_named(tmp_path: Path, program: str) -> None:
    code, said = ended(transcode(tmp_path / "none.mp4", tmp_path / "out.mp4", program, 0, "-i", "{input}"))
    assert code == 66
    assert "none.mp4" in said


def wait_for(what: Any, timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def partials(folder: Path) -> list[Path]:
    return [path for path in folder.glob(".partial-*") if path.stat().st_size]


def test_the_name_is_only_ever_a_whole_files(source: Path, tmp_path: Path, program: str) -> None:
    target = tmp_path / "out" / "out.mp4"
    running = transcode(source, target, program, 1, "-i", "{input}")
    wait_for(lambda: target.parent.is_dir() and partials(target.parent))
    assert not target.exists()
    assert ended(running)[0] == 0
    assert target.read_text() == "whole file"
    assert list(target.parent.iterdir()) == [target]


def test_what_was_killed_is_begun_anew_and_its_rest_is_removed(source: Path, tmp_path: Path, program: str) -> None:
    target = tmp_path / "out" / "out.mp4"
    running = transcode(source, target, program, 60, "-i", "{input}")
    wait_for(lambda: target.parent.is_dir() and partials(target.parent))
    os.killpg(running.pid, signal.SIGKILL)
    ended(running)
    # as of a pod of another name
    partials(target.parent)[0].rename(target.parent / ".partial-other-pod@out.mp4")
    assert not target.exists()
    assert ended(transcode(source, target, program, 0, "-i", "{input}"))[0] == 0
    assert target.read_text() == "whole file"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("other", ["my-out.mp4", "my@out.mp4"])
def test_another_files_work_is_left_alone_though_its_name_ends_alike(
    source: Path, tmp_path: Path, program: str, other: str
) -> None:
    target = tmp_path / "out" / "out.mp4"
    running = transcode(source, target.with_name(other), program, 60, "-i", "{input}")
    wait_for(lambda: target.parent.is_dir() and partials(target.parent))
    (theirs,) = partials(target.parent)
    assert ended(transcode(source, target, program, 0, "-i", "{input}"))[0] == 0
    os.killpg(running.pid, signal.SIGKILL)
    ended(running)
    assert sorted(target.parent.iterdir()) == sorted([target, theirs])


def test_a_polite_end_leaves_nothing(source: Path, tmp_path: Path, program: str) -> None:
    target = tmp_path / "out" / "out.mp4"
    running = transcode(source, target, program, 60, "-i", "{input}")
    wait_for(lambda: target.parent.is_dir() and partials(target.parent))
    os.kill(running.pid, signal.SIGTERM)
    code, _ = ended(running)
    # the stand-in's own sleep
    os.killpg(running.pid, signal.SIGKILL)
    assert code == 143
    assert list(target.parent.iterdir()) == []


def test_the_worker_takes_each_file_once_and_names_what_failed(tmp_path: Path) -> None:
    folder = tmp_path / "scripts"
    folder.mkdir()
    (folder / "worker.sh").write_text(WORKER.read_text())
    (folder / "transcode.sh").write_text(TRANSCODE.read_text())
    inbox, outbox = tmp_path / "in", tmp_path / "out"
    inbox.mkdir()
    for name in ("good.mp4", "bad.mp4", "young.mp4"):
        (inbox / name).write_text(name)
    for name in ("good.mp4", "bad.mp4"):
        os.utime(inbox / name, (1_700_000_000, 1_700_000_000))
    program = tmp_path / "ffmpeg"
    program.write_text(
        '#!/bin/sh\necho "$2" >>"$0.log"\nfor output; do :; done\ncase $2 in *bad*) exit 3 ;; esac\ncp "$2" "$output"\n'
    )
    program.chmod(0o755)
    worker = subprocess.Popen(
        ["/bin/sh", str(folder / "worker.sh"), str(inbox), str(outbox), "0.1", str(program), "-i", "{input}"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: (outbox / "good.mp4").exists() and (outbox / "bad.mp4.failed").exists())
        time.sleep(0.5)
    finally:
        worker.terminate()
    code, _ = ended(worker)
    assert code == 143
    assert sorted(path.name for path in outbox.iterdir()) == ["bad.mp4.failed", "good.mp4"]
    tried = Path(f"{program}.log").read_text().splitlines()
    assert sorted(tried) == [str(inbox / "bad.mp4"), str(inbox / "good.mp4")], (
        "a failed file is not tried again and again"
    )


@pytest.mark.parametrize(("cpu", "aside"), [("2", "1"), ("16", "1"), ("1", "1"), ("500m", "500m")])
def test_no_more_than_one_processor_is_set_aside(cpu: str, aside: str) -> None:
    """A node of two has less than two to give beside the device plugin."""
    [container] = pod(made("ffmpeg-job", ffmpeg_cpu=cpu))["containers"]
    assert (container["resources"]["requests"]["cpu"], container["resources"]["limits"]["cpu"]) == (aside, cpu)
    assert container["resources"]["requests"]["nvidia.com/gpu"] == container["resources"]["limits"]["nvidia.com/gpu"]
