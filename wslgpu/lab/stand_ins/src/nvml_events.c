/* libnvidia-ml stand-in: events. nvml.event_xid = N: the first wait on a set with a GPU in it tells of error N on the
 * first GPU; else nothing ever happens, and a wait takes the time that it was given. */
#define _GNU_SOURCE
#include "nvml_stand_in.h"

#include <stdlib.h>
#include <time.h>

#define XID_CRITICAL_ERROR 8ULL

struct nvmlEventSet_st { int registered, told; };

API nvmlEventSetCreate(nvmlEventSet_t *set) {
    NEED_INIT;
    NEED(set);
    *set = calloc(1, sizeof **set);
    return *set ? NVML_SUCCESS : NVML_ERROR_UNKNOWN;
}

API nvmlEventSetFree(nvmlEventSet_t set) {
    NEED_INIT;
    NEED(set);
    free(set);
    return NVML_SUCCESS;
}

API nvmlDeviceGetSupportedEventTypes(nvmlDevice_t d, unsigned long long *types) {
    NEED_DEVICE(d);
    NEED(types);
    *types = XID_CRITICAL_ERROR;
    return NVML_SUCCESS;
}

API nvmlDeviceRegisterEvents(nvmlDevice_t d, unsigned long long types, nvmlEventSet_t set) {
    NEED_DEVICE(d);
    NEED(set);
    if (types & ~XID_CRITICAL_ERROR) return NVML_ERROR_NOT_SUPPORTED;
    set->registered++;
    return NVML_SUCCESS;
}

API nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data, unsigned milliseconds) {
    NEED_INIT;
    NEED(set && data);
    long long xid = setting("nvml.event_xid", 0);
    memset(data, 0, sizeof *data);
    if (xid && set->registered && !set->told) {
        set->told = 1;
        *data = (nvmlEventData_t){&devices[0], XID_CRITICAL_ERROR, (unsigned long long)xid, 0xffffffffu, 0xffffffffu};
        return NVML_SUCCESS;
    }
    struct timespec rest = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    nanosleep(&rest, NULL);
    return NVML_ERROR_TIMEOUT;
}

API nvmlEventSetWait(nvmlEventSet_t set, nvmlEventData_t *data, unsigned milliseconds) {
    return nvmlEventSetWait_v2(set, data, milliseconds);
}
