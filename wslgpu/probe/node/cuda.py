"""CUDA through libcuda.so.1: what it says of itself, and at ``standard`` what it does.

Nothing is loaded in this process: children look, and a child that dies is what was seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .base import Probe
from .call import READ_TIMEOUT_S, NoLibraryError, UnavailableError, no_ctypes, run_steps
from .child import Emit

if TYPE_CHECKING:
    from .cuda_driver import Driver

QUICK = (
    "cuda.library",
    "cuda.symbols",
    "cuda.driver_version",
    "cuda.init",
    "cuda.device_count",
    "cuda.devices",
    "cuda.attributes",
    "cuda.peer",
)
STANDARD = (
    "cuda.context",
    "cuda.memory",
    "cuda.alloc",
    "cuda.pinned.register",
    "cuda.pinned.mapped",
    "cuda.vmm.reserve",
    "cuda.vmm.map",
    "cuda.vmm.posix_fd",
    "cuda.pool.default",
    "cuda.pool.posix_fd",
    "cuda.ipc.get",
    "cuda.ipc.event",
    "cuda.peer.copy",
    "cuda.kernel",
    "cuda.graph",
    "cuda.managed.alloc",
    "cuda.managed.prefetch",
    "cuda.managed.touch",
    "cuda.managed.touch_concurrent",
    "cuda.pinned.budget",
    "cuda.ipc.open",
    "cuda.checkpoint.state",
    "cuda.checkpoint.lock",
    "cuda.checkpoint.checkpoint",
    "cuda.checkpoint.restore",
)
SYMBOLS = (
    "cuCheckpointProcessGetState",
    "cuCheckpointProcessLock",
    "cuCheckpointProcessCheckpoint",
    "cuCheckpointProcessRestore",
    "cuMemPoolCreate",
    "cuMemAllocAsync",
    "cuMemCreate",
    "cuMulticastCreate",
    "cuGraphInstantiateWithFlags",
    "cuGreenCtxCreate",
    "cuGLGetDevices_v2",
)
#: Device 0 to 7: more pairs than that say nothing new, and devices beyond are named all the same.
_PEERS = 8


def observe(probe: Probe) -> None:
    """All of cuda.* that calls the driver."""
    if no_ctypes(probe, (*QUICK, *STANDARD) if probe.wants("standard") else QUICK):
        return
    probe.in_child(QUICK, _read, READ_TIMEOUT_S)
    if not probe.wants("standard"):
        return
    reason = without_devices(probe)
    if reason:
        for observation_id in STANDARD:
            probe.unknown(observation_id, reason)
        return
    _standard(probe)


def without_devices(probe: Probe) -> str:
    """Why no context can be made, from what the quick look found; empty when there are devices."""
    init = probe.results.get("cuda.init", {})
    count = probe.results.get("cuda.device_count", {})
    if init.get("status") != "observed":
        return "cuInit: {}".format(init.get("reason") or init.get("status", "not called"))
    if init["value"]["result"] != 0:
        return "cuInit: {}".format(init["value"]["name"])
    if count.get("status") != "observed":
        return "cuDeviceGetCount: {}".format(count.get("reason") or count.get("status", "not called"))
    return "" if count["value"] > 0 else "the driver counts no device"


def _read(emit: Emit) -> None:
    """Level quick: one child, no context."""
    from .cuda_driver import Driver

    emit.begin("cuda.library")
    try:
        driver = Driver()
    except NoLibraryError as error:
        emit("cuda.library", None)
        for observation_id in QUICK[1:]:
            emit.unknown(observation_id, str(error))
        return
    emit("cuda.library", {"path": driver.library.path("cuInit")})
    emit("cuda.symbols", {name: driver.library.has(name) for name in SYMBOLS})
    _tell(emit, "cuda.driver_version", lambda: _version(driver))
    emit.begin("cuda.init")
    result = driver.result("cuInit", 0)
    emit("cuda.init", driver.answer(result))
    if result != 0:
        for observation_id in QUICK[4:]:
            emit.unknown(observation_id, f"cuInit: {driver.name_of(result)}")
        return
    _tell(emit, "cuda.device_count", driver.count)
    _tell(emit, "cuda.devices", lambda: [_device(driver, ordinal) for ordinal in range(driver.count())])
    _tell(emit, "cuda.attributes", lambda: _attributes(driver))
    _tell(emit, "cuda.peer", lambda: _peers(driver))


def _tell(emit: Emit, observation_id: str, look: Any) -> None:
    from .cuda_driver import RefusedError

    emit.begin(observation_id)
    try:
        emit(observation_id, look())
    except (RefusedError, UnavailableError) as error:
        emit.unknown(observation_id, str(error))


def _version(driver: Driver) -> int:
    import ctypes

    number = ctypes.c_int()
    driver.do("cuDriverGetVersion", ctypes.byref(number))
    return number.value


def _device(driver: Driver, ordinal: int) -> dict[str, Any]:
    import ctypes

    device = driver.device(ordinal)
    name, total = ctypes.create_string_buffer(256), ctypes.c_size_t()
    driver.do("cuDeviceGetName", name, len(name), device)
    driver.do("cuDeviceTotalMem_v2", ctypes.byref(total), device)
    major = driver.attribute("COMPUTE_CAPABILITY_MAJOR", device)
    minor = driver.attribute("COMPUTE_CAPABILITY_MINOR", device)
    return {
        "name": name.value.decode("utf-8", "replace"),
        "total_bytes": total.value,
        "compute_capability": f"{major}.{minor}",
    }


def _attributes(driver: Driver) -> dict[str, list[int]]:
    from .cuda_driver import RefusedError
    from .cuda_numbers import ATTRIBUTES

    devices = [driver.device(ordinal) for ordinal in range(driver.count())]
    found = {}
    for name in ATTRIBUTES:
        try:
            found[name] = [driver.attribute(name, device) for device in devices]
        except RefusedError:
            continue  # a driver older than the attribute
    return found


def _peers(driver: Driver) -> list[dict[str, int]]:
    import ctypes

    ordinals = range(min(driver.count(), _PEERS))
    rows = []
    for one in ordinals:
        for other in ordinals:
            if one == other:
                continue
            can = ctypes.c_int()
            result = driver.result("cuDeviceCanAccessPeer", ctypes.byref(can), driver.device(one), driver.device(other))
            rows.append({"from": one, "to": other, "can_access": can.value, "result": result})
    return rows


def _context(driver: Driver) -> dict[str, Any]:
    """cuda.context: each device's, and back to device 0."""

    def work() -> None:
        for ordinal in range(driver.count()):
            driver.context(ordinal)
            driver.do("cuCtxSynchronize")
        driver.context(0)

    return driver.tried(work)


def _standard(probe: Probe) -> None:
    from . import cuda_kernel, cuda_memory, cuda_pinned, cuda_processes, cuda_virtual
    from .cuda_driver import spoilt, started, with_context

    run_steps(probe, [("cuda.context", _context)], started)
    context = probe.results.get("cuda.context", {})
    if context.get("status") != "observed" or context["value"]["result"] != 0:
        told = context.get("value", {}).get("name") or context.get("reason", "")
        for observation_id in STANDARD[1:]:
            probe.unknown(observation_id, f"there is no context: {told}")
        return
    steps = [
        ("cuda.memory", cuda_memory.memory),
        ("cuda.alloc", cuda_memory.alloc),
        ("cuda.pinned.register", cuda_pinned.pinned_register),
        ("cuda.pinned.mapped", cuda_pinned.pinned_mapped),
        ("cuda.vmm.reserve", cuda_virtual.reserve),
        ("cuda.vmm.map", cuda_virtual.map_one),
        ("cuda.vmm.posix_fd", cuda_virtual.shared),
        ("cuda.pool.default", cuda_virtual.pool_default),
        ("cuda.pool.posix_fd", cuda_virtual.pool_shared),
        ("cuda.ipc.get", cuda_processes.ipc_get),
        ("cuda.ipc.event", cuda_processes.ipc_event),
        ("cuda.peer.copy", cuda_processes.peer_copy),
        ("cuda.kernel", cuda_kernel.kernel),
        ("cuda.graph", cuda_kernel.graph),
        ("cuda.managed.alloc", cuda_memory.managed_alloc),
        ("cuda.managed.prefetch", cuda_memory.managed_prefetch),
        ("cuda.managed.touch", cuda_memory.managed_touch),
    ]
    run_steps(probe, steps, with_context, spoilt=spoilt)
    run_steps(probe, [("cuda.managed.touch_concurrent", cuda_memory.managed_touch_concurrent)], with_context)
    # pinned pages may count as this process's own: the stairs have their own limit
    run_steps(probe, [("cuda.pinned.budget", cuda_pinned.pinned_budget)], with_context, memory_bytes=None)
    probe.in_child(["cuda.ipc.open"], _guarded(["cuda.ipc.open"], cuda_processes.ipc_open), 10.0)
    ids = cuda_processes.CHECKPOINT_IDS
    probe.in_child(ids, _guarded(ids, cuda_processes.checkpoint), 10.0)


def _guarded(ids: Any, function: Any) -> Any:
    """The function with what is unavailable told as the reason."""

    def work(emit: Emit) -> None:
        try:
            function(emit)
        except UnavailableError as error:
            for observation_id in ids:
                emit.unknown(observation_id, str(error))

    return work
