/* A stand-in for `vllm serve`: it answers /health and /v1/models, and computes nothing.
 *
 * It starts as vLLM does, and fails as vLLM fails: says its arguments, looks for the model's folder, for GPUs, for room
 * in /dev/shm, takes the port, "loads" for a while, and only then listens. What the image's environment says:
 *
 *   WSLGPU_STAND_IN_VERSION        the version it stands in for
 *   WSLGPU_STAND_IN_NEEDS_PINNED   1: that version may end on WSL2 where pinned memory is not switched on; this one does
 *
 * A file wslgpu-stand-in-load-seconds in the model's folder, or WSLGPU_STAND_IN_LOAD_S, says how long loading takes. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define SHARED_PER_RANK (33ULL << 20) /* of NCCL's buffers, about; a container's default of 64 MiB serves one rank */
#define REQUEST_LIMIT 8192

extern char **environ;

static const char *host = "0.0.0.0", *key, *model, *served;
static long port = 8000, ranks = 1;

/* strtol's name in glibc is as new as the machine that compiles; images may be older. -1 for what is no number. */
static long number(const char *text) {
    long value = 0;
    if (!*text) return -1;
    for (; *text >= '0' && *text <= '9' && value < 100000000; text++) value = value * 10 + (*text - '0');
    return *text ? -1 : value;
}

static void say(const char *level, const char *format, ...) {
    va_list values;
    va_start(values, format);
    fprintf(stderr, "%s [wslgpu lab stand-in] ", level);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
}

static void say_text(FILE *to, const char *text) {
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', to);
        if ((unsigned char)*text < 0x20) fprintf(to, "\\u%04x", *text);
        else fputc(*text, to);
    }
    fputc('"', to);
}

/* The value of --NAME VALUE or --NAME=VALUE; advances over a value of its own. */
static const char *value_of(char **words, int *at, const char *name) {
    size_t length = strlen(name);
    if (strncmp(words[*at], name, length)) return NULL;
    if (words[*at][length] == '=') return words[*at] + length + 1;
    if (words[*at][length]) return NULL;
    return words[*at + 1] ? words[++*at] : "";
}

static void read_arguments(char **words) {
    const char *value;
    for (int i = 0; words[i]; i++) {
        if ((value = value_of(words, &i, "--host"))) host = value;
        else if ((value = value_of(words, &i, "--port"))) port = number(value);
        else if ((value = value_of(words, &i, "--api-key"))) key = value;
        else if ((value = value_of(words, &i, "--model"))) model = value;
        else if ((value = value_of(words, &i, "--served-model-name"))) served = value;
        else if ((value = value_of(words, &i, "--tensor-parallel-size")) || (value = value_of(words, &i, "-tp")))
            ranks = number(value);
        else if (i == 0 && words[i][0] != '-') model = words[i];
    }
    if (!key && getenv("VLLM_API_KEY") && *getenv("VLLM_API_KEY")) key = getenv("VLLM_API_KEY");
}

static void say_arguments(char **words) {
    fputs("INFO [wslgpu lab stand-in] arguments: [", stderr);
    for (int i = 0; words[i]; i++) {
        int secret = i && !strcmp(words[i - 1], "--api-key");
        say_text(stderr, secret ? "..." : !strncmp(words[i], "--api-key=", 10) ? "--api-key=..." : words[i]);
        if (words[i + 1]) fputs(", ", stderr);
    }
    fputs("]\n", stderr);
    for (char **entry = environ; *entry; entry++)
        if ((!strncmp(*entry, "NCCL_", 5) || !strncmp(*entry, "VLLM_", 5)) && strncmp(*entry, "VLLM_API_KEY=", 13))
            say("INFO", "environment: %s", *entry);
}

static int in_wsl(void) {
    char text[512] = "";
    int file = open("/proc/version", O_RDONLY | O_CLOEXEC);
    if (file >= 0 && read(file, text, sizeof text - 1) < 0) *text = 0;
    if (file >= 0) close(file);
    return strcasestr(text, "microsoft") != NULL;
}

static int visible_gpus(void) {
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    int count = 0;
    if (!library) return 0;
    int (*init)(unsigned) = (int (*)(unsigned))dlsym(library, "cuInit");
    int (*get_count)(int *) = (int (*)(int *))dlsym(library, "cuDeviceGetCount");
    return init && get_count && !init(0) && !get_count(&count) ? count : 0;
}

/* 0 when it may go on. */
static int check_start(void) {
    char path[4200];
    const char *pinned = getenv("VLLM_WSL2_ENABLE_PIN_MEMORY"), *needs = getenv("WSLGPU_STAND_IN_NEEDS_PINNED");
    int gpus = visible_gpus(), opted = pinned && !strcmp(pinned, "1");
    struct statvfs shared;
    if (port < 1 || port > 65535 || ranks < 1) return say("ERROR", "invalid --port or --tensor-parallel-size"), 2;
    if (!gpus) return say("ERROR", "RuntimeError: Failed to infer device type"), 1;
    snprintf(path, sizeof path, "%s/config.json", model);
    if (access(path, R_OK)) {
        say("ERROR", "ValueError: Invalid repository ID or local directory specified: '%s'.", model);
        say("ERROR", "Specify a local directory that contains a recognized configuration file ('config.json').");
        return 1;
    }
    if (ranks > gpus)
        return say("ERROR", "ValueError: World size (%ld) is larger than the number of available GPUs (%d) in this node.",
                   ranks, gpus), 1;
    if (statvfs("/dev/shm", &shared)) memset(&shared, 0, sizeof shared);
    unsigned long long size = (unsigned long long)shared.f_blocks * shared.f_frsize;
    unsigned long long room = (unsigned long long)shared.f_bavail * shared.f_frsize;
    say("INFO", "visible GPUs: %d; ranks: %ld; /dev/shm: %llu bytes", gpus, ranks, size);
    if (ranks > 1 && room < SHARED_PER_RANK * (unsigned long long)ranks)
        return say("ERROR", "NCCL WARN Error: failed to extend /dev/shm/nccl-stand-in to %llu bytes",
                   SHARED_PER_RANK * (unsigned long long)ranks), 1;
    if (in_wsl() && !opted) {
        say("WARNING", "Using 'pin_memory=False' as WSL is detected. This may slow down the performance.");
        if (needs && !strcmp(needs, "1")) return say("ERROR", "RuntimeError: UVA is not available"), 1;
    }
    return 0;
}

static long load_seconds(void) {
    char path[4200], text[16] = "";
    const char *from = getenv("WSLGPU_STAND_IN_LOAD_S");
    snprintf(path, sizeof path, "%s/wslgpu-stand-in-load-seconds", model);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        ssize_t got = read(file, text, sizeof text - 1);
        close(file);
        text[got > 0 ? got : 0] = 0;
        text[strcspn(text, "\n")] = 0;
        from = text;
    }
    long seconds = from ? number(from) : 0;
    return seconds < 0 ? 0 : seconds;
}

/* A bound socket, so that a port that is taken is found before a model is loaded; -1 with a message. */
static int take_port(void) {
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int is_six = strchr(host, ':') != NULL, on = 1;
    if (inet_pton(is_six ? AF_INET6 : AF_INET, host, is_six ? (void *)&six.sin6_addr : (void *)&four.sin_addr) != 1)
        return say("ERROR", "--host %s is no address", host), -1;
    int server = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr *address = is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four;
    if (server < 0 || bind(server, address, is_six ? sizeof six : sizeof four))
        return say("ERROR", "OSError: [Errno %d] %s", errno, strerror(errno)), -1;
    return server;
}

/* Whether the request has the key, in a time that does not tell how much of it is right. */
static int allowed(const char *request) {
    if (!key) return 1;
    const char *header = strcasestr(request, "\r\nAuthorization: Bearer ");
    if (!header) return 0;
    header += strlen("\r\nAuthorization: Bearer ");
    size_t length = strcspn(header, "\r\n"), wanted = strlen(key);
    unsigned wrong = length != wanted;
    for (size_t i = 0; i < wanted; i++) wrong |= (unsigned)(key[i] ^ (i < length ? header[i] : 0));
    return !wrong;
}

static void answer(int client) {
    char request[REQUEST_LIMIT + 1] = "", method[16], path[256], *body = NULL;
    size_t used = 0, size = 0;
    struct timeval patience = {5, 0};
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    while (used < REQUEST_LIMIT && !strstr(request, "\r\n\r\n")) {
        ssize_t got = recv(client, request + used, REQUEST_LIMIT - used, 0);
        if (got <= 0) return;
        used += (size_t)got;
        request[used] = 0;
    }
    size_t first = strcspn(request, " \r\n"), second = strcspn(request + first + !!request[first], " \r\n");
    snprintf(method, sizeof method, "%.*s", (int)(first < 15 ? first : 15), request);
    snprintf(path, sizeof path, "%.*s", (int)(second < 255 ? second : 255), request + first + !!request[first]);
    const char *status = "200 OK";
    FILE *text = open_memstream(&body, &size);
    if (!strcmp(path, "/health")) {
        /* an empty answer, and never a key: probes have none */
    } else if (!strncmp(path, "/v1", 3) && !allowed(request)) {
        status = "401 Unauthorized";
        fputs("{\"error\":\"Unauthorized\"}", text);
    } else if (!strcmp(path, "/v1/models")) {
        fputs("{\"object\":\"list\",\"data\":[{\"id\":", text);
        say_text(text, served ? served : model);
        fputs(",\"object\":\"model\",\"owned_by\":\"wslgpu lab stand-in\"}]}", text);
    } else {
        status = "404 Not Found";
        fputs("{\"detail\":\"Not Found\"}", text);
    }
    fclose(text);
    if (strcmp(path, "/health")) say("INFO", "\"%s %s\" %.3s", method, path, status);
    dprintf(client, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", status, size);
    if (strcmp(method, "HEAD")) dprintf(client, "%s", body);
    free(body);
}

static void end(int number) { _exit(number == SIGTERM || number == SIGINT ? 0 : 1); }

int main(int count, char **words) {
    const char *version = getenv("WSLGPU_STAND_IN_VERSION");
    if (count > 1 && (!strcmp(words[1], "--version") || !strcmp(words[1], "--help")))
        return printf("vllm %s (wslgpu lab stand-in)\n", version ? version : "?") < 0;
    if (count < 2 || strcmp(words[1], "serve")) return say("ERROR", "usage: vllm serve MODEL [OPTIONS]"), 2;
    signal(SIGTERM, end); /* as process 1 of a container it would not end by itself */
    signal(SIGINT, end);
    signal(SIGPIPE, SIG_IGN);
    read_arguments(words + 2);
    say("INFO", "vLLM API server version %s", version ? version : "?");
    say_arguments(words + 2);
    if (!model) return say("ERROR", "the following arguments are required: model"), 2;
    int wrong = check_start(), server = wrong ? -1 : take_port();
    if (server < 0) return wrong ? wrong : 1;
    for (unsigned left = (unsigned)load_seconds(); left;) left = sleep(left);
    if (listen(server, 64)) return say("ERROR", "listen: %s", strerror(errno)), 1;
    say("INFO", "Application startup complete.");
    for (;;) {
        int client = accept4(server, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0) continue;
        answer(client);
        close(client);
    }
}
