/* libcuda stand-in: modules, kernels, streams, events, graphs.
 *
 * No kernel runs. The three kernels of wslgpu's probe are known by name and done on the CPU; every other module is
 * refused, so that nobody mistakes the stand-in for a GPU. */
#include "cuda_stand_in.h"

#include <stdlib.h>

#define HELD_LIMIT 64

struct CUfunc_st { const char *name; };
struct CUmod_st { int loaded; };
struct CUevent_st { unsigned flags; };
struct held { CUdeviceptr start; unsigned value; size_t words; };
struct CUgraph_st { struct held held[HELD_LIMIT]; int count; };
struct CUgraphExec_st { struct CUgraph_st graph; };
struct CUstream_st { int capturing; struct CUgraph_st captured; };

static struct CUfunc_st known[] = {{"wslgpu_add"}, {"wslgpu_spin"}, {"wslgpu_nothing"}};
static CUdeviceptr spinning[HELD_LIMIT];
static int spin_count;
static int in_flight;

#define SPIN_MARK 0x5EEDu /* what wslgpu_spin leaves when it ends */

API cuModuleLoadData(CUmodule *module, const void *image) {
    NEED_INIT;
    NEED(module && image);
    if (!strstr(image, ".entry wslgpu_")) return CUDA_ERROR_NO_BINARY_FOR_GPU;
    NEED_CONTEXT;
    *module = calloc(1, sizeof **module);
    return *module ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

API cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned n, CUjit_option *options, void **values) {
    (void)n, (void)options, (void)values;
    ANSWER;
    return cuModuleLoadData(module, image);
}

API cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
    NEED_CONTEXT;
    NEED(function && module && name);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!strcmp(known[i].name, name)) {
            *function = &known[i];
            return CUDA_SUCCESS;
        }
    return CUDA_ERROR_NOT_FOUND;
}

API cuModuleUnload(CUmodule module) {
    NEED_CONTEXT;
    free(module);
    return CUDA_SUCCESS;
}

/* wslgpu_add(const u32 *left, const u32 *right, u32 *sums, u32 count) */
static CUresult add(void **arguments) {
    const unsigned *left = *(unsigned **)arguments[0], *right = *(unsigned **)arguments[1];
    unsigned *sums = *(unsigned **)arguments[2], count = *(unsigned *)arguments[3];
    size_t size = (size_t)count * sizeof *sums;
    for (int i = 0; i < 3; i++)
        if (!memory_at(*(CUdeviceptr *)arguments[i], size)) return CUDA_ERROR_ILLEGAL_ADDRESS;
    for (unsigned i = 0; i < count; i++) sums[i] = left[i] + right[i];
    perhaps_corrupt("cuLaunchKernel", sums);
    return CUDA_SUCCESS;
}

API cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                   unsigned block_y, unsigned block_z, unsigned shared, CUstream stream, void **arguments, void **extra) {
    (void)grid_y, (void)grid_z, (void)block_y, (void)block_z, (void)shared, (void)stream, (void)extra;
    NEED_INIT;
    if (function < known || function >= known + sizeof known / sizeof known[0]) return CUDA_ERROR_NOT_SUPPORTED;
    NEED_CONTEXT;
    if (!grid_x || !block_x) return CUDA_ERROR_INVALID_VALUE;
    CUresult result = CUDA_SUCCESS;
    if (function == &known[0]) result = add(arguments);
    if (function == &known[1] && spin_count < HELD_LIMIT) spinning[spin_count++] = *(CUdeviceptr *)arguments[0];
    in_flight = 1;
    hide_managed();
    return result;
}

void kernels_end(void) {
    if (!in_flight) return;
    in_flight = 0;
    show_managed();
    while (spin_count > 0)
        if (memory_at(spinning[--spin_count], sizeof(unsigned)))
            *(unsigned *)(uintptr_t)spinning[spin_count] = SPIN_MARK;
}

API cuCtxSynchronize(void) {
    NEED_CONTEXT;
    kernels_end();
    return CUDA_SUCCESS;
}

API cuStreamCreate(CUstream *stream, unsigned flags) {
    (void)flags;
    NEED_CONTEXT;
    NEED(stream);
    *stream = calloc(1, sizeof **stream);
    return *stream ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

API cuStreamDestroy_v2(CUstream stream) {
    NEED_CONTEXT;
    kernels_end();
    free(stream);
    return CUDA_SUCCESS;
}

API cuStreamSynchronize(CUstream stream) {
    (void)stream;
    NEED_CONTEXT;
    kernels_end();
    return CUDA_SUCCESS;
}

API cuStreamQuery(CUstream stream) {
    (void)stream;
    NEED_CONTEXT;
    return in_flight ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
}

API cuEventCreate(CUevent *event, unsigned flags) {
    NEED_CONTEXT;
    NEED(event);
    *event = calloc(1, sizeof **event);
    if (!*event) return CUDA_ERROR_OUT_OF_MEMORY;
    (*event)->flags = flags;
    return CUDA_SUCCESS;
}

API cuEventDestroy_v2(CUevent event) {
    NEED_CONTEXT;
    free(event);
    return CUDA_SUCCESS;
}

API cuEventRecord(CUevent event, CUstream stream) {
    (void)stream;
    NEED_CONTEXT;
    return event ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

API cuEventSynchronize(CUevent event) {
    NEED_CONTEXT;
    kernels_end();
    return event ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

API cuIpcGetEventHandle(CUipcEventHandle *handle, CUevent event) {
    NEED_CONTEXT;
    if (!handle || !event || !(event->flags & CU_EVENT_INTERPROCESS)) return CUDA_ERROR_INVALID_VALUE;
    memset(handle, 0, sizeof *handle);
    return CUDA_SUCCESS;
}

int capture_fill(CUstream stream, CUdeviceptr start, unsigned value, size_t words) {
    if (!stream || !stream->capturing) return 0;
    if (stream->captured.count < HELD_LIMIT)
        stream->captured.held[stream->captured.count++] = (struct held){start, value, words};
    return 1;
}

API cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode mode) {
    (void)mode;
    NEED_CONTEXT;
    if (!stream || stream->capturing) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    stream->captured.count = 0;
    stream->capturing = 1;
    return CUDA_SUCCESS;
}

API cuStreamEndCapture(CUstream stream, CUgraph *graph) {
    NEED_CONTEXT;
    if (!stream || !stream->capturing || !graph) return CUDA_ERROR_ILLEGAL_STATE;
    stream->capturing = 0;
    *graph = malloc(sizeof **graph);
    if (!*graph) return CUDA_ERROR_OUT_OF_MEMORY;
    **graph = stream->captured;
    return CUDA_SUCCESS;
}

API cuGraphInstantiateWithFlags(CUgraphExec *executable, CUgraph graph, unsigned long long flags) {
    (void)flags;
    NEED_CONTEXT;
    NEED(executable && graph);
    *executable = malloc(sizeof **executable);
    if (!*executable) return CUDA_ERROR_OUT_OF_MEMORY;
    (*executable)->graph = *graph;
    return CUDA_SUCCESS;
}

API cuGraphInstantiate_v2(CUgraphExec *executable, CUgraph graph, CUgraphNode *node, char *log, size_t size) {
    (void)node, (void)log, (void)size;
    ANSWER;
    return cuGraphInstantiateWithFlags(executable, graph, 0);
}

API cuGraphLaunch(CUgraphExec executable, CUstream stream) {
    (void)stream;
    NEED_CONTEXT;
    NEED(executable);
    for (const struct held *h = executable->graph.held; h < executable->graph.held + executable->graph.count; h++)
        if (memory_at(h->start, h->words * sizeof(unsigned))) fill((void *)(uintptr_t)h->start, h->value, h->words);
    return CUDA_SUCCESS;
}

API cuGraphExecDestroy(CUgraphExec executable) {
    NEED_CONTEXT;
    free(executable);
    return CUDA_SUCCESS;
}

API cuGraphDestroy(CUgraph graph) {
    NEED_CONTEXT;
    free(graph);
    return CUDA_SUCCESS;
}
