/* libcuda stand-in: memory of one process. */
#define _GNU_SOURCE
#include "cuda_stand_in.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY_LIMIT 16384
#define SHAREABLE_LIMIT ((size_t)64 << 20)

static struct memory all[MEMORY_LIMIT];

struct memory *memory_at(CUdeviceptr address, size_t size) {
    char *start = (char *)(uintptr_t)address;
    for (struct memory *m = all; m < all + MEMORY_LIMIT; m++)
        if (m->kind != UNUSED && start >= m->start && size <= m->size && start + size <= m->start + m->size) return m;
    return NULL;
}

size_t memory_taken(enum kind kind, CUdevice device) {
    size_t sum = 0;
    for (struct memory *m = all; m < all + MEMORY_LIMIT; m++)
        if (m->kind == kind && m->device == device) sum += m->size;
    return sum;
}

static struct memory *note(enum kind kind, void *start, size_t size, int file) {
    for (struct memory *m = all; m < all + MEMORY_LIMIT; m++)
        if (m->kind == UNUSED) {
            *m = (struct memory){start, size, kind, current ? current->device : 0, file};
            return m;
        }
    return NULL;
}

/* Device memory small enough to be handed to another process lies in a file without a name. */
CUresult take_memory(enum kind kind, size_t size, CUdeviceptr *out) {
    int file = -1, sharing = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    if (!size || !out) return CUDA_ERROR_INVALID_VALUE;
    if (kind == DEVICE && size <= SHAREABLE_LIMIT) {
        file = memfd_create(STAND_IN_DEVICE_MEMORY, MFD_CLOEXEC);
        if (file >= 0 && ftruncate(file, (off_t)size) == 0) sharing = MAP_SHARED;
    }
    void *start = mmap(NULL, size, kind == RESERVED ? PROT_NONE : PROT_READ | PROT_WRITE, sharing,
                       sharing == MAP_SHARED ? file : -1, 0);
    if (start == MAP_FAILED || !note(kind, start, size, file)) {
        if (file >= 0) close(file);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *out = (CUdeviceptr)(uintptr_t)start;
    return CUDA_SUCCESS;
}

CUresult give_back(CUdeviceptr address, enum kind kind) {
    struct memory *m = memory_at(address, 0);
    if (!m || m->kind != kind || m->start != (char *)(uintptr_t)address) return CUDA_ERROR_INVALID_VALUE;
    if (kind != REGISTERED) munmap(m->start, m->size);
    if (m->file >= 0) close(m->file);
    m->kind = UNUSED;
    return CUDA_SUCCESS;
}

static void protect_managed(int access) {
    for (struct memory *m = all; m < all + MEMORY_LIMIT; m++)
        if (m->kind == MANAGED) mprotect(m->start, m->size, access);
}

/* cuda.cuMemAllocManaged.touch = segfault: while a kernel runs; .touch_idle = segfault: at any time. */
static int touch_is_fatal(const char *when) { return !strcmp(setting_text(when, ""), "segfault"); }

void hide_managed(void) {
    if (touch_is_fatal("cuda.cuMemAllocManaged.touch")) protect_managed(PROT_NONE);
}

void show_managed(void) { protect_managed(PROT_READ | PROT_WRITE); }

void fill(void *start, unsigned value, size_t words) {
    unsigned *word = start;
    if (words > WORK_LIMIT / sizeof *word) words = 1;
    while (words-- > 0) *word++ = value;
}

void copy(void *to, const void *from, size_t size) { memmove(to, from, size > WORK_LIMIT ? 1 : size); }

void perhaps_corrupt(const char *function, void *start) {
    if (detail("cuda", function, "corrupt", 0)) *(char *)start ^= 1;
}

API cuMemGetInfo_v2(size_t *left, size_t *total) {
    NEED_CONTEXT;
    NEED(left && total);
    *total = gpus[current->device].total;
    *left = *total - gpus[current->device].used - memory_taken(DEVICE, current->device);
    return CUDA_SUCCESS;
}

/* cuda.device_limit: bytes that can be had of a device, where that is less than what is reported free. */
API cuMemAlloc_v2(CUdeviceptr *out, size_t size) {
    NEED_CONTEXT;
    const struct stand_in_gpu *gpu = &gpus[current->device];
    unsigned long long limit = (unsigned long long)setting("cuda.device_limit", (long long)(gpu->total - gpu->used));
    if (size > limit || memory_taken(DEVICE, current->device) > limit - size) return CUDA_ERROR_OUT_OF_MEMORY;
    return take_memory(DEVICE, size, out);
}

API cuMemFree_v2(CUdeviceptr address) {
    NEED_CONTEXT;
    struct memory *m = memory_at(address, 0);
    kernels_end();
    return give_back(address, m && m->kind == MANAGED ? MANAGED : DEVICE);
}

API cuMemAllocManaged(CUdeviceptr *out, size_t size, unsigned flags) {
    (void)flags;
    NEED_CONTEXT;
    CUresult result = take_memory(MANAGED, size, out);
    if (result == CUDA_SUCCESS && touch_is_fatal("cuda.cuMemAllocManaged.touch_idle")) protect_managed(PROT_NONE);
    return result;
}

/* Managed memory is where both sides see it, wherever it is told to go. */
static CUresult prefetch(CUdeviceptr address, size_t size) {
    struct memory *m = memory_at(address, size);
    return m && m->kind == MANAGED ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

API cuMemPrefetchAsync(CUdeviceptr address, size_t size, CUdevice device, CUstream stream) {
    (void)device, (void)stream;
    NEED_CONTEXT;
    return prefetch(address, size);
}

API cuMemPrefetchAsync_v2(CUdeviceptr address, size_t size, CUmemLocation to, unsigned flags, CUstream stream) {
    (void)flags, (void)stream;
    NEED_CONTEXT;
    if (to.type == CU_MEM_LOCATION_TYPE_DEVICE && (to.id < 0 || to.id >= gpu_count())) return CUDA_ERROR_INVALID_DEVICE;
    return prefetch(address, size);
}

/* cuda.pinned_limit: bytes of pinned memory that all of a process may have; cuda.pinned_limit.result: what it is
 * told when it wants more. */
static CUresult pin(size_t size) {
    unsigned long long limit = (unsigned long long)setting("cuda.pinned_limit", 1LL << 40), taken = 0;
    for (int device = 0; device < gpu_count(); device++)
        taken += memory_taken(PINNED, device) + memory_taken(REGISTERED, device);
    return size > limit || taken > limit - size
               ? (CUresult)setting("cuda.pinned_limit.result", CUDA_ERROR_OUT_OF_MEMORY)
               : CUDA_SUCCESS;
}

API cuMemHostAlloc(void **out, size_t size, unsigned flags) {
    (void)flags;
    NEED_CONTEXT;
    NEED(out);
    CUdeviceptr address = 0;
    CUresult result = pin(size);
    if (result == CUDA_SUCCESS) result = take_memory(PINNED, size, &address);
    if (result == CUDA_SUCCESS) *out = (void *)(uintptr_t)address;
    return result;
}

API cuMemFreeHost(void *address) {
    NEED_CONTEXT;
    return give_back((CUdeviceptr)(uintptr_t)address, PINNED);
}

API cuMemHostGetDevicePointer_v2(CUdeviceptr *out, void *address, unsigned flags) {
    (void)flags;
    NEED_CONTEXT;
    NEED(out);
    struct memory *m = memory_at((CUdeviceptr)(uintptr_t)address, 0);
    if (!m || (m->kind != PINNED && m->kind != REGISTERED)) return CUDA_ERROR_INVALID_VALUE;
    *out = (CUdeviceptr)(uintptr_t)address;
    return CUDA_SUCCESS;
}

API cuMemHostRegister_v2(void *address, size_t size, unsigned flags) {
    (void)flags;
    NEED_CONTEXT;
    if (!address || !size) return CUDA_ERROR_INVALID_VALUE;
    if (memory_at((CUdeviceptr)(uintptr_t)address, size)) return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
    CUresult result = pin(size);
    if (result == CUDA_SUCCESS && !note(REGISTERED, address, size, -1)) result = CUDA_ERROR_OUT_OF_MEMORY;
    return result;
}

API cuMemHostUnregister(void *address) {
    NEED_CONTEXT;
    CUresult result = give_back((CUdeviceptr)(uintptr_t)address, REGISTERED);
    return result == CUDA_SUCCESS ? result : CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
}

static int on_device(CUdeviceptr address, size_t size) { return memory_at(address, size) != NULL; }

API cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t size) {
    NEED_CONTEXT;
    if (!from || !on_device(to, size)) return CUDA_ERROR_INVALID_VALUE;
    kernels_end();
    copy((void *)(uintptr_t)to, from, size);
    perhaps_corrupt(__func__, (void *)(uintptr_t)to);
    return CUDA_SUCCESS;
}

API cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t size) {
    NEED_CONTEXT;
    if (!to || !on_device(from, size)) return CUDA_ERROR_INVALID_VALUE;
    kernels_end();
    copy(to, (void *)(uintptr_t)from, size);
    perhaps_corrupt(__func__, to);
    return CUDA_SUCCESS;
}

API cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t size) {
    NEED_CONTEXT;
    if (!on_device(to, size) || !on_device(from, size)) return CUDA_ERROR_INVALID_VALUE;
    kernels_end();
    copy((void *)(uintptr_t)to, (void *)(uintptr_t)from, size);
    perhaps_corrupt(__func__, (void *)(uintptr_t)to);
    return CUDA_SUCCESS;
}

API cuMemcpyPeer(CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context, size_t size) {
    NEED_CONTEXT;
    if (!to_context || !from_context) return CUDA_ERROR_INVALID_CONTEXT;
    if (!on_device(to, size) || !on_device(from, size)) return CUDA_ERROR_INVALID_VALUE;
    copy((void *)(uintptr_t)to, (void *)(uintptr_t)from, size);
    perhaps_corrupt(__func__, (void *)(uintptr_t)to);
    return CUDA_SUCCESS;
}

API cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t words, CUstream stream) {
    NEED_CONTEXT;
    if (!on_device(to, words * sizeof value)) return CUDA_ERROR_INVALID_VALUE;
    if (!capture_fill(stream, to, value, words)) fill((void *)(uintptr_t)to, value, words);
    return CUDA_SUCCESS;
}

API cuMemsetD32_v2(CUdeviceptr to, unsigned value, size_t words) {
    NEED_CONTEXT;
    return cuMemsetD32Async(to, value, words, NULL);
}

API cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t size) {
    NEED_CONTEXT;
    if (!on_device(to, size)) return CUDA_ERROR_INVALID_VALUE;
    memset((void *)(uintptr_t)to, value, size > WORK_LIMIT ? 1 : size);
    return CUDA_SUCCESS;
}
