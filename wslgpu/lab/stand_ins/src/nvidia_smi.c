/* nvidia-smi stand-in. Like the genuine program it knows nothing by itself: all it prints comes from
 * libnvidia-ml.so.1, found by the loader or beside the program. Without that library it fails, which is
 * what makes "nvidia-smi works in the container" a test of the mounts and of the loader's cache. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "scenario.h"

#define SMI_VERSION setting_text("smi.version", "580.95.05")

const char wslgpu_stand_in[] = "wslgpu lab stand-in of nvidia-smi, not NVIDIA's program";

typedef void *device_t;
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned gpu, memory; } utilization_t;
typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; } pci_t;

struct gpu {
    unsigned index, temperature, power_mw;
    char name[96], uuid[96];
    memory_t memory;
    utilization_t utilization;
    pci_t pci;
    int cc_major, cc_minor, model, pending_model;
    unsigned minor;
    int no_temperature, no_power, no_utilization, no_model, no_minor; /* NVML's answers; 0 is success */
};

static void *library;

static void *need(const char *symbol) {
    void *address = dlsym(library, symbol);
    if (!address) {
        printf("NVIDIA-SMI has failed: libnvidia-ml.so.1 lacks %s\n", symbol);
        exit(13);
    }
    return address;
}
#define CALL(type, name) ((int (*) type)need(name))

static void load(void) {
    library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    if (!library) {
        char path[4096];
        ssize_t length = readlink("/proc/self/exe", path, sizeof path - 32);
        if (length > 0) {
            path[length] = 0;
            strcpy(strrchr(path, '/') + 1, "libnvidia-ml.so.1");
            library = dlopen(path, RTLD_NOW);
        }
    }
    if (!library) {
        puts("NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. "
             "Please make sure that the NVIDIA Display Driver is properly installed and present in your system.\n"
             "Please also try adding directory that contains libnvidia-ml.so to your system PATH.");
        exit(12);
    }
    int code = CALL((void), "nvmlInit_v2")();
    if (code) {
        printf("Failed to initialize NVML: %s\n", ((const char *(*)(int))need("nvmlErrorString"))(code));
        exit(code);
    }
}

static unsigned count(void) {
    unsigned n = 0;
    CALL((unsigned *), "nvmlDeviceGetCount_v2")(&n);
    return n;
}

static struct gpu read_gpu(unsigned index) {
    struct gpu g = {.index = index};
    device_t d = NULL;
    CALL((unsigned, device_t *), "nvmlDeviceGetHandleByIndex_v2")(index, &d);
    CALL((device_t, char *, unsigned), "nvmlDeviceGetName")(d, g.name, sizeof g.name);
    CALL((device_t, char *, unsigned), "nvmlDeviceGetUUID")(d, g.uuid, sizeof g.uuid);
    CALL((device_t, memory_t *), "nvmlDeviceGetMemoryInfo")(d, &g.memory);
    g.no_temperature = CALL((device_t, int, unsigned *), "nvmlDeviceGetTemperature")(d, 0, &g.temperature);
    g.no_power = CALL((device_t, unsigned *), "nvmlDeviceGetPowerUsage")(d, &g.power_mw);
    g.no_utilization = CALL((device_t, utilization_t *), "nvmlDeviceGetUtilizationRates")(d, &g.utilization);
    g.no_model = CALL((device_t, int *, int *), "nvmlDeviceGetDriverModel")(d, &g.model, &g.pending_model);
    g.no_minor = CALL((device_t, unsigned *), "nvmlDeviceGetMinorNumber")(d, &g.minor);
    CALL((device_t, pci_t *), "nvmlDeviceGetPciInfo_v3")(d, &g.pci);
    CALL((device_t, int *, int *), "nvmlDeviceGetCudaComputeCapability")(d, &g.cc_major, &g.cc_minor);
    return g;
}

/* NVML's 1 is WDM, which nvidia-smi calls TCC. */
static const char *model_name(const struct gpu *g) {
    static const char *const names[] = {"WDDM", "TCC", "MCDM"};
    return g->no_model || g->model < 0 || g->model > 2 ? "N/A" : names[g->model];
}

static const char *driver_version(void) {
    static char text[80];
    CALL((char *, unsigned), "nvmlSystemGetDriverVersion")(text, sizeof text);
    return text;
}

static int cuda_version(void) {
    int v = 0;
    CALL((int *), "nvmlSystemGetCudaDriverVersion_v2")(&v);
    return v;
}

#define MIB(bytes) ((unsigned long long)((bytes) >> 20))

static void list(void) {
    for (unsigned i = 0; i < count(); i++) {
        struct gpu g = read_gpu(i);
        printf("GPU %u: %s (UUID: %s)\n", i, g.name, g.uuid);
    }
}

static void table(void) {
    const char *line = "+-----------------------------------------------------------------------------------------+\n";
    char left[64], middle[64], right[64];
    snprintf(left, sizeof left, "NVIDIA-SMI %s", SMI_VERSION);
    snprintf(middle, sizeof middle, "Driver Version: %s", driver_version());
    snprintf(right, sizeof right, "CUDA Version: %d.%d", cuda_version() / 1000, cuda_version() % 1000 / 10);
    printf("%s| %-33s %-30s %-22s |\n%s", line, left, middle, right, line);
    for (unsigned i = 0; i < count(); i++) {
        struct gpu g = read_gpu(i);
        char use[64];
        snprintf(use, sizeof use, "%lluMiB / %lluMiB", MIB(g.memory.used), MIB(g.memory.total));
        printf("| %3u  %-38s %-4s | %-16s | %22s |\n", g.index, g.name, model_name(&g), g.pci.bus_id, use);
    }
    fputs(line, stdout);
}

struct field { const char *name, *unit; };
static const struct field fields[] = {
    {"index", ""}, {"name", ""}, {"uuid", ""}, {"driver_version", ""}, {"count", ""}, {"pci.bus_id", ""},
    {"compute_cap", ""}, {"memory.total", "MiB"}, {"memory.used", "MiB"}, {"memory.free", "MiB"},
    {"temperature.gpu", ""}, {"power.draw", "W"}, {"utilization.gpu", "%"}, {"driver_model.current", ""},
    {"mig.mode.current", ""}, {"ecc.mode.current", ""},
};

static const struct field *find(const char *name) {
    if (!strcmp(name, "gpu_name")) name = "name";
    if (!strcmp(name, "gpu_uuid")) name = "uuid";
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (!strcmp(fields[i].name, name)) return &fields[i];
    return NULL;
}

static int refused(const char *n, const struct gpu *g) {
    return (!strcmp(n, "temperature.gpu") && g->no_temperature) || (!strcmp(n, "power.draw") && g->no_power) ||
           (!strcmp(n, "utilization.gpu") && g->no_utilization) || (!strcmp(n, "driver_model.current") && g->no_model);
}

static void value(const struct field *f, const struct gpu *g, int units) {
    const char *n = f->name;
    if (refused(n, g)) {
        printf("[N/A]");
        return;
    }
    if (!strcmp(n, "index")) printf("%u", g->index);
    else if (!strcmp(n, "name")) printf("%s", g->name);
    else if (!strcmp(n, "uuid")) printf("%s", g->uuid);
    else if (!strcmp(n, "driver_version")) printf("%s", driver_version());
    else if (!strcmp(n, "count")) printf("%u", count());
    else if (!strcmp(n, "pci.bus_id")) printf("%s", g->pci.bus_id);
    else if (!strcmp(n, "compute_cap")) printf("%d.%d", g->cc_major, g->cc_minor);
    else if (!strcmp(n, "memory.total")) printf("%llu", MIB(g->memory.total));
    else if (!strcmp(n, "memory.used")) printf("%llu", MIB(g->memory.used));
    else if (!strcmp(n, "memory.free")) printf("%llu", MIB(g->memory.free));
    else if (!strcmp(n, "temperature.gpu")) printf("%u", g->temperature);
    else if (!strcmp(n, "power.draw")) printf("%u.%02u", g->power_mw / 1000, g->power_mw % 1000 / 10);
    else if (!strcmp(n, "utilization.gpu")) printf("%u", g->utilization.gpu);
    else if (!strcmp(n, "driver_model.current")) printf("%s", model_name(g));
    else printf("[N/A]");
    if (units && *f->unit) printf(" %s", f->unit);
}

static int query(char *names, const char *format) {
    const struct field *wanted[64];
    int n = 0, header, units;
    if (!format || strncmp(format, "csv", 3)) {
        puts("\"--format=\" is required with csv as its first value. Run 'nvidia-smi -h' for help.");
        return 1;
    }
    header = !strstr(format, "noheader");
    units = !strstr(format, "nounits");
    for (char *name = strtok(names, ","); name && n < 64; name = strtok(NULL, ",")) {
        while (*name == ' ') name++;
        wanted[n] = find(name);
        if (!wanted[n++]) {
            printf("Field \"%s\" is not a valid field to query.\n\n", name);
            return 2;
        }
    }
    load();
    if (header) {
        for (int f = 0; f < n; f++) {
            printf("%s%s", f ? ", " : "", wanted[f]->name);
            if (units && *wanted[f]->unit) printf(" [%s]", wanted[f]->unit);
        }
        puts("");
    }
    for (unsigned i = 0; i < count(); i++) {
        struct gpu g = read_gpu(i);
        for (int f = 0; f < n; f++) {
            if (f) printf(", ");
            value(wanted[f], &g, units);
        }
        puts("");
    }
    return 0;
}

static void full(void) {
    puts("\n==============NVSMI LOG==============\n");
    printf("Driver Version                            : %s\n", driver_version());
    printf("CUDA Version                              : %d.%d\n\n", cuda_version() / 1000, cuda_version() % 1000 / 10);
    printf("Attached GPUs                             : %u\n", count());
    for (unsigned i = 0; i < count(); i++) {
        struct gpu g = read_gpu(i);
        printf("GPU %s\n", g.pci.bus_id);
        printf("    Product Name                          : %s\n", g.name);
        puts("    Persistence Mode                      : Enabled");
        puts("    Driver Model");
        printf("        Current                           : %s\n", model_name(&g));
        printf("        Pending                           : %s\n", model_name(&g));
        printf("    GPU UUID                              : %s\n", g.uuid);
        if (g.no_minor) puts("    Minor Number                          : N/A");
        else printf("    Minor Number                          : %u\n", g.minor);
        puts("    MIG Mode");
        puts("        Current                           : N/A");
        puts("    FB Memory Usage");
        printf("        Total                             : %llu MiB\n", MIB(g.memory.total));
        printf("        Used                              : %llu MiB\n", MIB(g.memory.used));
        printf("        Free                              : %llu MiB\n", MIB(g.memory.free));
        puts("    Temperature");
        printf("        GPU Current Temp                  : %u C\n", g.temperature);
    }
}

int main(int argc, char **argv) {
    char *names = NULL;
    const char *format = NULL;
    int result;
    if (said("smi", "run", &result)) {
        puts(setting_text("smi.text", "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."));
        return result;
    }
    if (argc == 1) {
        load();
        table();
        return 0;
    }
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (!strcmp(a, "--version")) {
            printf("NVIDIA-SMI version  : %s\n%s\n", SMI_VERSION, wslgpu_stand_in);
            return 0;
        }
        if (!strcmp(a, "-h") || !strcmp(a, "--help")) {
            printf("NVIDIA-SMI %s -- %s\n"
                   "usage: nvidia-smi [-L | -q | --version | --query-gpu=FIELD,… --format=csv[,noheader][,nounits]]\n",
                   SMI_VERSION, wslgpu_stand_in);
            return 0;
        }
        if (!strcmp(a, "-L") || !strcmp(a, "--list-gpus")) {
            load();
            list();
            return 0;
        }
        if (!strcmp(a, "-q") || !strcmp(a, "--query")) {
            load();
            full();
            return 0;
        }
        if (!strncmp(a, "--query-gpu=", 12)) names = argv[i] + 12;
        else if (!strncmp(a, "--format=", 9)) format = a + 9;
        else {
            printf("Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n(%s)\n", wslgpu_stand_in);
            return 1;
        }
    }
    if (names) return query(names, format);
    puts("Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.");
    return 1;
}
