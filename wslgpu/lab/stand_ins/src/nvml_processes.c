/* libnvidia-ml stand-in: who computes. Those are the processes that hold device memory of the libcuda stand-in, which
 * lies in files without a name that /proc shows. nvml.process_memory = hidden: how much they hold is not told. */
#define _GNU_SOURCE
#include "nvml_stand_in.h"

#include <dirent.h>
#include <stdio.h>

#define PROCESS_LIMIT 64

static unsigned long long held_by(const char *pid) {
    char path[300], line[512];
    unsigned long long low, high, sum = 0;
    snprintf(path, sizeof path, "/proc/%s/maps", pid);
    FILE *maps = fopen(path, "re");
    if (!maps) return 0;
    while (fgets(line, sizeof line, maps))
        if (strstr(line, STAND_IN_DEVICE_MEMORY)) {
            read_digits(read_digits(line, 16, &low) + 1, 16, &high);
            sum += high - low;
        }
    fclose(maps);
    return sum;
}

static unsigned find(nvmlProcessInfo_t *found) {
    unsigned count = 0;
    DIR *all = opendir("/proc");
    for (struct dirent *entry; all && count < PROCESS_LIMIT && (entry = readdir(all));) {
        unsigned long long pid, held;
        if (*read_digits(entry->d_name, 10, &pid) || !(held = held_by(entry->d_name))) continue;
        if (!strcmp(setting_text("nvml.process_memory", ""), "hidden")) held = (unsigned long long)NVML_VALUE_NOT_AVAILABLE;
        found[count++] = (nvmlProcessInfo_t){(unsigned)pid, held, 0xffffffffu, 0xffffffffu};
    }
    if (all) closedir(all);
    return count;
}

/* All of them compute on the first GPU: which one a file belongs to is not to be seen from outside. */
static nvmlReturn_t computing(nvmlDevice_t d, unsigned *count, nvmlProcessInfo_t *found) {
    NEED(count);
    unsigned room = *count;
    *count = d->index == 0 ? find(found) : 0;
    return *count > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

API nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t d, unsigned *count, nvmlProcessInfo_t *rows) {
    nvmlProcessInfo_t found[PROCESS_LIMIT];
    NEED_DEVICE(d);
    nvmlReturn_t result = computing(d, count, found);
    for (unsigned i = 0; rows && result == NVML_SUCCESS && i < *count; i++) rows[i] = found[i];
    return result;
}

API nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t d, unsigned *count, nvmlProcessInfo_v2_t *rows) {
    return nvmlDeviceGetComputeRunningProcesses_v3(d, count, rows);
}

API nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t d, unsigned *count, nvmlProcessInfo_v1_t *rows) {
    nvmlProcessInfo_t found[PROCESS_LIMIT];
    NEED_DEVICE(d);
    nvmlReturn_t result = computing(d, count, found);
    for (unsigned i = 0; rows && result == NVML_SUCCESS && i < *count; i++)
        rows[i] = (nvmlProcessInfo_v1_t){found[i].pid, found[i].usedGpuMemory};
    return result;
}

API nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t d, unsigned *count, nvmlProcessInfo_t *rows) {
    (void)rows;
    NEED_DEVICE(d);
    NEED(count);
    *count = 0;
    return NVML_SUCCESS;
}

API nvmlDeviceGetGraphicsRunningProcesses_v2(nvmlDevice_t d, unsigned *count, nvmlProcessInfo_v2_t *rows) {
    return nvmlDeviceGetGraphicsRunningProcesses_v3(d, count, rows);
}

API nvmlDeviceGetGraphicsRunningProcesses(nvmlDevice_t d, unsigned *count, nvmlProcessInfo_v1_t *rows) {
    (void)rows;
    return nvmlDeviceGetGraphicsRunningProcesses_v3(d, count, NULL);
}

API nvmlDeviceGetProcessUtilization(nvmlDevice_t d, nvmlProcessUtilizationSample_t *rows, unsigned *count,
                                    unsigned long long since) {
    (void)rows, (void)since;
    NEED_DEVICE(d);
    NEED(count);
    *count = 0;
    return NVML_ERROR_NOT_FOUND;
}

API nvmlSystemGetProcessName(unsigned pid, char *out, unsigned n) {
    char path[40], name[64] = "";
    NEED_INIT;
    snprintf(path, sizeof path, "/proc/%u/comm", pid);
    FILE *file = fopen(path, "re");
    if (!file) return NVML_ERROR_NOT_FOUND;
    if (fgets(name, sizeof name, file)) name[strcspn(name, "\n")] = 0;
    fclose(file);
    return give_text(out, n, name);
}
