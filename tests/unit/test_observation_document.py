"""Observation documents from an untrusted node: read or refused, judged without a traceback, and no GO from garbage."""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.observation_documents import healthy
from tests.small_catalogue import TODAY
from tests.small_catalogue import catalogue as small_catalogue
from wslgpu.catalogue.condition import observations_of
from wslgpu.catalogue.load import Catalogue, load_catalogue
from wslgpu.probe.document import (
    DEPTH_LIMIT,
    OBSERVATION_LIMIT,
    SCHEMA,
    SIZE_LIMIT_BYTES,
    DocumentError,
    Level,
    Observation,
    Observations,
    Status,
    parse,
)
from wslgpu.probe.program import answer, payload
from wslgpu.probe.redact import redact
from wslgpu.probe.registry import observation_kinds
from wslgpu.verdict.fleet import fleet_findings
from wslgpu.verdict.judge import judge_node
from wslgpu.verdict.model import Verdict
from wslgpu.verdict.shape import shape_of

HEALTHY: dict[str, Any] = json.loads(healthy().as_json())


def changed(path: tuple[str, ...], value: Any) -> str:
    data = copy.deepcopy(HEALTHY)
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(data)


def test_a_document_comes_back_as_it_was() -> None:
    assert parse(healthy().as_json()) == healthy()


CPUS = ("observations", "system.cpus")


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        ("", "not a JSON document"),
        ("[]", "wrong shape"),
        ("{}", "schema"),
        (b"\xff\xfe{}", "not a JSON document"),
        ('{"a": 1, "a": 2}', "a key stands twice"),
        (changed(("schema",), "wslgpu.observations/2"), SCHEMA),
        (changed(("probe", "level"), "deep"), "probe.level"),
        (changed(("probe", "cpu_s"), -1), "probe.cpu_s"),
        (changed(("probe", "uid"), "0"), "probe.uid"),
        (changed(("more",), 1), "more"),
        (changed((*CPUS, "status"), "fine"), "status"),
        (changed((*CPUS, "status"), "unknown"), "has no value"),
        (changed((*CPUS, "seconds"), 1e9), "seconds"),
        (changed((*CPUS, "value"), 10**25), "more than 20 digits"),
        (changed((*CPUS, "value"), "x" * 70_000), "characters long"),
        (changed((*CPUS, "value"), "\ud800"), "surrogate"),
        (changed((*CPUS, "value"), json.loads("[" * DEPTH_LIMIT + "]" * DEPTH_LIMIT)), "nested"),
        (changed(CPUS, None), "system.cpus"),
        (changed(("observations", "Bad\x1b[2J"), HEALTHY["observations"]["system.cpus"]), "cannot be"),
        (changed(("observations",), {f"a.b{n}": HEALTHY["observations"]["system.cpus"] for n in range(1001)}), "1001"),
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "Infinity"),
        ('{"schema": 1e999}', "too large"),
        ("[" * 100_000, "not a JSON document"),
        ("x" * (SIZE_LIMIT_BYTES + 1), "bytes long"),
    ],
)
def test_what_is_no_document_is_refused(raw: bytes | str, part: str) -> None:
    with pytest.raises(DocumentError) as raised:
        parse(raw, "node1")
    assert part in raised.value.what
    assert raised.value.where == "node1"
    assert "\x1b" not in str(raised.value)
    assert len(str(raised.value)) < 600


def test_limits_are_what_a_document_may_just_have() -> None:
    row = HEALTHY["observations"]["system.cpus"]
    parse(changed(("observations",), {f"a.b{n}": row for n in range(OBSERVATION_LIMIT)}))


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(["", "\x1b[31m", "<script>", "2.6.3", "9" * 200, "observed", "/mnt/c/Users/x", "systemd"])
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=10,
)
_OBSERVATION_IDS = sorted(HEALTHY["observations"])


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a plain value."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [path, *(place for key in keys for place in _places(value[key], (*path, key)))]


_PLACES = [place for place in _places(HEALTHY) if place]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A healthy document with a few places replaced, removed or repeated elsewhere."""
    data = copy.deepcopy(HEALTHY)
    for _ in range(draw(st.integers(1, 6))):
        *path, last = draw(st.sampled_from(_PLACES))
        with contextlib.suppress(KeyError, IndexError, TypeError):
            place: Any = data
            for key in path:
                place = place[key]
            how = draw(st.sampled_from(["replace", "remove", "status", "copy"]))
            if how == "replace":
                place[last] = draw(_VALUES)
            elif how == "remove":
                del place[last]
            elif how == "copy":
                # a copy of it: it may hold the very place
                place[last] = copy.deepcopy(data["observations"][draw(st.sampled_from(_OBSERVATION_IDS))]["value"])
            else:
                place[last] = {"status": draw(st.sampled_from(["crash", "hang", "unknown"])), "reason": "x"}
    return json.dumps(data)


@st.composite
def broken_text(draw: st.DrawFn) -> bytes:
    """A healthy document's bytes, cut or spoilt."""
    raw = bytearray(json.dumps(HEALTHY).encode())
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw) - 1))
        raw[at : at + draw(st.integers(0, 40))] = draw(st.binary(max_size=20))
    return bytes(raw[: draw(st.integers(0, len(raw)))])


@functools.cache
def product() -> Catalogue:
    return load_catalogue()


def read_and_judge(raw: bytes | str, catalogue: Catalogue) -> None:
    """What the product does with an answer; only a DocumentError may come of it."""
    try:
        document = parse(raw, "node1")
    except DocumentError:
        return
    judgement = judge_node("node1", document, catalogue, today=TODAY)
    assert len(judgement.capabilities) == len(catalogue.capabilities)
    texts = [row.reason for row in judgement.capabilities] + list(judgement.facts.values())
    assert not any("\x1b" in text for text in texts)
    fleet_findings([("a", document), ("b", document)])
    redacted = redact(document, b"key")
    assert parse(redacted.as_json()) == redacted


@given(mutated())
@settings(max_examples=200)
def test_mutated_documents_never_end_in_a_traceback(raw: str) -> None:
    read_and_judge(raw, small_catalogue())


@given(st.binary(max_size=200) | broken_text())
@settings(max_examples=100)
def test_any_bytes_are_a_document_or_refused(raw: bytes) -> None:
    read_and_judge(raw, small_catalogue())


@given(st.binary(max_size=200) | broken_text(), st.booleans())
@settings(max_examples=100)
def test_any_output_of_a_probe_is_an_answer_or_refused(raw: bytes, marked: bool) -> None:
    mark = re.findall(rb"[0-9a-f]{32}", payload(Level.QUICK))[0] if marked else b"0" * 32
    output = b"banner\n=== wslgpu " + mark + b" begin ===\n" + raw + b"\n=== wslgpu " + mark + b" end ===\n"
    try:
        document = answer(output, "node1")
    except DocumentError:
        return
    judge_node("node1", document, small_catalogue(), today=TODAY)


def test_a_whole_document_between_its_marks_is_an_answer() -> None:
    mark = re.findall(r"[0-9a-f]{32}", payload(Level.QUICK).decode())[0]
    output = f"banner\n=== wslgpu {mark} begin ===\n{healthy().as_json()}\n=== wslgpu {mark} end ===\n".encode()
    assert answer(output, "node1").get("cuda.init") == healthy().get("cuda.init").model_copy(
        update={"command": observation_kinds()["cuda.init"].command}
    )


@pytest.mark.long
@given(mutated() | broken_text())
@settings(max_examples=10_000)
def test_ten_thousand_mutated_documents(raw: bytes | str) -> None:
    read_and_judge(raw, product())


# No GO from garbage: take a document on which a workload is GO. Let the observations of one of its required
# capabilities crash, hang, be unknown, or hold values that are not of their shape: then it is not GO.


def _rests_on(catalogue: Catalogue, capability_id: str) -> list[str]:
    """The probe's observations that a capability's ``works`` speaks of."""
    names = observations_of(catalogue.capabilities[capability_id].works)
    return [name for name in names if not name.startswith("derived.")]


def _go_and_what_it_rests_on(catalogue: Catalogue) -> list[tuple[str, str]]:
    judged = judge_node("n", healthy(), catalogue, today=TODAY)
    return [
        (row.id, capability)
        for row in judged.workloads
        if row.verdict in (Verdict.GO, Verdict.DEGRADED)
        for capability in catalogue.workloads[row.id].requires
        if _rests_on(catalogue, capability)
    ]


def _of_another_shape(observation_id: str) -> st.SearchStrategy[Any]:
    shape = shape_of(observation_id)
    return _VALUES.filter(lambda value: not shape.has(value))


def _spoilt(names: list[str], draw: Any) -> Observations:
    changes: dict[str, Any] = {}
    for name in names:
        how = draw(st.sampled_from(["crash", "hang", "unknown", "value"]))
        if how == "value":
            changes[name] = draw(_of_another_shape(name))
        else:
            changes[name] = Observation(status=Status(how), reason="spoilt")
    return healthy(changes)


def check_no_go(data: Any, catalogue: Catalogue, pairs: list[tuple[str, str]]) -> None:
    workload, capability = data.draw(st.sampled_from(pairs))
    document = _spoilt(_rests_on(catalogue, capability), data.draw)
    judgement = judge_node("n", document, catalogue, today=TODAY, required_workloads=[workload])
    verdict = next(row.verdict for row in judgement.workloads if row.id == workload)
    assert verdict in (Verdict.NO_GO, Verdict.UNKNOWN, Verdict.NOT_APPLICABLE), (workload, capability)
    assert judgement.exit_code() != 0
    assert not judgement.capability(capability).state.usable


@given(st.data())
@settings(max_examples=100)
def test_no_go_from_garbage(data: Any) -> None:
    check_no_go(data, small_catalogue(), _go_and_what_it_rests_on(small_catalogue()))


@pytest.mark.long
@given(st.data())
@settings(max_examples=2000)
def test_no_go_from_garbage_with_the_products_catalogue(data: Any) -> None:
    check_no_go(data, product(), _product_pairs())


@functools.cache
def _product_pairs() -> list[tuple[str, str]]:
    return _go_and_what_it_rests_on(product())
