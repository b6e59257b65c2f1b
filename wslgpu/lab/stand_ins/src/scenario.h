/* What the stand-in driver pretends to find. driver.py passes as -D flags, so that libcuda, libnvidia-ml and
 * libdxcore of one tree cannot disagree:
 *
 *   STAND_IN_GPUS      initialisers {name, uuid, total bytes, used bytes}, one per GPU
 *   STAND_IN_SETTINGS  the answers of the platform, lines of "key = value" (scenarios.yml)
 *   STAND_IN_STORES    wide string literals, one per graphics adapter, in libdxcore's order
 *   STAND_IN_ADAPTERS  the same paths as marked narrow strings, for programs that cannot load a library
 *   STAND_IN_DRIVER    the Windows driver version, "581.80"
 *   STAND_IN_DXG       the device whose absence makes every library refuse; "" where no device is needed
 *
 * A file wslgpu-stand-in.scenario in the folder that the library was loaded from overrides those answers line
 * by line. Keys:
 *
 *   LIBRARY.FUNCTION = N          the function returns N and does nothing; LIBRARY is cuda, nvml, nvenc, cuvid
 *                                 or dxcore. A function's version suffix (_v2) may be left out.
 *   LIBRARY.FUNCTION = segfault   it ends the process with SIGSEGV
 *   LIBRARY.FUNCTION = hang       it never returns
 *   LIBRARY.FUNCTION = works      as if nothing were said; takes a platform's answer back
 *   anything else                 a value, named where the sources read it: setting() and setting_text()
 */
#ifndef STAND_IN_SCENARIO_H
#define STAND_IN_SCENARIO_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define STAND_IN_EXPORT __attribute__((visibility("default")))
#define STAND_IN_SCENARIO_FILE "wslgpu-stand-in.scenario"
/* What the files behind device memory are called; NVML's stand-in finds those who compute by it. */
#define STAND_IN_DEVICE_MEMORY "wslgpu stand-in device memory"

STAND_IN_EXPORT extern const char wslgpu_stand_in[];

/* The value of a key, or `otherwise`. A number may be decimal or 0x hexadecimal. */
const char *setting_text(const char *key, const char *otherwise);
long long setting(const char *key, long long otherwise);

/* Reads digits of one base from text; returns where they end, which is text where there are none. Used in place of
 * strtoull, whose name in glibc is as new as the machine that compiles; nodes may be older. */
const char *read_digits(const char *text, unsigned base, unsigned long long *value);

/* 1 when the scenario says what LIBRARY.FUNCTION returns, which is then in *result; 0 when it is to do its work. Does
 * not return from segfault or hang. */
int said(const char *library, const char *function, int *result);

/* LIBRARY.FUNCTION.what as a number: the finer settings of one function, version suffix left out. */
long long detail(const char *library, const char *function, const char *what, long long otherwise);

/* Ends the process as a real crash does. */
void segfault(void);

struct stand_in_gpu {
    const char *name;
    const char *uuid;
    unsigned long long total;
    unsigned long long used;
};

extern const struct stand_in_gpu gpus[];

/* How many of gpus[] are shown: all, or the setting "gpus". */
int gpu_count(void);

/* 0 when the GPU device may be used, else errno. The lab's node is a bare device number with no driver behind
 * it: opening it says ENXIO, which is as far as an allowed open can get. EPERM is a container that has the node
 * but not the cgroup's permission. */
int dxg_blocked(void);

#endif
