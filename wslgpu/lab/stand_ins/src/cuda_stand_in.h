/* What the files of the libcuda stand-in share. Device memory is host memory; no kernel runs. */
#ifndef STAND_IN_CUDA_STAND_IN_H
#define STAND_IN_CUDA_STAND_IN_H

#include "cuda_api.h"
#include "scenario.h"

#define DEVICE_LIMIT 16
#define API STAND_IN_EXPORT CUresult

/* First line of every function: what the scenario says it answers comes before anything else. */
#define ANSWER do { int said_; if (said("cuda", __func__, &said_)) return (CUresult)said_; } while (0)
#define NEED_INIT do { ANSWER; if (!initialised) return CUDA_ERROR_NOT_INITIALIZED; } while (0)
#define NEED_DEVICE(d) do { NEED_INIT; if ((d) < 0 || (d) >= gpu_count()) return CUDA_ERROR_INVALID_DEVICE; } while (0)
#define NEED_CONTEXT do { NEED_INIT; if (!current) return CUDA_ERROR_INVALID_CONTEXT; } while (0)
#define NEED(pointer) do { if (!(pointer)) return CUDA_ERROR_INVALID_VALUE; } while (0)

struct CUctx_st { CUdevice device; int retained; };

extern int initialised;
extern struct CUctx_st contexts[DEVICE_LIMIT];
extern __thread CUcontext current;

enum kind { UNUSED, DEVICE, MANAGED, PINNED, REGISTERED, RESERVED, FOREIGN };

/* One piece of memory. file: the memfd behind it, -1 where there is none. */
struct memory { char *start; size_t size; enum kind kind; CUdevice device; int file; };

/* The memory that holds address to address + size, NULL when none does. */
struct memory *memory_at(CUdeviceptr address, size_t size);
CUresult take_memory(enum kind kind, size_t size, CUdeviceptr *out);
CUresult give_back(CUdeviceptr address, enum kind kind);
size_t memory_taken(enum kind kind, CUdevice device);

/* Managed memory while a kernel is in flight: out of the CPU's reach where the platform lacks concurrent access. */
void hide_managed(void);
void show_managed(void);

/* Ends the kernels in flight, as any call that waits for the device does. */
void kernels_end(void);

/* Sizes of whole allocations may be a GPU's: beyond this many bytes a fill or copy stops, so that a benchmark
 * which writes all device memory does not fill the host's. */
#define WORK_LIMIT ((size_t)256 << 20)
void fill(void *start, unsigned value, size_t words);
void copy(void *to, const void *from, size_t size);

/* Flips the first byte of a result when the scenario says LIBRARY.FUNCTION.corrupt = 1. */
void perhaps_corrupt(const char *function, void *start);

/* What a capture holds back; returns 1 when the stream is being captured. */
int capture_fill(CUstream stream, CUdeviceptr start, unsigned value, size_t words);

#endif
