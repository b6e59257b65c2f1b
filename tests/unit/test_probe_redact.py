"""What is taken out of a document before it is sent to anybody, and what must stay."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.observation_documents import HEALTHY_VALUES, document, healthy
from tests.small_catalogue import TODAY, catalogue
from wslgpu.probe.document import Identity, Observation, Status, parse
from wslgpu.probe.redact import Redactor, redact
from wslgpu.probe.redactions import IPV4, REDACTIONS, Redaction
from wslgpu.verdict.fleet import fleet_findings
from wslgpu.verdict.judge import judge_node

KEY = b"k" * 32
ROWS = [*REDACTIONS, IPV4]


def text_of(text: str, hostname: str = "") -> str:
    return Redactor(document(identity=Identity(hostname=hostname)), KEY).text(text)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_row_does_what_its_example_says(row: Redaction) -> None:
    assert row.apply(row.example) == row.becomes
    assert row.mark in row.becomes


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_whole_table_agrees_with_each_row_and_a_second_time_changes_nothing(row: Redaction) -> None:
    once = text_of(row.example)
    assert row.mark in once
    assert text_of(once) == once


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("//wsl.localhost/Ubuntu/home/ada/x", "//wsl.localhost/Ubuntu/home/<user>/x"),
        ("HOME=/home/ada", "HOME=/home/<user>"),
        ("aname=drvfs;path=C:\\;uid=1000", "aname=drvfs;path=C:\\;uid=1000"),
        ("C:/Users/ada.b/x", "C:/Users/<user>/x"),
        ("D:\\Users\\Ada B\\models", "D:\\Users\\<user>\\models"),
        ("inet 10.0.0.7, dns 8.8.8.8:53", "inet <ip>, dns <ip>:53"),
        ("http://10.1.2.3:3128/", "http://<ip>:3128/"),
        ("00-15-5D-12-34-56", "<mac>"),
        ("2001:db8::1", "<ip>"),
        ("token = abcdefgh", "token = <secret>"),
        ('"password":"p w"', '"password":"<secret>"'),
        ("HF_TOKEN=hf_abcdefghijklmnopqrst", "HF_TOKEN=<token>"),
        ("https://user@host.example/x", "https://<credentials>@host.example/x"),
        ("Serial: 0323-4567-AB", "Serial: <serial>"),
    ],
)
def test_more_that_goes(text: str, becomes: str) -> None:
    assert text_of(text) == becomes


@pytest.mark.parametrize(
    "text",
    [
        "6.6.87.2-microsoft-standard-WSL2",
        "Linux version 6.6.87.2-microsoft-standard-WSL2 (gcc (GCC) 11.2.0, GNU ld 2.37)",
        "driver 581.80, NVIDIA-SMI 580.102.01",
        "CUDA version 12.4.1.1",
        "libnvinfer.so.10.3.0.26",
        "95.02.3c.80.8d",
        "00000000:01:00.0",
        "/usr/lib/wsl/drivers/nv_dispi.inf_amd64_6b9fd6d9d2a0c5a1/libcuda.so.1.1",
        "nvidia/cuda:13.0.0-base-ubuntu24.04@sha256:" + "0" * 64,
        "nvidia.com/gpu=all",
        "getty@tty1.service user@1000.service",
        "127.0.0.1 ::1 0.0.0.0 255.255.255.0",
        "misc dxg: dxgk: dxgkio_query_adapter_info: Ioctl failed: -22",
        "2026-11-21T10:11:12",
        "std::vector",
        "/mnt/c/Users/Public/x",
        "GPU-Util",
        "17179869184",
        "tokenizer, authentication, secretary",
    ],
)
def test_what_stays(text: str) -> None:
    assert text_of(text) == text


def test_versions_of_four_numbers_stay_where_versions_stand() -> None:
    values: dict[str, Any] = {
        "wsl.version": "2.6.3.0",
        "python.packages": {"nvidia-cudnn-cu13": "9.13.0.50"},
        "containerd.runc": {"version": "1.3.4.5"},
        "cuda.init": Observation(status=Status.UNKNOWN, reason="no answer from 10.3.0.26"),
    }
    redacted = redact(document(values), KEY)
    assert redacted.get("wsl.version").value == "2.6.3.0"
    assert redacted.get("python.packages").value == {"nvidia-cudnn-cu13": "9.13.0.50"}
    assert redacted.get("containerd.runc").value == {"version": "1.3.4.5"}
    assert redacted.get("cuda.init").reason == "no answer from <ip>"


CANARIES = {
    "user": "adalovelace",
    "host": "QUILL-TOWER",
    "machine": "fedcba98" * 4,
    "key": "SHA256:uNiVztksCsDhcc0u9e8BrrXtX6wO0aUqR3K6pJt6Yvw",
    "address": "172.29.48.117",
    "hardware": "00:15:5d:aa:bb:cc",
    "uuid": "GPU-0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
    "secret": "hunter2hunter2",
    "mail": "ada@quill.example",
    "serial": "1322621051234",
}


def canary_document() -> Any:
    """Every canary at every depth: values, keys, reasons, commands, identity."""
    sentence = (
        f"/home/{CANARIES['user']}/x on {CANARIES['host']} {CANARIES['host'].lower()}.lan {CANARIES['user']}: "
        f"{CANARIES['machine']} {CANARIES['key']} {CANARIES['address']} {CANARIES['hardware']} {CANARIES['uuid']} "
        f"password={CANARIES['secret']} {CANARIES['mail']} {CANARIES['serial']} machine-id={CANARIES['machine']}"
    ).replace(f" {CANARIES['machine']} ", " ", 1)
    return document(
        {
            "wsl.dmesg": {"dxgk_errors": 0, "make_resident_no_memory": 0, "lines": [sentence]},
            "k8s.node": {"labels": {sentence: {"deep": [sentence]}}},
            "wsl.conf": {"text": f"[user]\ndefault={CANARIES['user']}\n[network]\nhostname={CANARIES['host']}\n"},
            "cuda.init": Observation(status=Status.CRASH, reason=sentence, command=sentence),
            "own." + CANARIES["user"]: 1,
        },
        identity=Identity(hostname=CANARIES["host"], machine_id=CANARIES["machine"], ssh_host_keys=(CANARIES["key"],)),
    )


@pytest.mark.parametrize("name", CANARIES)
def test_no_canary_is_left_anywhere(name: str) -> None:
    whole = canary_document()
    assert CANARIES[name] in whole.as_json()
    assert CANARIES[name].lower() not in redact(whole, KEY).as_json().lower()


def test_a_redacted_document_can_be_read_and_stays_as_it_is() -> None:
    redacted = redact(canary_document(), KEY)
    again = parse(redacted.as_json())
    assert again == redacted
    assert redacted.redacted
    assert redact(again, b"another key") == again


def test_identities_become_digests_by_the_key() -> None:
    first, second = redact(healthy(), KEY).identity, redact(healthy(), b"other" * 8).identity
    assert first.machine_id.startswith("sha256:")
    assert first.machine_id != second.machine_id
    assert len({first.hostname, first.machine_id, *first.ssh_host_keys}) == 3
    assert redact(document(), KEY).identity == Identity()


def test_duplicates_are_still_found() -> None:
    upper = healthy(identity=healthy().identity.model_copy(update={"hostname": "TOWER"}))
    for first, second in ((redact(healthy(), KEY), redact(upper, KEY)), (redact(healthy()), redact(upper))):
        assert [row.id for row in fleet_findings([("a", first), ("b", second)])] == [
            "fleet.duplicate.machine_id",
            "fleet.duplicate.ssh_host_key",
            "fleet.duplicate.host_name",
        ]


def test_a_redacted_document_is_judged_as_the_whole_one() -> None:
    whole = judge_node("n", healthy(), catalogue(), today=TODAY)
    redacted = judge_node("n", redact(healthy(), KEY), catalogue(), today=TODAY)
    assert redacted.capabilities == whole.capabilities
    assert redacted.workloads == whole.workloads
    assert redacted.facts == whole.facts


def test_a_healthy_document_has_nothing_that_goes_but_its_identity() -> None:
    values = {name: row.value for name, row in redact(healthy(), KEY).observations.items() if row.value is not None}
    for name, value in values.items():
        assert value == HEALTHY_VALUES[name]


@pytest.mark.parametrize("hostname", ["nvidia", "ubuntu", "wsl", "it", "running", "12345"])
def test_a_host_with_a_common_name_turns_no_value(hostname: str) -> None:
    text = f"{hostname} running nvidia ubuntu wsl it 12345"
    assert text_of(text, hostname) == text


def test_a_value_is_a_secret_by_its_key() -> None:
    value = redact(document({"nccl.environment": {"NCCL_TOKEN": "abc", "NCCL_DEBUG": "INFO"}}), KEY)
    assert value.get("nccl.environment").value == {"NCCL_TOKEN": "<secret>", "NCCL_DEBUG": "INFO"}


def test_keys_that_become_the_same_both_stay() -> None:
    labels = {"/home/ada/x": 1, "/home/bob/x": 2}
    value = redact(document({"python.packages": labels}), KEY).get("python.packages").value
    assert value == {"/home/<user>/x": 1, "/home/<user>/x 2": 2}


@given(st.text(max_size=200))
def test_any_text_is_redacted_to_what_is_redacted(text: str) -> None:
    once = text_of(text)
    assert text_of(once) == once
    json.dumps(once)
