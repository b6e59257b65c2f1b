/* libdxcore stand-in: the three entry points through which NVIDIA's container toolkit finds the driver
 * store of each graphics adapter. The structures are those of Microsoft's d3dkmthk.h as seen on Linux,
 * where WCHAR is wchar_t; written from the public declarations. No package of Debian has that header
 * (directx-headers-dev has Direct3D's and dxcore.h, not the kernel's), so nothing genuine checks these. */
#include <wchar.h>

#include "scenario.h"

const char wslgpu_stand_in[] = "wslgpu lab stand-in of libdxcore: its adapters do not exist";

/* python3-minimal has no ctypes: the stand-in toolkit reads the adapters' stores from these marked
 * strings, so that it and a program that calls D3DKMTEnumAdapters2 get the same answer. */
__attribute__((used)) STAND_IN_EXPORT const char wslgpu_stand_in_adapters[] = STAND_IN_ADAPTERS;

typedef struct { unsigned low; int high; } luid_t;
typedef struct { unsigned adapter; luid_t luid; unsigned sources; unsigned move_regions; } adapter_info_t;
typedef struct { unsigned count; adapter_info_t *adapters; } enum_adapters2_t;
typedef struct { unsigned long long filter; unsigned count; adapter_info_t *adapters; } enum_adapters3_t;
typedef struct { unsigned adapter; int type; void *data; unsigned size; } query_adapter_info_t;
typedef struct {
    int query_type;
    unsigned flags;
    wchar_t value_name[260];
    unsigned value_type, physical_adapter_index, output_size;
    int status;
    union { unsigned dword; unsigned long long qword; wchar_t string[1]; unsigned char binary[1]; } out;
} query_registry_t;

enum { STATUS_SUCCESS = 0, STATUS_INVALID_PARAMETER = (int)0xC000000D, STATUS_BUFFER_TOO_SMALL = (int)0xC0000023 };
enum { QUERY_DRIVER_VERSION = 13, QUERY_REGISTRY = 48 };
enum { REGISTRY_SUCCESS = 0, REGISTRY_OVERFLOW = 1 };

static const wchar_t *const stores[] = {STAND_IN_STORES};
#define ADAPTER_COUNT ((unsigned)(sizeof stores / sizeof stores[0]))

#define ANSWER do { int said_; if (said("dxcore", __func__, &said_)) return said_; } while (0)

static int enumerate(unsigned *count, adapter_info_t *adapters) {
    if (!adapters) {
        *count = ADAPTER_COUNT;
        return STATUS_SUCCESS;
    }
    if (*count < ADAPTER_COUNT) return STATUS_BUFFER_TOO_SMALL;
    *count = ADAPTER_COUNT;
    for (unsigned i = 0; i < ADAPTER_COUNT; i++) {
        memset(&adapters[i], 0, sizeof adapters[i]);
        adapters[i].adapter = 0x40000000u + i;
        adapters[i].luid.low = i + 1;
        adapters[i].sources = 1;
    }
    return STATUS_SUCCESS;
}

STAND_IN_EXPORT int D3DKMTEnumAdapters2(enum_adapters2_t *request) {
    ANSWER;
    return enumerate(&request->count, request->adapters);
}

STAND_IN_EXPORT int D3DKMTEnumAdapters3(enum_adapters3_t *request) {
    ANSWER;
    return enumerate(&request->count, request->adapters);
}

STAND_IN_EXPORT int D3DKMTCloseAdapter(const unsigned *adapter) {
    (void)adapter;
    return STATUS_SUCCESS;
}

STAND_IN_EXPORT int D3DKMTQueryAdapterInfo(const query_adapter_info_t *query) {
    unsigned index = query->adapter - 0x40000000u;
    ANSWER;
    if (index >= ADAPTER_COUNT || !query->data) return STATUS_INVALID_PARAMETER;
    if (query->type == QUERY_DRIVER_VERSION) {
        if (query->size < sizeof(unsigned)) return STATUS_BUFFER_TOO_SMALL;
        /* WDDM 3.2; the toolkit wants 2700 at least */
        *(unsigned *)query->data = (unsigned)setting("dxcore.wddm_version", 3200);
        return STATUS_SUCCESS;
    }
    if (query->type == QUERY_REGISTRY) {
        query_registry_t *registry = query->data;
        unsigned need = (unsigned)((wcslen(stores[index]) + 1) * sizeof(wchar_t));
        if (query->size < sizeof *registry) return STATUS_BUFFER_TOO_SMALL;
        registry->output_size = need;
        if (query->size - offsetof(query_registry_t, out) < need) {
            registry->status = REGISTRY_OVERFLOW;
            return STATUS_SUCCESS;
        }
        registry->status = REGISTRY_SUCCESS;
        memcpy(registry->out.string, stores[index], need);
        return STATUS_SUCCESS;
    }
    return STATUS_INVALID_PARAMETER;
}
