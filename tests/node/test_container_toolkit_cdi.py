"""The CDI spec of nvidia.com/gpu: whose it is, and that it describes the driver that is there now."""

from __future__ import annotations

import pytest

from tests.node.support import cdi, gpu
from tests.node.support.checks import check, unknown
from tests.node.support.node import Node
from wslgpu.settings import Settings

REMAKE = "Run `wslgpu apply` again: it makes the spec anew, as is due after each update of the Windows driver."
DEVICE = "all"
"""WSL cannot select a GPU: its one CDI device means all of them (nvidia-container-toolkit pkg/nvcdi/lib-wsl.go)."""


@pytest.fixture(scope="module")
def spec(node: Node, settings: Settings) -> cdi.Spec:
    """The spec at the place of its owner."""
    gpu.require(node)
    place = cdi.PLACES[settings.toolkit.cdi_spec_owner]
    if not node.exists(place):
        unknown(f"{place} is not there (container_toolkit.cdi.present)")
    return cdi.parse(place, node.read(place))


@check("container_toolkit.cdi.present", REMAKE)
def test_spec_is_where_its_owner_puts_it(node: Node, settings: Settings) -> None:
    """The spec is there, for nvidia.com/gpu, at the place where this toolkit version's owner writes it."""
    gpu.require(node)
    place = cdi.PLACES[settings.toolkit.cdi_spec_owner]
    assert node.exists(place), f"{place} is not there"
    spec = cdi.parse(place, node.read(place))
    assert spec.kind == cdi.KIND, f"{place} is for {spec.kind}, not {cdi.KIND}"


@check("container_toolkit.cdi.single", "Remove the other spec, or the program that writes it; then apply again.")
def test_spec_is_the_only_one(node: Node, settings: Settings) -> None:
    """No second spec defines nvidia.com/gpu: /var/run/cdi would win over /etc/cdi, and a copy goes stale."""
    place = cdi.PLACES[settings.toolkit.cdi_spec_owner]
    others = [spec.path for spec in cdi.gpu_specs(node) if spec.path != place]
    assert not others, f"{cdi.KIND} is also defined by {', '.join(others)}"


@check("container_toolkit.cdi.device", REMAKE)
def test_spec_has_the_one_device(spec: cdi.Spec) -> None:
    """The spec's one device is `all`, and it is /dev/dxg."""
    assert spec.devices == [DEVICE], f"{spec.path} has the devices {spec.devices}, not {[DEVICE]}"
    assert spec.device_nodes == [gpu.DEVICE], f"{spec.path} gives {spec.device_nodes}, not {[gpu.DEVICE]}"


@check("container_toolkit.cdi.paths", REMAKE)
def test_spec_names_what_is_there(node: Node, spec: cdi.Spec) -> None:
    """Every file, device and hook that the spec names is on the node."""
    named = [*spec.mounts, *spec.device_nodes, *spec.hook_programs]
    answer = node.shell('for f; do [ -e "$f" ] || echo "$f"; done', *named)
    assert answer.ok, f"the files cannot be looked for: {answer}"
    assert spec.mounts, f"{spec.path} names no file"
    assert not answer.lines, f"{spec.path} names what is not there: {', '.join(answer.lines[:5])}"


@check("container_toolkit.cdi.current", REMAKE)
def test_spec_is_of_the_present_driver(node: Node, spec: cdi.Spec) -> None:
    """The driver store that the spec mounts from is the one with CUDA in it now."""
    stores = cdi.driver_stores(node)
    assert stores, f"no driver store under {cdi.STORES} has CUDA in it"
    named = {path.rsplit("/", 1)[0] for path in spec.mounts if path.startswith(f"{cdi.STORES}/")}
    assert named, f"{spec.path} mounts nothing of {cdi.STORES}"
    gone = named - set(stores)
    assert not gone, f"{spec.path} is of the driver store {', '.join(sorted(gone))}; present: {', '.join(stores)}"


@check("container_toolkit.cdi.mounts", REMAKE)
def test_spec_mounts_what_its_version_mounts(node: Node, settings: Settings, spec: cdi.Spec) -> None:
    """The spec mounts just the files that this toolkit version takes from the driver."""
    stores = cdi.driver_stores(node)
    if len(stores) != 1:
        unknown(f"{len(stores)} driver stores with CUDA: which one the toolkit takes cannot be told from outside")
    wanted = set(cdi.wanted_files(node, stores[0], whole_store=settings.toolkit.wsl_mounts == "whole-store"))
    missing, more = sorted(wanted - set(spec.mounts)), sorted(set(spec.mounts) - wanted)
    assert not missing, f"{spec.path} does not mount {', '.join(missing[:5])}"
    assert not more, f"{spec.path} mounts what its toolkit version does not: {', '.join(more[:5])}"


@check("container_toolkit.cdi.listed", REMAKE)
def test_toolkit_lists_the_device(node: Node) -> None:
    """The toolkit's own program finds the device in the specs."""
    gpu.require(node)
    answer = node.run("nvidia-ctk", "cdi", "list")
    assert answer.ok, f"nvidia-ctk cannot list CDI devices: {answer}"
    assert f"{cdi.KIND}={DEVICE}" in answer.words, f"nvidia-ctk lists {', '.join(answer.words) or 'nothing'}"
