/* libcuda stand-in: virtual memory, pools, and memory that a second process opens.
 *
 * An IPC handle holds the process and the number of the memfd behind the memory; the other process opens it through
 * /proc. What a platform refuses is in its settings: cuda.cuMemCreate.posix_fd and cuda.cuMemPoolCreate.posix_fd
 * refuse memory that could be shared and nothing else. */
#define _GNU_SOURCE
#include "cuda_stand_in.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define GRANULE ((size_t)2 << 20)
#define HANDLE_LIMIT 4096

struct CUmemPoolHandle_st { int file; };
struct ipc { char magic[8]; int pid, file; size_t size; };

static const char MAGIC[8] = "standin";
static int handle_files[HANDLE_LIMIT]; /* a handle is its place plus one; a file is kept plus one, 0 is free */

static int own_file(size_t size) {
    int file = memfd_create("wslgpu stand-in shareable memory", MFD_CLOEXEC);
    if (file >= 0 && ftruncate(file, (off_t)size) == 0) return file;
    if (file >= 0) close(file);
    return -1;
}

static CUresult new_handle(int file, CUmemGenericAllocationHandle *handle) {
    for (int i = 0; i < HANDLE_LIMIT && file >= 0; i++)
        if (!handle_files[i]) {
            handle_files[i] = file + 1;
            *handle = (CUmemGenericAllocationHandle)i + 1;
            return CUDA_SUCCESS;
        }
    if (file >= 0) close(file);
    return CUDA_ERROR_OUT_OF_MEMORY;
}

static int file_of(CUmemGenericAllocationHandle handle) {
    return handle < 1 || handle > HANDLE_LIMIT ? -1 : handle_files[handle - 1] - 1;
}

API cuMemGetAllocationGranularity(size_t *size, const CUmemAllocationProp *properties,
                                  CUmemAllocationGranularity_flags option) {
    (void)option;
    NEED_INIT;
    NEED(size && properties);
    *size = GRANULE;
    return CUDA_SUCCESS;
}

API cuMemAddressReserve(CUdeviceptr *out, size_t size, size_t alignment, CUdeviceptr wish, unsigned long long flags) {
    (void)alignment, (void)wish, (void)flags;
    NEED_INIT;
    if (size % GRANULE) return CUDA_ERROR_INVALID_VALUE;
    if (size > (unsigned long long)detail("cuda", __func__, "limit", 1LL << 46)) return CUDA_ERROR_OUT_OF_MEMORY;
    return take_memory(RESERVED, size, out);
}

API cuMemAddressFree(CUdeviceptr address, size_t size) {
    (void)size;
    NEED_INIT;
    return give_back(address, RESERVED);
}

API cuMemCreate(CUmemGenericAllocationHandle *handle, size_t size, const CUmemAllocationProp *properties,
                unsigned long long flags) {
    (void)flags;
    NEED_INIT;
    if (!handle || !properties || !size || size % GRANULE) return CUDA_ERROR_INVALID_VALUE;
    if (properties->requestedHandleTypes & CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) {
        CUresult refused = (CUresult)detail("cuda", __func__, "posix_fd", 0);
        if (refused != CUDA_SUCCESS) return refused;
    }
    return new_handle(own_file(size), handle);
}

API cuMemRelease(CUmemGenericAllocationHandle handle) {
    NEED_INIT;
    int file = file_of(handle);
    if (file < 0) return CUDA_ERROR_INVALID_VALUE;
    close(file);
    handle_files[handle - 1] = 0;
    return CUDA_SUCCESS;
}

API cuMemMap(CUdeviceptr address, size_t size, size_t offset, CUmemGenericAllocationHandle handle,
             unsigned long long flags) {
    (void)flags;
    NEED_INIT;
    struct memory *m = memory_at(address, size);
    int file = file_of(handle);
    if (!m || m->kind != RESERVED || file < 0) return CUDA_ERROR_INVALID_VALUE;
    void *mapped = mmap((void *)(uintptr_t)address, size, PROT_NONE, MAP_SHARED | MAP_FIXED, file, (off_t)offset);
    return mapped == MAP_FAILED ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

API cuMemSetAccess(CUdeviceptr address, size_t size, const CUmemAccessDesc *access, size_t count) {
    NEED_INIT;
    if (!access || !count || !memory_at(address, size)) return CUDA_ERROR_INVALID_VALUE;
    if (access->location.id >= gpu_count()) return CUDA_ERROR_INVALID_DEVICE;
    return mprotect((void *)(uintptr_t)address, size, PROT_READ | PROT_WRITE) ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

API cuMemUnmap(CUdeviceptr address, size_t size) {
    NEED_INIT;
    struct memory *m = memory_at(address, size);
    if (!m || m->kind != RESERVED) return CUDA_ERROR_INVALID_VALUE;
    mmap((void *)(uintptr_t)address, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    return CUDA_SUCCESS;
}

static CUresult export(void *out, int file, CUmemAllocationHandleType type) {
    if (!out || file < 0 || type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) return CUDA_ERROR_INVALID_VALUE;
    *(int *)out = fcntl(file, F_DUPFD_CLOEXEC, 3);
    return *(int *)out < 0 ? CUDA_ERROR_OPERATING_SYSTEM : CUDA_SUCCESS;
}

API cuMemExportToShareableHandle(void *out, CUmemGenericAllocationHandle handle, CUmemAllocationHandleType type,
                                 unsigned long long flags) {
    (void)flags;
    NEED_INIT;
    return export(out, file_of(handle), type);
}

API cuMemImportFromShareableHandle(CUmemGenericAllocationHandle *handle, void *file, CUmemAllocationHandleType type) {
    NEED_INIT;
    if (!handle || type != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) return CUDA_ERROR_INVALID_VALUE;
    return new_handle(fcntl((int)(intptr_t)file, F_DUPFD_CLOEXEC, 3), handle);
}

API cuMemAllocAsync(CUdeviceptr *out, size_t size, CUstream stream) {
    (void)stream;
    NEED_CONTEXT;
    return take_memory(DEVICE, size, out);
}

API cuMemFreeAsync(CUdeviceptr address, CUstream stream) {
    (void)stream;
    NEED_CONTEXT;
    return give_back(address, DEVICE);
}

API cuMemPoolCreate(CUmemoryPool *pool, const CUmemPoolProps *properties) {
    NEED_INIT;
    if (!pool || !properties || properties->location.id >= gpu_count()) return CUDA_ERROR_INVALID_VALUE;
    if (properties->handleTypes & CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) {
        CUresult refused = (CUresult)detail("cuda", __func__, "posix_fd", 0);
        if (refused != CUDA_SUCCESS) return refused;
    }
    *pool = malloc(sizeof **pool);
    if (!*pool) return CUDA_ERROR_OUT_OF_MEMORY;
    (*pool)->file = own_file(GRANULE);
    return CUDA_SUCCESS;
}

API cuMemPoolExportToShareableHandle(void *out, CUmemoryPool pool, CUmemAllocationHandleType type,
                                     unsigned long long flags) {
    (void)flags;
    NEED_INIT;
    NEED(pool);
    return export(out, pool->file, type);
}

API cuMemPoolDestroy(CUmemoryPool pool) {
    NEED_INIT;
    NEED(pool);
    if (pool->file >= 0) close(pool->file);
    free(pool);
    return CUDA_SUCCESS;
}

API cuIpcGetMemHandle(CUipcMemHandle *handle, CUdeviceptr address) {
    NEED_CONTEXT;
    struct memory *m = memory_at(address, 0);
    if (!handle || !m || m->kind != DEVICE || m->file < 0) return CUDA_ERROR_INVALID_VALUE;
    struct ipc ours = {.pid = getpid(), .file = m->file, .size = m->size};
    memcpy(ours.magic, MAGIC, sizeof MAGIC);
    memset(handle, 0, sizeof *handle);
    memcpy(handle, &ours, sizeof ours);
    return CUDA_SUCCESS;
}

API cuIpcOpenMemHandle_v2(CUdeviceptr *out, CUipcMemHandle handle, unsigned flags) {
    (void)flags;
    NEED_CONTEXT;
    NEED(out);
    struct ipc theirs;
    char path[64];
    memcpy(&theirs, &handle, sizeof theirs);
    if (memcmp(theirs.magic, MAGIC, sizeof MAGIC)) return CUDA_ERROR_INVALID_HANDLE;
    if (theirs.pid == getpid()) return CUDA_ERROR_INVALID_CONTEXT; /* a process cannot open its own */
    snprintf(path, sizeof path, "/proc/%d/fd/%d", theirs.pid, theirs.file);
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return CUDA_ERROR_INVALID_HANDLE;
    CUresult result = take_memory(FOREIGN, theirs.size, out);
    if (result == CUDA_SUCCESS &&
        mmap((void *)(uintptr_t)*out, theirs.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED)
        result = CUDA_ERROR_INVALID_HANDLE;
    close(file);
    return result;
}

API cuIpcCloseMemHandle(CUdeviceptr address) {
    NEED_CONTEXT;
    return give_back(address, FOREIGN);
}
