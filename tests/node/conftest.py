"""Fixtures of the node suites, and which of them apply to which host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.node.support.data import NodeData, data_of
from tests.node.support.node import Node
from wslgpu.report.pytest_records import component_of
from wslgpu.settings import Settings

_HERE = Path(__file__).parent


def _host_of(item: pytest.Item) -> Any:
    return getattr(getattr(item, "callspec", None), "params", {}).get("_testinfra_host")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect, and so show, the suites of components that a host's groups do not give it."""
    kept, absent = [], []
    for item in items:
        host = _host_of(item)
        if _HERE not in item.path.parents or host is None:
            kept.append(item)
            continue
        if config.getoption("hosts") is None:
            raise pytest.UsageError("name the node: --hosts=ssh://NAME, or --hosts=local:// for this machine")
        if host.backend.get_connection_type() == "paramiko":
            raise pytest.UsageError("paramiko takes unknown host keys; name the node as ssh://NAME")
        if data_of(config, host.backend.get_hostname()).has(component_of(item)):
            kept.append(item)
        else:
            item.user_properties.append(("not_deployed", True))
            absent.append(item)
    if absent:
        config.hook.pytest_deselected(items=absent)
    items[:] = kept


@pytest.fixture(scope="module")
def node(host: Any) -> Node:
    """The node under test."""
    return Node(host)


@pytest.fixture(scope="module")
def node_data(host: Any, pytestconfig: pytest.Config) -> NodeData:
    """Its settings and groups."""
    return data_of(pytestconfig, host.backend.get_hostname())


@pytest.fixture(scope="module")
def settings(node_data: NodeData) -> Settings:
    """Its settings, as the deploy used them."""
    return node_data.settings


@pytest.fixture
def notice(record_property: Any) -> Any:
    """Call it with what is worth knowing though it is no failure."""
    return lambda text: record_property("notice", text)
