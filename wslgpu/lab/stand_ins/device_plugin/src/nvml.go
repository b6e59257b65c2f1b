package main

/*
#cgo CFLAGS: -std=gnu11
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>

// nvml.h's own declarations of these (the driver's stand-in is held against the header in a test)
typedef struct nvmlDevice_st *nvmlDevice_t;
typedef struct nvmlEventSet_st *nvmlEventSet_t;
typedef struct {
    nvmlDevice_t device;
    unsigned long long eventType, eventData;
    unsigned gpuInstanceId, computeInstanceId;
} nvmlEventData_t;

static int call0(void *f) { return ((int (*)(void))f)(); }
static int call_count(void *f, unsigned *n) { return ((int (*)(unsigned *))f)(n); }
static int call_handle(void *f, unsigned i, nvmlDevice_t *d) { return ((int (*)(unsigned, nvmlDevice_t *))f)(i, d); }
static int call_text(void *f, nvmlDevice_t d, char *out, unsigned n) {
    return ((int (*)(nvmlDevice_t, char *, unsigned))f)(d, out, n);
}
static int call_types(void *f, nvmlDevice_t d, unsigned long long *t) {
    return ((int (*)(nvmlDevice_t, unsigned long long *))f)(d, t);
}
static int call_set(void *f, nvmlEventSet_t *s) { return ((int (*)(nvmlEventSet_t *))f)(s); }
static int call_register(void *f, nvmlDevice_t d, unsigned long long t, nvmlEventSet_t s) {
    return ((int (*)(nvmlDevice_t, unsigned long long, nvmlEventSet_t))f)(d, t, s);
}
static int call_wait(void *f, nvmlEventSet_t s, nvmlEventData_t *e, unsigned ms) {
    return ((int (*)(nvmlEventSet_t, nvmlEventData_t *, unsigned))f)(s, e, ms);
}
static int call_free(void *f, nvmlEventSet_t s) { return ((int (*)(nvmlEventSet_t))f)(s); }
static const char *call_string(void *f, int code) { return ((const char *(*)(int))f)(code); }
*/
import "C"

import (
	"fmt"
	"os"
	"unsafe"
)

const (
	nvmlSuccess         = 0
	nvmlNotSupported    = 3
	nvmlTimeout         = 10
	nvmlLibraryNotFound = 12

	eventSingleBitEcc = 1
	eventDoubleBitEcc = 2
	eventXidCritical  = 8
)

// nvml is the driver's management library, as the plugin's container has it.
type nvml struct {
	library unsafe.Pointer
}

// gpu is one GPU and how events name it.
type gpu struct {
	uuid   string
	handle C.nvmlDevice_t
}

type event struct {
	kind, data uint64
	device     C.nvmlDevice_t
}

// present says whether the loader finds a library of that name: the genuine plugin recognises WSL by libdxcore.so.
func present(name string) bool {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	library := C.dlopen(text, C.RTLD_LAZY|C.RTLD_GLOBAL)
	if library == nil {
		return false
	}
	C.dlclose(library)
	return true
}

// openNvml loads libnvidia-ml.so.1 and initialises it. The text is what the genuine plugin prints for the failure.
func openNvml() (*nvml, string) {
	text := C.CString("libnvidia-ml.so.1")
	defer C.free(unsafe.Pointer(text))
	library := C.dlopen(text, C.RTLD_LAZY|C.RTLD_GLOBAL)
	if library == nil {
		return nil, "ERROR_LIBRARY_NOT_FOUND"
	}
	n := &nvml{library}
	if result := C.call0(n.function("nvmlInit_v2")); result != nvmlSuccess {
		said := n.text(int(result))
		C.dlclose(library)
		return nil, said
	}
	return n, ""
}

func (n *nvml) close() {
	C.call0(n.function("nvmlShutdown"))
	C.dlclose(n.library)
}

// function ends the program as the dynamic loader ends the genuine one when the library lacks a function.
func (n *nvml) function(name string) unsafe.Pointer {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	found := C.dlsym(n.library, text)
	if found == nil {
		fmt.Fprintf(os.Stderr, "%s: symbol lookup error: %s: undefined symbol: %s\n", program, program, name)
		os.Exit(127)
	}
	return found
}

func (n *nvml) text(code int) string {
	return C.GoString(C.call_string(n.function("nvmlErrorString"), C.int(code)))
}

func (n *nvml) gpus() ([]gpu, error) {
	var count C.uint
	if result := C.call_count(n.function("nvmlDeviceGetCount_v2"), &count); result != nvmlSuccess {
		return nil, fmt.Errorf("error getting device count: %s", n.text(int(result)))
	}
	var found []gpu
	for i := C.uint(0); i < count; i++ {
		var one gpu
		if result := C.call_handle(n.function("nvmlDeviceGetHandleByIndex_v2"), i, &one.handle); result != nvmlSuccess {
			return nil, fmt.Errorf("error getting device handle for index '%d': %s", i, n.text(int(result)))
		}
		buffer := (*C.char)(C.malloc(96))
		result := C.call_text(n.function("nvmlDeviceGetUUID"), one.handle, buffer, 96)
		one.uuid = C.GoString(buffer)
		C.free(unsafe.Pointer(buffer))
		if result != nvmlSuccess {
			return nil, fmt.Errorf("error getting UUID for index '%d': %s", i, n.text(int(result)))
		}
		found = append(found, one)
	}
	return found, nil
}

type eventSet struct {
	nvml *nvml
	set  C.nvmlEventSet_t
}

func (n *nvml) newEventSet() (*eventSet, error) {
	set := &eventSet{nvml: n}
	if result := C.call_set(n.function("nvmlEventSetCreate"), &set.set); result != nvmlSuccess {
		return nil, fmt.Errorf("failed to create event set: %s", n.text(int(result)))
	}
	return set, nil
}

func (s *eventSet) free() {
	C.call_free(s.nvml.function("nvmlEventSetFree"), s.set)
}

// register asks for a GPU's events, of the kinds that it supports.
func (s *eventSet) register(one gpu) int {
	var kinds C.ulonglong
	if result := C.call_types(s.nvml.function("nvmlDeviceGetSupportedEventTypes"), one.handle, &kinds); result != nvmlSuccess {
		return int(result)
	}
	kinds &= eventSingleBitEcc | eventDoubleBitEcc | eventXidCritical
	return int(C.call_register(s.nvml.function("nvmlDeviceRegisterEvents"), one.handle, kinds, s.set))
}

func (s *eventSet) wait(milliseconds uint) (event, int) {
	data := (*C.nvmlEventData_t)(C.calloc(1, C.sizeof_nvmlEventData_t))
	defer C.free(unsafe.Pointer(data))
	result := C.call_wait(s.nvml.function("nvmlEventSetWait_v2"), s.set, data, C.uint(milliseconds))
	return event{uint64(data.eventType), uint64(data.eventData), data.device}, int(result)
}
