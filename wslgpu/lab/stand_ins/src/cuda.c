/* libcuda stand-in: versions, devices, attributes, contexts, names of errors. */
#include "cuda_stand_in.h"

const char wslgpu_stand_in[] = "wslgpu lab stand-in of libcuda: no GPU behind it, no kernel can run";

int initialised;
struct CUctx_st contexts[DEVICE_LIMIT];
__thread CUcontext current;

API cuInit(unsigned flags) {
    ANSWER;
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    if (dxg_blocked() || gpu_count() == 0) return CUDA_ERROR_NO_DEVICE;
    initialised = 1;
    return CUDA_SUCCESS;
}

API cuDriverGetVersion(int *version) {
    ANSWER;
    NEED(version);
    *version = (int)setting("cuda.version", 13000);
    return CUDA_SUCCESS;
}

API cuDeviceGetCount(int *count) {
    NEED_INIT;
    NEED(count);
    *count = gpu_count();
    return CUDA_SUCCESS;
}

API cuDeviceGet(CUdevice *device, int ordinal) {
    NEED_DEVICE(ordinal);
    NEED(device);
    *device = ordinal;
    return CUDA_SUCCESS;
}

API cuDeviceGetName(char *name, int length, CUdevice device) {
    NEED_DEVICE(device);
    if (!name || length < 1) return CUDA_ERROR_INVALID_VALUE;
    strncpy(name, gpus[device].name, (size_t)length - 1);
    name[length - 1] = 0;
    return CUDA_SUCCESS;
}

API cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
    NEED_DEVICE(device);
    NEED(bytes);
    *bytes = gpus[device].total;
    return CUDA_SUCCESS;
}

static int hex(char c) { return c <= '9' ? c - '0' : (c | 32) - 'a' + 10; }

API cuDeviceGetUuid(CUuuid *uuid, CUdevice device) {
    NEED_DEVICE(device);
    NEED(uuid);
    const char *text = gpus[device].uuid + 4; /* past "GPU-" */
    for (int i = 0; i < 16; i++) {
        if (*text == '-') text++;
        uuid->bytes[i] = (char)(hex(text[0]) << 4 | hex(text[1]));
        text += 2;
    }
    return CUDA_SUCCESS;
}

API cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device) { return cuDeviceGetUuid(uuid, device); }

/* A board of the Ada generation under Linux. What differs on WSL2 is in the platform's settings
 * (cuda.attribute.NAME), as are the attributes that a scenario makes lie. */
static const struct { int number; const char *name; int value; } attributes[] = {
    {1, "MAX_THREADS_PER_BLOCK", 1024},
    {10, "WARP_SIZE", 32},
    {13, "CLOCK_RATE", 2520000},
    {16, "MULTIPROCESSOR_COUNT", 92},
    {17, "KERNEL_EXEC_TIMEOUT", 0},
    {18, "INTEGRATED", 0},
    {19, "CAN_MAP_HOST_MEMORY", 1},
    {20, "COMPUTE_MODE", 0},
    {31, "CONCURRENT_KERNELS", 1},
    {32, "ECC_ENABLED", 0},
    {34, "PCI_DEVICE_ID", 0},
    {35, "TCC_DRIVER", 0},
    {40, "ASYNC_ENGINE_COUNT", 2},
    {41, "UNIFIED_ADDRESSING", 1},
    {50, "PCI_DOMAIN_ID", 0},
    {75, "COMPUTE_CAPABILITY_MAJOR", 8},
    {76, "COMPUTE_CAPABILITY_MINOR", 9},
    {83, "MANAGED_MEMORY", 1},
    {84, "MULTI_GPU_BOARD", 0},
    {85, "MULTI_GPU_BOARD_GROUP_ID", 0},
    {86, "HOST_NATIVE_ATOMIC_SUPPORTED", 0},
    {88, "PAGEABLE_MEMORY_ACCESS", 0},
    {89, "CONCURRENT_MANAGED_ACCESS", 1},
    {90, "COMPUTE_PREEMPTION_SUPPORTED", 1},
    {91, "CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM", 1},
    {95, "COOPERATIVE_LAUNCH", 1},
    {96, "COOPERATIVE_MULTI_DEVICE_LAUNCH", 1},
    {98, "CAN_FLUSH_REMOTE_WRITES", 0},
    {99, "HOST_REGISTER_SUPPORTED", 1},
    {100, "PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES", 0},
    {101, "DIRECT_MANAGED_MEM_ACCESS_FROM_HOST", 0},
    {102, "VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED", 1},
    {103, "HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED", 1},
    {104, "HANDLE_TYPE_WIN32_HANDLE_SUPPORTED", 0},
    {105, "HANDLE_TYPE_WIN32_KMT_HANDLE_SUPPORTED", 0},
    {110, "GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED", 1},
    {113, "READ_ONLY_HOST_REGISTER_SUPPORTED", 0},
    {114, "TIMELINE_SEMAPHORE_INTEROP_SUPPORTED", 1},
    {115, "MEMORY_POOLS_SUPPORTED", 1},
    {116, "GPU_DIRECT_RDMA_SUPPORTED", 1},
    {119, "MEMPOOL_SUPPORTED_HANDLE_TYPES", 1},
    {120, "CLUSTER_LAUNCH", 0},
    {124, "DMA_BUF_SUPPORTED", 1},
    {125, "IPC_EVENT_SUPPORTED", 1},
    {128, "HANDLE_TYPE_FABRIC_SUPPORTED", 0},
    {130, "NUMA_CONFIG", 0},
    {132, "MULTICAST_SUPPORTED", 0},
    {133, "MPS_ENABLED", 0},
    {135, "D3D12_CIG_SUPPORTED", 0},
    {138, "VULKAN_CIG_SUPPORTED", 0},
    {139, "GPU_PCI_DEVICE_ID", 0x26ba10de},
    {141, "HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED", 1},
    {144, "HOST_MEMORY_POOLS_SUPPORTED", 1},
};

/* cuda.attribute.NAME = refused: a driver that is older than the attribute does not know its number. */
API cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
    NEED_DEVICE(device);
    if (!value || (int)attribute < 1 || (int)attribute > 160) return CUDA_ERROR_INVALID_VALUE;
    int found = attribute == 33 ? device + 1 : 0; /* PCI_BUS_ID; 0 for what is not in the table */
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++)
        if (attributes[i].number == (int)attribute) {
            char key[100] = "cuda.attribute.";
            strcat(key, attributes[i].name);
            if (!strcmp(setting_text(key, ""), "refused")) return CUDA_ERROR_INVALID_VALUE;
            found = (int)setting(key, attributes[i].value);
        }
    *value = found;
    return CUDA_SUCCESS;
}

API cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer) {
    NEED_DEVICE(device);
    NEED_DEVICE(peer);
    NEED(can);
    *can = device != peer && setting("cuda.peer", 0);
    return CUDA_SUCCESS;
}

/* 1 performance rank, 2 access, 3 native atomics, 4 arrays */
API cuDeviceGetP2PAttribute(int *value, CUdevice_P2PAttribute attribute, CUdevice device, CUdevice peer) {
    NEED_DEVICE(device);
    NEED_DEVICE(peer);
    if (!value || device == peer) return CUDA_ERROR_INVALID_VALUE;
    *value = (int)attribute >= 2 && setting("cuda.peer", 0);
    return CUDA_SUCCESS;
}

API cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    NEED_DEVICE(device);
    NEED(context);
    contexts[device].device = device;
    contexts[device].retained++;
    *context = &contexts[device];
    return CUDA_SUCCESS;
}

API cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    NEED_DEVICE(device);
    if (!contexts[device].retained) return CUDA_ERROR_INVALID_CONTEXT;
    if (!--contexts[device].retained && current == &contexts[device]) current = NULL;
    return CUDA_SUCCESS;
}

API cuDevicePrimaryCtxRelease(CUdevice device) { return cuDevicePrimaryCtxRelease_v2(device); }

API cuCtxCreate_v2(CUcontext *context, unsigned flags, CUdevice device) {
    (void)flags;
    ANSWER;
    CUresult result = cuDevicePrimaryCtxRetain(context, device);
    if (result == CUDA_SUCCESS) current = *context;
    return result;
}

API cuCtxDestroy_v2(CUcontext context) {
    NEED_INIT;
    NEED(context);
    return cuDevicePrimaryCtxRelease_v2(context->device);
}

API cuCtxSetCurrent(CUcontext context) {
    NEED_INIT;
    current = context;
    return CUDA_SUCCESS;
}

API cuCtxGetCurrent(CUcontext *context) {
    NEED_INIT;
    NEED(context);
    *context = current;
    return CUDA_SUCCESS;
}

API cuCtxGetDevice(CUdevice *device) {
    NEED_CONTEXT;
    NEED(device);
    *device = current->device;
    return CUDA_SUCCESS;
}

#define ERROR(code, text) {code, #code, text}
static const struct { CUresult code; const char *name, *text; } errors[] = {
    ERROR(CUDA_SUCCESS, "no error"),
    ERROR(CUDA_ERROR_INVALID_VALUE, "invalid argument"),
    ERROR(CUDA_ERROR_OUT_OF_MEMORY, "out of memory"),
    ERROR(CUDA_ERROR_NOT_INITIALIZED, "initialization error"),
    ERROR(CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected"),
    ERROR(CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal"),
    ERROR(CUDA_ERROR_INVALID_IMAGE, "device kernel image is invalid"),
    ERROR(CUDA_ERROR_INVALID_CONTEXT, "invalid device context"),
    ERROR(CUDA_ERROR_NO_BINARY_FOR_GPU, "no kernel image is available for execution on the device"),
    ERROR(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED, "peer access is not supported between these two devices"),
    ERROR(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "the provided PTX was compiled with an unsupported toolchain."),
    ERROR(CUDA_ERROR_OPERATING_SYSTEM, "OS call failed or operation not supported on this OS"),
    ERROR(CUDA_ERROR_INVALID_HANDLE, "invalid resource handle"),
    ERROR(CUDA_ERROR_ILLEGAL_STATE, "the operation cannot be performed in the present state"),
    ERROR(CUDA_ERROR_NOT_FOUND, "named symbol not found"),
    ERROR(CUDA_ERROR_NOT_READY, "device not ready"),
    ERROR(CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered"),
    ERROR(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, "part or all of the requested memory range is already mapped"),
    ERROR(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, "pointer does not correspond to a registered memory region"),
    ERROR(CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure"),
    ERROR(CUDA_ERROR_NOT_PERMITTED, "operation not permitted"),
    ERROR(CUDA_ERROR_NOT_SUPPORTED, "operation not supported"),
    ERROR(CUDA_ERROR_SYSTEM_NOT_READY, "system not yet initialized"),
    ERROR(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, "system has unsupported display driver / cuda driver combination"),
    ERROR(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "operation not permitted when stream is capturing"),
    ERROR(CUDA_ERROR_TIMEOUT, "wait operation timed out"),
    ERROR(CUDA_ERROR_UNKNOWN, "unknown error"),
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
