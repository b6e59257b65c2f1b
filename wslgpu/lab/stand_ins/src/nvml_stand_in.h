/* What the files of the libnvidia-ml stand-in share. */
#ifndef STAND_IN_NVML_STAND_IN_H
#define STAND_IN_NVML_STAND_IN_H

#include "nvml_api.h"
#include "scenario.h"

struct nvmlDevice_st { int index; };

extern struct nvmlDevice_st devices[];
extern int references;

#define API STAND_IN_EXPORT nvmlReturn_t
#define ANSWER do { int said_; if (said("nvml", __func__, &said_)) return (nvmlReturn_t)said_; } while (0)
#define NEED_INIT do { ANSWER; if (!references) return NVML_ERROR_UNINITIALIZED; } while (0)
#define KNOWN(d) ((d) >= devices && (d) < devices + gpu_count())
#define NEED_DEVICE(d) do { NEED_INIT; if (!KNOWN(d)) return NVML_ERROR_INVALID_ARGUMENT; } while (0)
#define NEED(pointer) do { if (!(pointer)) return NVML_ERROR_INVALID_ARGUMENT; } while (0)

/* NVML's way to hand out text. */
nvmlReturn_t give_text(char *out, unsigned length, const char *text);

#endif
