/* The reader of settings (scenario.h), linked into every library that answers something. */
#define _GNU_SOURCE
#include "scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <unistd.h>

#define SETTINGS_LIMIT 512
#define FILE_LIMIT 32768
#define KEY_LIMIT 160

struct entry { const char *key, *value; };
struct settings { struct entry entries[SETTINGS_LIMIT]; int count; };

static struct settings ours, theirs;
static char our_text[] = STAND_IN_SETTINGS;
static char their_text[FILE_LIMIT];

static char *trimmed(char *text) {
    while (*text == ' ' || *text == '\t') text++;
    for (char *end = text + strlen(text); end > text && strchr(" \t\r", end[-1]);) *--end = 0;
    return text;
}

static void parse(char *text, struct settings *into) {
    for (char *rest, *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *equals = strchr(line, '=');
        if (*line == '#' || !equals || into->count == SETTINGS_LIMIT) continue;
        *equals = 0;
        into->entries[into->count++] = (struct entry){trimmed(line), trimmed(equals + 1)};
    }
}

/* dladdr would do, but its version in glibc is as new as the machine that compiles, and nodes may be older. */
static int find_own_file(struct dl_phdr_info *object, size_t size, void *path) {
    uintptr_t own = (uintptr_t)&ours;
    (void)size;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        uintptr_t start = object->dlpi_addr + object->dlpi_phdr[i].p_vaddr;
        if (object->dlpi_phdr[i].p_type != PT_LOAD || own < start || own >= start + object->dlpi_phdr[i].p_memsz)
            continue;
        if (*object->dlpi_name) return snprintf(path, 4096, "%s", object->dlpi_name);
        ssize_t length = readlink("/proc/self/exe", path, 4095); /* the program itself has no name here */
        ((char *)path)[length > 0 ? length : 0] = 0;
        return 1;
    }
    return 0;
}

__attribute__((constructor)) static void load(void) {
    char path[4096 + sizeof STAND_IN_SCENARIO_FILE] = "";
    parse(our_text, &ours);
    dl_iterate_phdr(find_own_file, path);
    char *slash = strrchr(path, '/');
    strcpy(slash ? slash + 1 : path, STAND_IN_SCENARIO_FILE);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    for (size_t used = 0; used < sizeof their_text - 1;) {
        ssize_t got = read(file, their_text + used, sizeof their_text - 1 - used);
        if (got <= 0) break;
        used += (size_t)got;
    }
    close(file);
    parse(their_text, &theirs);
}

static const char *find(const struct settings *in, const char *key) {
    for (int i = in->count; i-- > 0;)
        if (!strcmp(in->entries[i].key, key)) return in->entries[i].value;
    return NULL;
}

const char *setting_text(const char *key, const char *otherwise) {
    const char *value = find(&theirs, key);
    if (!value) value = find(&ours, key);
    return value ? value : otherwise;
}

const char *read_digits(const char *text, unsigned base, unsigned long long *value) {
    for (*value = 0;; text++) {
        unsigned digit = *text >= '0' && *text <= '9'   ? (unsigned)(*text - '0')
                         : *text >= 'a' && *text <= 'f' ? (unsigned)(*text - 'a') + 10
                         : *text >= 'A' && *text <= 'F' ? (unsigned)(*text - 'A') + 10
                                                        : 16;
        if (digit >= base) return text;
        *value = *value * base + digit;
    }
}

/* The whole text as a number, or `otherwise`. */
static long long number(const char *text, long long otherwise) {
    unsigned long long value;
    int negative = *text == '-', hexadecimal = text[0] == '0' && text[1] == 'x';
    const char *digits = text + (hexadecimal ? 2 : negative), *end = read_digits(digits, hexadecimal ? 16 : 10, &value);
    if (end == digits || *end) return otherwise;
    return negative ? -(long long)value : (long long)value;
}

long long setting(const char *key, long long otherwise) {
    const char *text = setting_text(key, NULL);
    return text ? number(text, otherwise) : otherwise;
}

/* "cuMemAlloc_v2" without "_v2". */
static void without_version(const char *function, char *out, size_t size) {
    snprintf(out, size, "%s", function);
    char *suffix = strrchr(out, '_');
    if (suffix && suffix[1] == 'v' && suffix[2] >= '1' && suffix[2] <= '9' && !suffix[3]) *suffix = 0;
}

void segfault(void) {
    volatile uintptr_t nowhere = 8;
    *(volatile int *)nowhere = 0;
}

static const char *find_either(const struct settings *in, const char *library, const char *function) {
    char key[KEY_LIMIT], bare[KEY_LIMIT];
    snprintf(key, sizeof key, "%s.%s", library, function);
    const char *value = find(in, key);
    if (value) return value;
    without_version(function, bare, sizeof bare);
    snprintf(key, sizeof key, "%.20s.%.130s", library, bare);
    return find(in, key);
}

int said(const char *library, const char *function, int *result) {
    /* the file's line for all versions beats the platform's for one */
    const char *value = find_either(&theirs, library, function);
    if (!value) value = find_either(&ours, library, function);
    if (!value || !strcmp(value, "works")) return 0;
    if (!strcmp(value, "segfault")) segfault();
    while (!strcmp(value, "hang")) pause();
    *result = (int)number(value, 1);
    return 1;
}

long long detail(const char *library, const char *function, const char *what, long long otherwise) {
    char key[KEY_LIMIT], bare[KEY_LIMIT];
    without_version(function, bare, sizeof bare);
    snprintf(key, sizeof key, "%.20s.%.80s.%.40s", library, bare, what);
    return setting(key, otherwise);
}

#ifdef STAND_IN_GPUS
const struct stand_in_gpu gpus[] = {STAND_IN_GPUS};

int gpu_count(void) {
    int all = (int)(sizeof gpus / sizeof gpus[0]);
    long long shown = setting("gpus", all);
    return shown < 0 || shown > all ? all : (int)shown;
}

int dxg_blocked(void) {
    if (!*STAND_IN_DXG) return 0;
    int fd = open(STAND_IN_DXG, O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        return 0;
    }
    return errno == ENXIO || errno == ENODEV ? 0 : errno;
}
#endif
