/* libcuda stand-in: checkpoint of processes, and what is exported only to be found.
 *
 * A process's state is remembered by the process that asks; nothing is done to the other one. */
#define _GNU_SOURCE
#include "cuda_stand_in.h"

#include <signal.h>

#define PROCESS_LIMIT 64

static struct { int pid; CUprocessState state; } processes[PROCESS_LIMIT];

static CUprocessState *state_of(int pid) {
    if (pid <= 0 || kill(pid, 0)) return NULL;
    for (int i = 0; i < PROCESS_LIMIT; i++)
        if (!processes[i].pid || processes[i].pid == pid) {
            processes[i].pid = pid;
            return &processes[i].state;
        }
    return NULL;
}

static CUresult step(int pid, CUprocessState from, CUprocessState to) {
    CUprocessState *state = state_of(pid);
    if (!state) return CUDA_ERROR_INVALID_VALUE;
    if (*state != from) return CUDA_ERROR_ILLEGAL_STATE;
    *state = to;
    return CUDA_SUCCESS;
}

API cuCheckpointProcessGetState(int pid, CUprocessState *out) {
    NEED_INIT;
    NEED(out && state_of(pid));
    *out = *state_of(pid);
    return CUDA_SUCCESS;
}

API cuCheckpointProcessLock(int pid, CUcheckpointLockArgs *arguments) {
    (void)arguments;
    NEED_INIT;
    return step(pid, CU_PROCESS_STATE_RUNNING, CU_PROCESS_STATE_LOCKED);
}

API cuCheckpointProcessCheckpoint(int pid, CUcheckpointCheckpointArgs *arguments) {
    (void)arguments;
    NEED_INIT;
    return step(pid, CU_PROCESS_STATE_LOCKED, CU_PROCESS_STATE_CHECKPOINTED);
}

API cuCheckpointProcessRestore(int pid, CUcheckpointRestoreArgs *arguments) {
    (void)arguments;
    NEED_INIT;
    return step(pid, CU_PROCESS_STATE_CHECKPOINTED, CU_PROCESS_STATE_LOCKED);
}

API cuCheckpointProcessUnlock(int pid, CUcheckpointUnlockArgs *arguments) {
    (void)arguments;
    NEED_INIT;
    return step(pid, CU_PROCESS_STATE_LOCKED, CU_PROCESS_STATE_RUNNING);
}

API cuMulticastCreate(CUmemGenericAllocationHandle *handle, const CUmulticastObjectProp *properties) {
    (void)handle, (void)properties;
    NEED_INIT;
    return CUDA_ERROR_NOT_SUPPORTED;
}

API cuGreenCtxCreate(CUgreenCtx *context, CUdevResourceDesc resources, CUdevice device, unsigned flags) {
    (void)context, (void)resources, (void)flags;
    NEED_DEVICE(device);
    return CUDA_ERROR_NOT_SUPPORTED;
}

API cuGetExportTable(const void **table, const CUuuid *id) {
    (void)table, (void)id;
    NEED_INIT;
    return CUDA_ERROR_NOT_SUPPORTED;
}

/* OpenGL's devices are cudaGL.h's, which needs OpenGL's own headers: the one function without a genuine check. */
API cuGLGetDevices_v2(unsigned *count, CUdevice *devices, unsigned size, int list);
API cuGLGetDevices_v2(unsigned *count, CUdevice *devices, unsigned size, int list) {
    (void)count, (void)devices, (void)size, (void)list;
    NEED_INIT;
    return CUDA_ERROR_NOT_SUPPORTED;
}
