/* libnvidia-ml stand-in: versions, devices, memory.
 *
 * What a platform's NVML refuses (minor numbers and MIG on WSL2) is in its settings, not here. */
#include "nvml_stand_in.h"

#include <stdio.h>

const char wslgpu_stand_in[] = "wslgpu lab stand-in of libnvidia-ml: the GPUs it names do not exist";

int references;
struct nvmlDevice_st devices[] = {{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}};

nvmlReturn_t give_text(char *out, unsigned length, const char *text) {
    NEED(out);
    if (strlen(text) >= length) return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(out, text);
    return NVML_SUCCESS;
}

API nvmlInit_v2(void) {
    ANSWER;
    if (dxg_blocked()) return NVML_ERROR_OPERATING_SYSTEM;
    references++;
    return NVML_SUCCESS;
}

API nvmlInit(void) { return nvmlInit_v2(); }
API nvmlInitWithFlags(unsigned flags) { (void)flags; return nvmlInit_v2(); }
API nvmlShutdown(void) { NEED_INIT; references--; return NVML_SUCCESS; }

STAND_IN_EXPORT const char *nvmlErrorString(nvmlReturn_t code) {
    switch (code) {
    case NVML_SUCCESS: return "The operation was successful";
    case NVML_ERROR_UNINITIALIZED: return "Uninitialized";
    case NVML_ERROR_INVALID_ARGUMENT: return "Invalid Argument";
    case NVML_ERROR_NOT_SUPPORTED: return "Not Supported";
    case NVML_ERROR_NO_PERMISSION: return "Insufficient Permissions";
    case NVML_ERROR_NOT_FOUND: return "Not Found";
    case NVML_ERROR_INSUFFICIENT_SIZE: return "Insufficient Size";
    case NVML_ERROR_DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case NVML_ERROR_TIMEOUT: return "Timeout";
    case NVML_ERROR_LIBRARY_NOT_FOUND: return "NVML Shared Library Not Found";
    case NVML_ERROR_FUNCTION_NOT_FOUND: return "Function Not Found";
    case NVML_ERROR_GPU_IS_LOST: return "GPU is lost";
    case NVML_ERROR_OPERATING_SYSTEM: return "GPU access blocked by the operating system";
    case NVML_ERROR_LIB_RM_VERSION_MISMATCH: return "Driver/library version mismatch";
    case NVML_ERROR_ARGUMENT_VERSION_MISMATCH: return "Argument version mismatch";
    default: return "Unknown Error";
    }
}

API nvmlSystemGetDriverVersion(char *out, unsigned n) {
    NEED_INIT;
    return give_text(out, n, setting_text("driver.version", STAND_IN_DRIVER));
}

/* The version of the Linux library, which on WSL2 is not the Windows driver's; nvidia-smi shows both. */
API nvmlSystemGetNVMLVersion(char *out, unsigned n) {
    ANSWER;
    return give_text(out, n, setting_text("nvml.version", "13.580.95.05"));
}

API nvmlSystemGetCudaDriverVersion_v2(int *version) {
    ANSWER;
    NEED(version);
    *version = (int)setting("cuda.version", 13000);
    return NVML_SUCCESS;
}
API nvmlSystemGetCudaDriverVersion(int *version) { return nvmlSystemGetCudaDriverVersion_v2(version); }

API nvmlDeviceGetCount_v2(unsigned *n) {
    NEED_INIT;
    NEED(n);
    *n = (unsigned)gpu_count();
    return NVML_SUCCESS;
}
API nvmlDeviceGetCount(unsigned *n) { return nvmlDeviceGetCount_v2(n); }

/* nvml.blocked = I: GPU number I is one that Windows keeps to itself. */
API nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *device) {
    NEED_INIT;
    if (index >= (unsigned)gpu_count() || !device) return NVML_ERROR_INVALID_ARGUMENT;
    if (setting("nvml.blocked", -1) == (long long)index) return NVML_ERROR_OPERATING_SYSTEM;
    *device = &devices[index];
    return NVML_SUCCESS;
}
API nvmlDeviceGetHandleByIndex(unsigned index, nvmlDevice_t *device) { return nvmlDeviceGetHandleByIndex_v2(index, device); }

API nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device) {
    NEED_INIT;
    NEED(uuid && device);
    for (int i = 0; i < gpu_count(); i++)
        if (!strcmp(gpus[i].uuid, uuid)) return nvmlDeviceGetHandleByIndex_v2((unsigned)i, device);
    return NVML_ERROR_NOT_FOUND;
}

static void pci_of(nvmlDevice_t d, nvmlPciInfo_t *pci) {
    memset(pci, 0, sizeof *pci);
    pci->bus = (unsigned)d->index + 1;
    pci->pciDeviceId = 0x27ba10de;
    snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "0000:%02X:00.0", pci->bus & 0xff);
    snprintf(pci->busId, sizeof pci->busId, "00000000:%02X:00.0", pci->bus & 0xff);
}

API nvmlDeviceGetPciInfo_v3(nvmlDevice_t d, nvmlPciInfo_t *pci) {
    NEED_DEVICE(d);
    NEED(pci);
    pci_of(d, pci);
    return NVML_SUCCESS;
}

API nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, nvmlDevice_t *device) {
    NEED_INIT;
    NEED(bus_id && device);
    for (int i = 0; i < gpu_count(); i++) {
        nvmlPciInfo_t pci;
        pci_of(&devices[i], &pci);
        if (!strcmp(pci.busId, bus_id) || !strcmp(pci.busIdLegacy, bus_id))
            return nvmlDeviceGetHandleByIndex_v2((unsigned)i, device);
    }
    return NVML_ERROR_NOT_FOUND;
}

API nvmlDeviceGetIndex(nvmlDevice_t d, unsigned *i) { NEED_DEVICE(d); NEED(i); *i = (unsigned)d->index; return NVML_SUCCESS; }
API nvmlDeviceGetName(nvmlDevice_t d, char *out, unsigned n) { NEED_DEVICE(d); return give_text(out, n, gpus[d->index].name); }
API nvmlDeviceGetUUID(nvmlDevice_t d, char *out, unsigned n) { NEED_DEVICE(d); return give_text(out, n, gpus[d->index].uuid); }

API nvmlDeviceGetMemoryInfo(nvmlDevice_t d, nvmlMemory_t *m) {
    NEED_DEVICE(d);
    NEED(m);
    m->total = gpus[d->index].total;
    m->used = gpus[d->index].used;
    m->free = m->total - m->used;
    return NVML_SUCCESS;
}

API nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t d, nvmlMemory_v2_t *m) {
    NEED_DEVICE(d);
    NEED(m);
    if (m->version != nvmlMemory_v2) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    m->total = gpus[d->index].total;
    m->reserved = 0;
    m->used = gpus[d->index].used;
    m->free = m->total - m->used;
    return NVML_SUCCESS;
}
