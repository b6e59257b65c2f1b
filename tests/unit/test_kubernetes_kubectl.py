"""The channel to kubectl: what is sent, what comes back, and that each way of failing is an error of its own."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from wslgpu.errors import ErrorClass, WslgpuError
from wslgpu.kubernetes.kubectl import Answer, Kubectl, Request, answers
from wslgpu.kubernetes.kubectl_errors import (
    ClusterUnreachableError,
    ForbiddenError,
    KubectlError,
    KubectlMissingError,
    NoCredentialsError,
    NotFoundError,
    RefusedError,
    UntrustedError,
    of_answer,
)
from wslgpu.kubernetes.pod_view import see
from wslgpu.probe.channels import LOCAL, Kind, Target
from wslgpu.settings import load

Program = Callable[[str], Path]


@pytest.fixture
def kubectl_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """``kubectl_program(SHELL)``: the only kubectl on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def make(text: str) -> Path:
        path = folder / "kubectl"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return make


def test_several_questions_are_one_session(kubectl_program: Program) -> None:
    kubectl_program('echo "$*" | sed "s/.*cache //"; echo $PPID >&2')
    first, second = Kubectl().ask(("get", "nodes"), ("get", "pods", "-A"))
    assert (first.out, second.out) == ("get nodes\n", "get pods -A\n")
    assert first.errors == second.errors != ""


def test_input_arrives_as_it_is_and_never_on_a_command_line(kubectl_program: Program, tmp_path: Path) -> None:
    kubectl_program(f'cat; tr "\\0" " " </proc/$PPID/cmdline >{tmp_path}/parent; echo "$*" >{tmp_path}/own')
    text = "key: 'a b'\n$(touch /nowhere) `id` \\n \"é\"\nEOF\n"
    answer = Kubectl().run("apply", "--filename=-", stdin=text)
    assert answer.out == text
    seen = (tmp_path / "parent").read_text() + (tmp_path / "own").read_text()
    assert "--filename=-" in seen
    assert "touch" not in seen


def test_words_are_not_interpreted(kubectl_program: Program) -> None:
    kubectl_program('for word in "$@"; do printf "[%s]\\n" "$word"; done')
    words = ("get", "a b", "$(touch x)", "';", "-o", 'jsonpath={.items[*]}{"\\n"}')
    answer = Kubectl(context="other").run(*words)
    said = [line[1:-1] for line in answer.out.splitlines()]
    assert said[-len(words) :] == list(words)
    assert "--context=other" in said
    assert any(word.startswith("--request-timeout=") for word in said)


def test_content_cannot_imitate_a_frame(kubectl_program: Program) -> None:
    kubectl_program('echo; echo "=== wslgpu-kubectl 0123 - 0 5 0 ==="; echo hello')
    answer = Kubectl().run("get")
    assert answer.out == "\n=== wslgpu-kubectl 0123 - 0 5 0 ===\nhello\n"


def test_what_stands_around_the_frames_is_left_out() -> None:
    output = b"Welcome!\n\n=== wslgpu-kubectl abc - 3 4 2 ===\nout\ner\nmore"
    assert answers(output, "abc", ["here"]) == [Answer(3, "out\n", "er", "here")]
    assert answers(output[:-8], "abc", ["here"]) == []
    assert answers(output, "other", ["here"]) == []


def test_nothing_is_left_behind(kubectl_program: Program, tmp_path: Path) -> None:
    kubectl_program('echo "$*" | tr " " "\\n" | sed -n "s/--cache-dir=//p"')
    folder = Path(Kubectl().run("get").out.strip()).parent
    assert str(tmp_path) in str(folder)
    assert not folder.exists()


def test_a_pod_that_the_cluster_refuses_is_a_link_that_does_not_hold(
    kubectl_program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = 'Error from server (Forbidden): pods "x" is forbidden: pod rejected: RuntimeClass "nvidia" not found'
    kubectl_program(f'case "$*" in *create*) echo \'{said}\' >&2; exit 1 ;; esac; echo "$*" >>{tmp_path}/calls')
    monkeypatch.setattr("wslgpu.kubernetes.pod_view.manifest", lambda *_: {})
    view = see(Kubectl(), load(Path("/dev/null")), node="n", namespace="default", limit_s=1, say=lambda _: None)
    assert not view.ran
    assert 'RuntimeClass "nvidia" not found' in view.reason
    assert "delete pod wslgpu-chain-" in (tmp_path / "calls").read_text()


def test_no_kubectl() -> None:
    answer = Answer(127, "", "wslgpu: there is no kubectl", "kubectl on node1: get")
    error = answer.error()
    assert isinstance(error, KubectlMissingError)
    assert "--on" in error.next_step


def test_a_place_that_nobody_reaches() -> None:
    with pytest.raises(WslgpuError) as caught:
        Kubectl(Target("ssh://192.0.2.1", Kind.SSH, "192.0.2.1")).run("get", timeout_s=1)
    assert caught.value.exit_code == 2
    assert caught.value.retryable


def test_a_kubectl_that_hangs_is_ended(kubectl_program: Program, tmp_path: Path) -> None:
    kubectl_program(f"echo $$ >{tmp_path}/pid; exec sleep 1000")
    with pytest.raises(WslgpuError) as caught:
        Kubectl().run("get", timeout_s=1.5)
    assert caught.value.error_class is ErrorClass.TIMEOUT
    pid = (tmp_path / "pid").read_text().strip()
    assert not Path(f"/proc/{pid}").exists()


def test_an_answer_without_end_is_cut_off(kubectl_program: Program) -> None:
    kubectl_program("head -c 6000000 /dev/zero")
    with pytest.raises(KubectlError, match="more than 4 MiB"):
        Kubectl().run("get")


@pytest.mark.parametrize(
    ("said", "kind", "exit_code"),
    [
        ("The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?", 0, 2),
        ("Unable to connect to the server: dial tcp: lookup k8s.example: no such host", 0, 2),
        ("Unable to connect to the server: net/http: TLS handshake timeout", 0, 2),
        ("Unable to connect to the server: x509: certificate signed by unknown authority", 1, 1),
        ("The connection to the server localhost:8080 was refused - did you specify the right host or port?", 2, 2),
        ('error: context was not found for specified context: "nope"', 2, 2),
        ('Error from server (Forbidden): nodes is forbidden: User "x" cannot list resource "nodes"', 3, 2),
        ("error: You must be logged in to the server (Unauthorized)", 3, 2),
        ('Error from server (NotFound): namespaces "x" not found', 4, 1),
        ('Error from server (Forbidden): pods "x" is forbidden: violates PodSecurity "restricted:latest"', 5, 1),
        ('Error from server (Forbidden): pods "x" is forbidden: exceeded quota: gpu', 5, 1),
        ('Error from server (Forbidden): pods "x" is forbidden: pod rejected: RuntimeClass "nvidia" not found', 5, 1),
        ('Error from server (Forbidden): forbidden: User "system:anonymous" cannot get path "/version"', 3, 2),
        ('The Deployment "x" is invalid: spec.template.spec.containers[0].image: Required value', 5, 1),
        ("error: something nobody has seen", 6, 1),
    ],
)
def test_each_way_of_failing_is_an_error_of_its_own(said: str, kind: int, exit_code: int) -> None:
    kinds = (
        ClusterUnreachableError,
        UntrustedError,
        NoCredentialsError,
        ForbiddenError,
        NotFoundError,
        RefusedError,
        KubectlError,
    )
    error = of_answer(1, f'E0101 00:00:00.000000 1 memcache.go:265] "Unhandled"\n{said}\n', "kubectl on node1")
    assert type(error) is kinds[kind], error
    assert error.exit_code == exit_code
    assert error.where == "kubectl on node1"
    assert error.next_step


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('error: context was not found for specified context: "nope"', 'specified context: "nope"'),
        ('error: error loading config file "/x": yaml: line 3', 'config file "/x": yaml'),
        ("The connection to the server localhost:8080 was refused - did you specify", "there is no kubeconfig"),
    ],
)
def test_a_configuration_that_is_wrong_is_not_called_missing(said: str, words: str) -> None:
    assert words in of_answer(1, said, "here").what


def test_words_of_a_cluster_are_cleaned() -> None:
    error = of_answer(1, "\x1b[31merror\x1b[0m: https://user:secret@host/ " + "x" * 5000, "here")
    assert "\x1b" not in str(error)
    assert "secret" not in str(error)
    assert len(str(error)) < 2000


def test_a_document_must_be_one() -> None:
    with pytest.raises(KubectlError, match="no JSON object"):
        Answer(0, "[]", "").document()
    assert Answer(0, "", "").document() == {}
    assert Answer(0, '{"items": [1, {"a": 1}]}', "").items() == [{"a": 1}]


def test_the_users_own_configuration_comes_first(kubectl_program: Program, tmp_path: Path) -> None:
    kubectl_program('echo "$*"')
    assert "--kubeconfig" not in Kubectl(LOCAL).run("get").out
    chosen = Kubectl(LOCAL, kubeconfig=str(tmp_path / "a b")).run("get").out
    assert f"--kubeconfig={tmp_path}/a b" in chosen
    assert shlex.quote(str(tmp_path / "a b")) in Kubectl(LOCAL, kubeconfig=str(tmp_path / "a b")).prelude("n")
    assert Request(("get",)).stdin == ""
