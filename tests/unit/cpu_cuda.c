/* A libcuda whose "device" is this machine's processor: runs the one kernel of tests/node/support/cuda_kernel.py,
 * so that the program's calls are seen to fit together. FAULT spoils one result. Declarations as in cuda.h. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef int CUresult;

CUresult cuInit(unsigned flags) { return flags ? 1 : 0; }
CUresult cuDeviceGetCount(int *count) { *count = 1; return 0; }
CUresult cuDeviceGet(int *device, int ordinal) { *device = ordinal; return ordinal ? 101 : 0; }
CUresult cuDeviceGetName(char *name, int length, int device) { strncpy(name, "a processor", length); return device; }
CUresult cuDevicePrimaryCtxRetain(void **context, int device) { *context = (void *)0x10; return device; }
CUresult cuDevicePrimaryCtxRelease_v2(int device) { return device; }
CUresult cuCtxSetCurrent(void *context) { return context == (void *)0x10 ? 0 : 201; }
CUresult cuCtxSynchronize(void) { return 0; }
CUresult cuModuleLoadData(void **module, const void *image) {
    *module = (void *)0x20;
    return strstr(image, ".visible .entry saxpy_sum(") ? 0 : 218;
}
CUresult cuModuleGetFunction(void **function, void *module, const char *name) {
    *function = (void *)0x30;
    return module == (void *)0x20 && !strcmp(name, "saxpy_sum") ? 0 : 500;
}
CUresult cuMemAlloc_v2(uint64_t *address, size_t size) { *address = (uint64_t)malloc(size); return *address ? 0 : 2; }
CUresult cuMemFree_v2(uint64_t address) { free((void *)address); return 0; }
CUresult cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t size) { memcpy((void *)to, from, size); return 0; }
CUresult cuMemcpyDtoH_v2(void *to, uint64_t from, size_t size) { memcpy(to, (void *)from, size); return 0; }
CUresult cuGetErrorName(CUresult code, const char **name) { *name = "CUDA_ERROR_OF_THE_TEST"; return code * 0; }

CUresult cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                        unsigned shared, void *stream, void **parameters, void **extra) {
    uint32_t *x = *(uint32_t **)parameters[0], *y = *(uint32_t **)parameters[1];
    uint64_t *sum = *(uint64_t **)parameters[2];
    uint32_t factor = *(uint32_t *)parameters[3], count = *(uint32_t *)parameters[4];
    if (function != (void *)0x30 || gy * gz * by * bz != 1 || shared || stream || extra) return 1;
    for (uint64_t i = 0; i < (uint64_t)gx * bx; i++) {
        if (i >= count) continue;
        y[i] = factor * x[i] + y[i];
        *sum += y[i];
    }
#ifdef FAULT
    FAULT;
#endif
    return 0;
}
