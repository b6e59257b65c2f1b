/* libcuda stand-in: the driver API's questions about devices are answered from the scenario, everything
 * that would need a GPU is refused with the error that says so. */
#include "scenario.h"

const char wslgpu_stand_in[] = "wslgpu lab stand-in of libcuda: no GPU behind it, no kernel can run";

typedef int CUresult;
typedef int CUdevice;
typedef struct { char bytes[16]; } CUuuid;

enum {
    CUDA_SUCCESS = 0,
    CUDA_ERROR_INVALID_VALUE = 1,
    CUDA_ERROR_NOT_INITIALIZED = 3,
    CUDA_ERROR_NO_DEVICE = 100,
    CUDA_ERROR_INVALID_DEVICE = 101,
    CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
    CUDA_ERROR_NOT_FOUND = 500,
    CUDA_ERROR_NOT_SUPPORTED = 801,
};

static int initialised;

#define API STAND_IN_EXPORT CUresult
#define NEED_INIT do { if (!initialised) return CUDA_ERROR_NOT_INITIALIZED; } while (0)
#define NEED_DEVICE(d) do { NEED_INIT; if ((d) < 0 || (d) >= GPU_COUNT) return CUDA_ERROR_INVALID_DEVICE; } while (0)

API cuInit(unsigned flags) {
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    if (dxg_blocked()) return CUDA_ERROR_NO_DEVICE;
    initialised = 1;
    return CUDA_SUCCESS;
}

API cuDriverGetVersion(int *version) {
    if (!version) return CUDA_ERROR_INVALID_VALUE;
    *version = STAND_IN_CUDA_VERSION;
    return CUDA_SUCCESS;
}

API cuDeviceGetCount(int *count) {
    NEED_INIT;
    if (!count) return CUDA_ERROR_INVALID_VALUE;
    *count = GPU_COUNT;
    return CUDA_SUCCESS;
}

API cuDeviceGet(CUdevice *device, int ordinal) {
    NEED_DEVICE(ordinal);
    *device = ordinal;
    return CUDA_SUCCESS;
}

API cuDeviceGetName(char *name, int len, CUdevice device) {
    NEED_DEVICE(device);
    if (!name || len < 1) return CUDA_ERROR_INVALID_VALUE;
    strncpy(name, gpus[device].name, (size_t)len - 1);
    name[len - 1] = 0;
    return CUDA_SUCCESS;
}

API cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
    NEED_DEVICE(device);
    *bytes = gpus[device].total;
    return CUDA_SUCCESS;
}

static int hex(char c) { return c <= '9' ? c - '0' : (c | 32) - 'a' + 10; }

API cuDeviceGetUuid(CUuuid *uuid, CUdevice device) {
    NEED_DEVICE(device);
    const char *text = gpus[device].uuid + 4; /* past "GPU-" */
    for (int i = 0; i < 16; i++) {
        if (*text == '-') text++;
        uuid->bytes[i] = (char)(hex(text[0]) << 4 | hex(text[1]));
        text += 2;
    }
    return CUDA_SUCCESS;
}

API cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device) { return cuDeviceGetUuid(uuid, device); }

/* Only what identifies an Ada-generation board. WSL2's own limits (wsl2-facts: managed memory, IPC, …) are
 * answered 0 by the default branch, which is what a probe must cope with. */
API cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
    NEED_DEVICE(device);
    switch (attribute) {
    case 1: *value = 1024; break;        /* MAX_THREADS_PER_BLOCK */
    case 10: *value = 32; break;         /* WARP_SIZE */
    case 16: *value = 92; break;         /* MULTIPROCESSOR_COUNT */
    case 33: *value = device + 1; break; /* PCI_BUS_ID */
    case 34: *value = 0; break;          /* PCI_DEVICE_ID */
    case 35: *value = 0; break;          /* TCC_DRIVER: WDDM */
    case 41: *value = 1; break;          /* UNIFIED_ADDRESSING */
    case 75: *value = 8; break;          /* COMPUTE_CAPABILITY_MAJOR */
    case 76: *value = 9; break;          /* COMPUTE_CAPABILITY_MINOR */
    default: *value = 0;
    }
    return CUDA_SUCCESS;
}

static const struct { CUresult code; const char *name; const char *text; } errors[] = {
    {CUDA_SUCCESS, "CUDA_SUCCESS", "no error"},
    {CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {CUDA_ERROR_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {CUDA_ERROR_NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image is available for execution on the device"},
    {CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {CUDA_ERROR_NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
};

static CUresult describe(CUresult code, const char **out, int name) {
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i].code == code) {
            *out = name ? errors[i].name : errors[i].text;
            return CUDA_SUCCESS;
        }
    *out = NULL;
    return CUDA_ERROR_INVALID_VALUE;
}

API cuGetErrorString(CUresult code, const char **text) { return describe(code, text, 0); }
API cuGetErrorName(CUresult code, const char **text) { return describe(code, text, 1); }

/* From here on a GPU would be needed. */
API cuModuleLoadData(void **module, const void *image) {
    (void)module, (void)image;
    NEED_INIT;
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
}

API cuModuleLoadDataEx(void **module, const void *image, unsigned n, void *options, void *values) {
    (void)n, (void)options, (void)values;
    return cuModuleLoadData(module, image);
}

#define REFUSED(name) API name(void) { NEED_INIT; return CUDA_ERROR_NOT_SUPPORTED; }
REFUSED(cuCtxCreate_v2)
REFUSED(cuCtxDestroy_v2)
REFUSED(cuCtxSynchronize)
REFUSED(cuDevicePrimaryCtxRetain)
REFUSED(cuDevicePrimaryCtxRelease_v2)
REFUSED(cuCtxSetCurrent)
REFUSED(cuMemAlloc_v2)
REFUSED(cuMemAllocManaged)
REFUSED(cuMemFree_v2)
REFUSED(cuMemHostAlloc)
REFUSED(cuMemFreeHost)
REFUSED(cuMemGetInfo_v2)
REFUSED(cuMemcpyHtoD_v2)
REFUSED(cuMemcpyDtoH_v2)
REFUSED(cuModuleGetFunction)
REFUSED(cuModuleUnload)
REFUSED(cuLaunchKernel)
REFUSED(cuStreamSynchronize)
REFUSED(cuGetExportTable)

API cuDeviceCanAccessPeer(int *can, CUdevice a, CUdevice b) {
    NEED_DEVICE(a);
    NEED_DEVICE(b);
    *can = 0;
    return CUDA_SUCCESS;
}
