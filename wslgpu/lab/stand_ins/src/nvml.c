/* libnvidia-ml stand-in: enough of NVML for nvidia-smi's stand-in and for programs that list GPUs.
 * What WSL2's NVML answers "not supported" to, this one does too (minor number, MIG, processes). */
#include <stdio.h>

#include "scenario.h"

const char wslgpu_stand_in[] = "wslgpu lab stand-in of libnvidia-ml: the GPUs it names do not exist";

typedef int nvmlReturn_t;
typedef const struct stand_in_gpu *nvmlDevice_t;
typedef struct { unsigned long long total, free, used; } nvmlMemory_t;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } nvmlMemory_v2_t;
typedef struct { unsigned gpu, memory; } nvmlUtilization_t;
typedef struct {
    char busIdLegacy[16];
    unsigned domain, bus, device, pciDeviceId, pciSubSystemId;
    char busId[32];
} nvmlPciInfo_t;

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, SMALL = 7, BLOCKED = 17 };

static int references;

#define API STAND_IN_EXPORT nvmlReturn_t
#define NEED_INIT do { if (!references) return UNINITIALIZED; } while (0)
#define NEED_DEVICE(d) do { NEED_INIT; if ((d) < gpus || (d) >= gpus + GPU_COUNT) return INVALID_ARGUMENT; } while (0)

static nvmlReturn_t copy(char *out, unsigned length, const char *text) {
    if (!out) return INVALID_ARGUMENT;
    if (strlen(text) >= length) return SMALL;
    strcpy(out, text);
    return SUCCESS;
}

API nvmlInit_v2(void) {
    if (dxg_blocked()) return BLOCKED;
    references++;
    return SUCCESS;
}

API nvmlInit(void) { return nvmlInit_v2(); }
API nvmlInitWithFlags(unsigned flags) { (void)flags; return nvmlInit_v2(); }
API nvmlShutdown(void) { NEED_INIT; references--; return SUCCESS; }

STAND_IN_EXPORT const char *nvmlErrorString(nvmlReturn_t code) {
    switch (code) {
    case SUCCESS: return "The operation was successful";
    case UNINITIALIZED: return "Uninitialized";
    case INVALID_ARGUMENT: return "Invalid Argument";
    case NOT_SUPPORTED: return "Not Supported";
    case NOT_FOUND: return "Not Found";
    case SMALL: return "Insufficient Size";
    case BLOCKED: return "GPU access blocked by the operating system";
    default: return "Unknown Error";
    }
}

API nvmlSystemGetDriverVersion(char *out, unsigned n) { NEED_INIT; return copy(out, n, STAND_IN_DRIVER); }
API nvmlSystemGetNVMLVersion(char *out, unsigned n) { return copy(out, n, "13." STAND_IN_NVML_VERSION); }
API nvmlSystemGetCudaDriverVersion(int *v) { if (!v) return INVALID_ARGUMENT; *v = STAND_IN_CUDA_VERSION; return SUCCESS; }
API nvmlSystemGetCudaDriverVersion_v2(int *v) { return nvmlSystemGetCudaDriverVersion(v); }

API nvmlDeviceGetCount_v2(unsigned *n) { NEED_INIT; if (!n) return INVALID_ARGUMENT; *n = GPU_COUNT; return SUCCESS; }
API nvmlDeviceGetCount(unsigned *n) { return nvmlDeviceGetCount_v2(n); }

API nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *device) {
    NEED_INIT;
    if (index >= (unsigned)GPU_COUNT || !device) return INVALID_ARGUMENT;
    *device = &gpus[index];
    return SUCCESS;
}
API nvmlDeviceGetHandleByIndex(unsigned index, nvmlDevice_t *device) { return nvmlDeviceGetHandleByIndex_v2(index, device); }

API nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device) {
    NEED_INIT;
    for (int i = 0; i < GPU_COUNT; i++)
        if (!strcmp(gpus[i].uuid, uuid)) {
            *device = &gpus[i];
            return SUCCESS;
        }
    return NOT_FOUND;
}

API nvmlDeviceGetIndex(nvmlDevice_t d, unsigned *i) { NEED_DEVICE(d); *i = (unsigned)(d - gpus); return SUCCESS; }
API nvmlDeviceGetName(nvmlDevice_t d, char *out, unsigned n) { NEED_DEVICE(d); return copy(out, n, d->name); }
API nvmlDeviceGetUUID(nvmlDevice_t d, char *out, unsigned n) { NEED_DEVICE(d); return copy(out, n, d->uuid); }

API nvmlDeviceGetMemoryInfo(nvmlDevice_t d, nvmlMemory_t *m) {
    NEED_DEVICE(d);
    m->total = d->total;
    m->used = d->used;
    m->free = d->total - d->used;
    return SUCCESS;
}
API nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t d, nvmlMemory_v2_t *m) {
    NEED_DEVICE(d);
    m->total = d->total;
    m->reserved = 0;
    m->used = d->used;
    m->free = d->total - d->used;
    return SUCCESS;
}

API nvmlDeviceGetTemperature(nvmlDevice_t d, int sensor, unsigned *t) { (void)sensor; NEED_DEVICE(d); *t = 41 + (unsigned)(d - gpus); return SUCCESS; }
API nvmlDeviceGetPowerUsage(nvmlDevice_t d, unsigned *mw) { NEED_DEVICE(d); *mw = 22500 + 1000 * (unsigned)(d - gpus); return SUCCESS; }
API nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t d, unsigned *mw) { NEED_DEVICE(d); *mw = 275000; return SUCCESS; }
API nvmlDeviceGetUtilizationRates(nvmlDevice_t d, nvmlUtilization_t *u) { NEED_DEVICE(d); u->gpu = 0; u->memory = 0; return SUCCESS; }
API nvmlDeviceGetCudaComputeCapability(nvmlDevice_t d, int *major, int *minor) { NEED_DEVICE(d); *major = 8; *minor = 9; return SUCCESS; }
API nvmlDeviceGetDriverModel(nvmlDevice_t d, int *current, int *pending) { NEED_DEVICE(d); *current = *pending = 0; return SUCCESS; }
API nvmlDeviceGetDriverModel_v2(nvmlDevice_t d, int *current, int *pending) { return nvmlDeviceGetDriverModel(d, current, pending); }
API nvmlDeviceGetPersistenceMode(nvmlDevice_t d, int *mode) { NEED_DEVICE(d); *mode = 1; return SUCCESS; }

API nvmlDeviceGetPciInfo_v3(nvmlDevice_t d, nvmlPciInfo_t *pci) {
    NEED_DEVICE(d);
    memset(pci, 0, sizeof *pci);
    pci->bus = (unsigned)(d - gpus) + 1;
    pci->pciDeviceId = 0x27ba10de;
    snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "0000:%02X:00.0", pci->bus);
    snprintf(pci->busId, sizeof pci->busId, "00000000:%02X:00.0", pci->bus);
    return SUCCESS;
}

#define REFUSED(name) API name(nvmlDevice_t d) { NEED_DEVICE(d); return NOT_SUPPORTED; }
REFUSED(nvmlDeviceGetMinorNumber)
REFUSED(nvmlDeviceGetMigMode)
REFUSED(nvmlDeviceGetMaxMigDeviceCount)
REFUSED(nvmlDeviceGetComputeRunningProcesses)
REFUSED(nvmlDeviceGetComputeRunningProcesses_v3)
REFUSED(nvmlDeviceGetGraphicsRunningProcesses_v3)
REFUSED(nvmlDeviceGetEccMode)
REFUSED(nvmlDeviceGetTotalEccErrors)
