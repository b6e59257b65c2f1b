"""Graphics adapters as Windows gives them to the VM: libdxcore.so, through D3DKMTEnumAdapters2.

The structures are those of Microsoft's d3dkmthk.h and d3dukmdt.h, where WCHAR is four bytes wide on Linux.
"""

from __future__ import annotations

from typing import Any

from .base import Probe
from .call import Library, UnavailableError, no_ctypes, run_steps

ID = "dxcore.adapters"
LIBRARY = "libdxcore.so"
QUERY_DRIVER_VERSION = 13
QUERY_REGISTRY = 48
REGISTRY_DRIVER_STORE_PATH = 2
_ADAPTERS = 64
_PATH_CHARACTERS = 1024


def observe(probe: Probe) -> None:
    """dxcore.adapters."""
    if not no_ctypes(probe, [ID]):
        run_steps(probe, [(ID, _adapters)], lambda: Library(LIBRARY))


def structures() -> dict[str, Any]:
    """The structures by their public names; made when called, because they need ctypes."""
    import ctypes

    class Luid(ctypes.Structure):
        """LUID."""

        _fields_ = (("LowPart", ctypes.c_uint32), ("HighPart", ctypes.c_int32))

    class AdapterInfo(ctypes.Structure):
        """D3DKMT_ADAPTERINFO."""

        _fields_ = (
            ("hAdapter", ctypes.c_uint32),
            ("AdapterLuid", Luid),
            ("NumOfSources", ctypes.c_uint32),
            ("bPrecisePresentRegionsPreferred", ctypes.c_uint32),
        )

    class EnumAdapters2(ctypes.Structure):
        """D3DKMT_ENUMADAPTERS2."""

        _fields_ = (("NumAdapters", ctypes.c_uint32), ("pAdapters", ctypes.POINTER(AdapterInfo)))

    class QueryAdapterInfo(ctypes.Structure):
        """D3DKMT_QUERYADAPTERINFO."""

        _fields_ = (
            ("hAdapter", ctypes.c_uint32),
            ("Type", ctypes.c_int),
            ("pPrivateDriverData", ctypes.c_void_p),
            ("PrivateDriverDataSize", ctypes.c_uint32),
        )

    class QueryRegistry(ctypes.Structure):
        """D3DDDI_QUERYREGISTRY_INFO with room for a path behind it; its union is aligned to eight bytes."""

        _fields_ = (
            ("QueryType", ctypes.c_int),
            ("QueryFlags", ctypes.c_uint32),
            ("ValueName", ctypes.c_wchar * 260),
            ("ValueType", ctypes.c_uint32),
            ("PhysicalAdapterIndex", ctypes.c_uint32),
            ("OutputValueSize", ctypes.c_uint32),
            ("Status", ctypes.c_int),
            ("OutputString", ctypes.c_wchar * _PATH_CHARACTERS),
        )

    return {
        "LUID": Luid,
        "D3DKMT_ADAPTERINFO": AdapterInfo,
        "D3DKMT_ENUMADAPTERS2": EnumAdapters2,
        "D3DKMT_QUERYADAPTERINFO": QueryAdapterInfo,
        "D3DDDI_QUERYREGISTRY_INFO": QueryRegistry,
    }


def _adapters(library: Library) -> dict[str, Any]:
    """Every adapter's driver store, empty where it is not told, and WDDM version, 3200 for 3.2 (0: not told)."""
    import ctypes

    kinds = structures()
    request = kinds["D3DKMT_ENUMADAPTERS2"]()
    enumerate_adapters = library.function("D3DKMTEnumAdapters2")
    result = int(enumerate_adapters(ctypes.byref(request)))
    if result == 0 and 0 < request.NumAdapters <= _ADAPTERS:
        rows = (kinds["D3DKMT_ADAPTERINFO"] * request.NumAdapters)()
        request.pAdapters = ctypes.cast(rows, type(request.pAdapters))
        result = int(enumerate_adapters(ctypes.byref(request)))
    elif request.NumAdapters > _ADAPTERS:
        raise UnavailableError(f"libdxcore counts {request.NumAdapters} adapters")
    else:
        rows = ()
    if result != 0:
        return {"result": result, "count": 0, "adapters": []}
    found = []
    for row in rows[: request.NumAdapters]:
        found.append({"driver_store": _store(library, kinds, row.hAdapter), "wddm_version": _wddm(library, kinds, row)})
        if library.has("D3DKMTCloseAdapter"):
            library.handle.D3DKMTCloseAdapter(ctypes.byref(ctypes.c_uint32(row.hAdapter)))
    return {"result": 0, "count": len(found), "adapters": found}


def _query(library: Library, kinds: dict[str, Any], adapter: int, kind: int, data: Any) -> int:
    import ctypes

    query = kinds["D3DKMT_QUERYADAPTERINFO"](
        hAdapter=adapter,
        Type=kind,
        pPrivateDriverData=ctypes.addressof(data),
        PrivateDriverDataSize=ctypes.sizeof(data),
    )
    return int(library.function("D3DKMTQueryAdapterInfo")(ctypes.byref(query)))


def _wddm(library: Library, kinds: dict[str, Any], row: Any) -> int:
    import ctypes

    version = ctypes.c_uint32()
    result = _query(library, kinds, row.hAdapter, QUERY_DRIVER_VERSION, version)
    return version.value if result == 0 else 0


def _store(library: Library, kinds: dict[str, Any], adapter: int) -> str:
    registry = kinds["D3DDDI_QUERYREGISTRY_INFO"](QueryType=REGISTRY_DRIVER_STORE_PATH)
    result = _query(library, kinds, adapter, QUERY_REGISTRY, registry)
    return str(registry.OutputString) if result == 0 and registry.Status == 0 else ""
