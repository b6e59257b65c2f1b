/* What the stand-in driver pretends to find. Every value comes from driver.py as a -D flag, so that
 * libcuda, libnvidia-ml and libdxcore of one tree cannot disagree.
 *
 *   STAND_IN_GPUS      initialisers {name, uuid, total bytes, used bytes}, one per GPU
 *   STAND_IN_STORES    wide string literals, one per graphics adapter, in libdxcore's order
 *   STAND_IN_ADAPTERS  the same paths as marked narrow strings, for programs that cannot load a library
 *   STAND_IN_DRIVER    the Windows driver version, "581.80"
 *   STAND_IN_DXG       the device whose absence makes every library refuse
 */
#ifndef STAND_IN_SCENARIO_H
#define STAND_IN_SCENARIO_H

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define STAND_IN_EXPORT __attribute__((visibility("default")))

/* The Linux user-mode build and the Windows driver differ on WSL2; nvidia-smi's first line shows both. */
#define STAND_IN_NVML_VERSION "580.95.05"
#define STAND_IN_CUDA_VERSION 13000

STAND_IN_EXPORT extern const char wslgpu_stand_in[];

#ifdef STAND_IN_GPUS
struct stand_in_gpu {
    const char *name;
    const char *uuid;
    unsigned long long total;
    unsigned long long used;
};

static const struct stand_in_gpu gpus[] = {STAND_IN_GPUS};
#define GPU_COUNT ((int)(sizeof gpus / sizeof gpus[0]))

/* 0 when the GPU device may be used, else errno. The lab's node is a bare device number with no driver
 * behind it: opening it says ENXIO, which is as far as an allowed open can get. EPERM is a container
 * that has the node but not the cgroup's permission. */
static int dxg_blocked(void) {
    int fd = open(STAND_IN_DXG, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        return 0;
    }
    return errno == ENXIO || errno == ENODEV ? 0 : errno;
}
#endif

#endif
