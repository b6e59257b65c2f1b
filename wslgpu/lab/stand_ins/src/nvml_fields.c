/* libnvidia-ml stand-in: one number or text per question. nvml.value.NAME replaces the value given here. */
#include "nvml_stand_in.h"

#define VALUE(function, type, name, value)                         \
    API function(nvmlDevice_t d, type *out) {                      \
        NEED_DEVICE(d);                                            \
        NEED(out);                                                 \
        *out = (type)setting("nvml.value." name, (long long)(value)); \
        return NVML_SUCCESS;                                       \
    }

#define TEXT(function, name, value)                                          \
    API function(nvmlDevice_t d, char *out, unsigned length) {               \
        NEED_DEVICE(d);                                                      \
        return give_text(out, length, setting_text("nvml.value." name, value)); \
    }

VALUE(nvmlDeviceGetMinorNumber, unsigned, "minor_number", d->index)
VALUE(nvmlDeviceGetPowerUsage, unsigned, "power_usage", 22500 + 1000 * d->index)
VALUE(nvmlDeviceGetEnforcedPowerLimit, unsigned, "power_limit", 275000)
VALUE(nvmlDeviceGetPowerManagementLimit, unsigned, "power_limit", 275000)
VALUE(nvmlDeviceGetFanSpeed, unsigned, "fan_speed", 30)
VALUE(nvmlDeviceGetPerformanceState, nvmlPstates_t, "performance_state", 8)
VALUE(nvmlDeviceGetPersistenceMode, nvmlEnableState_t, "persistence_mode", 1)
VALUE(nvmlDeviceGetComputeMode, nvmlComputeMode_t, "compute_mode", 0)
VALUE(nvmlDeviceGetDisplayActive, nvmlEnableState_t, "display_active", 0)
VALUE(nvmlDeviceGetDisplayMode, nvmlEnableState_t, "display_mode", 0)
VALUE(nvmlDeviceGetAccountingMode, nvmlEnableState_t, "accounting_mode", 0)
VALUE(nvmlDeviceGetCurrentClocksEventReasons, unsigned long long, "throttle_reasons", 1)
VALUE(nvmlDeviceGetCurrentClocksThrottleReasons, unsigned long long, "throttle_reasons", 1)
VALUE(nvmlDeviceGetTotalEnergyConsumption, unsigned long long, "total_energy", 123456789)
VALUE(nvmlDeviceGetArchitecture, nvmlDeviceArchitecture_t, "architecture", 8)
VALUE(nvmlDeviceGetBrand, nvmlBrandType_t, "brand", 14)
VALUE(nvmlDeviceGetCurrPcieLinkGeneration, unsigned, "pcie_link_generation", 4)
VALUE(nvmlDeviceGetMaxPcieLinkGeneration, unsigned, "pcie_link_generation", 4)
VALUE(nvmlDeviceGetCurrPcieLinkWidth, unsigned, "pcie_link_width", 16)
VALUE(nvmlDeviceGetMaxPcieLinkWidth, unsigned, "pcie_link_width", 16)
VALUE(nvmlDeviceGetVirtualizationMode, nvmlGpuVirtualizationMode_t, "virtualization_mode", 0)
VALUE(nvmlDeviceIsMigDeviceHandle, unsigned, "mig_device", 0)
VALUE(nvmlDeviceGetMaxMigDeviceCount, unsigned, "mig_devices", 0)
TEXT(nvmlDeviceGetVbiosVersion, "vbios_version", "95.02.3C.00.01")
TEXT(nvmlDeviceGetBoardPartNumber, "board_part_number", "stand-in")
TEXT(nvmlDeviceGetSerial, "serial", "0000000000000")

API nvmlDeviceGetTemperature(nvmlDevice_t d, nvmlTemperatureSensors_t sensor, unsigned *out) {
    (void)sensor;
    NEED_DEVICE(d);
    NEED(out);
    *out = (unsigned)setting("nvml.value.temperature", 41 + d->index);
    return NVML_SUCCESS;
}

API nvmlDeviceGetTemperatureV(nvmlDevice_t d, nvmlTemperature_t *out) {
    NEED_DEVICE(d);
    NEED(out);
    if (out->version != nvmlTemperature_v1) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    out->temperature = (int)setting("nvml.value.temperature", 41 + d->index);
    return NVML_SUCCESS;
}

API nvmlDeviceGetUtilizationRates(nvmlDevice_t d, nvmlUtilization_t *out) {
    NEED_DEVICE(d);
    NEED(out);
    out->gpu = (unsigned)setting("nvml.value.utilization", 0);
    out->memory = (unsigned)setting("nvml.value.memory_utilization", 0);
    return NVML_SUCCESS;
}

API nvmlDeviceGetClockInfo(nvmlDevice_t d, nvmlClockType_t type, unsigned *out) {
    NEED_DEVICE(d);
    NEED(out);
    *out = type == NVML_CLOCK_MEM ? 405 : 210;
    return NVML_SUCCESS;
}

API nvmlDeviceGetMaxClockInfo(nvmlDevice_t d, nvmlClockType_t type, unsigned *out) {
    NEED_DEVICE(d);
    NEED(out);
    *out = type == NVML_CLOCK_MEM ? 9001 : 2520;
    return NVML_SUCCESS;
}

API nvmlDeviceGetCudaComputeCapability(nvmlDevice_t d, int *major, int *minor) {
    NEED_DEVICE(d);
    NEED(major && minor);
    *major = 8;
    *minor = 9;
    return NVML_SUCCESS;
}

/* 0 WDDM, 1 WDM, which Windows' tools call TCC, 2 MCDM */
API nvmlDeviceGetDriverModel_v2(nvmlDevice_t d, nvmlDriverModel_t *now, nvmlDriverModel_t *pending) {
    NEED_DEVICE(d);
    NEED(now && pending);
    *now = *pending = (nvmlDriverModel_t)setting("nvml.value.driver_model", NVML_DRIVER_WDDM);
    return NVML_SUCCESS;
}
API nvmlDeviceGetDriverModel(nvmlDevice_t d, nvmlDriverModel_t *now, nvmlDriverModel_t *pending) {
    return nvmlDeviceGetDriverModel_v2(d, now, pending);
}

API nvmlDeviceGetEccMode(nvmlDevice_t d, nvmlEnableState_t *now, nvmlEnableState_t *pending) {
    NEED_DEVICE(d);
    NEED(now && pending);
    *now = *pending = (nvmlEnableState_t)setting("nvml.value.ecc_mode", NVML_FEATURE_DISABLED);
    return NVML_SUCCESS;
}

API nvmlDeviceGetTotalEccErrors(nvmlDevice_t d, nvmlMemoryErrorType_t type, nvmlEccCounterType_t counter,
                                unsigned long long *out) {
    (void)type, (void)counter;
    NEED_DEVICE(d);
    NEED(out);
    *out = 0;
    return NVML_SUCCESS;
}

API nvmlDeviceGetMigMode(nvmlDevice_t d, unsigned *now, unsigned *pending) {
    NEED_DEVICE(d);
    NEED(now && pending);
    *now = *pending = (unsigned)setting("nvml.value.mig_mode", 0);
    return NVML_SUCCESS;
}

API nvmlDeviceGetEncoderUtilization(nvmlDevice_t d, unsigned *percent, unsigned *period) {
    NEED_DEVICE(d);
    NEED(percent && period);
    *percent = (unsigned)setting("nvml.value.encoder_utilization", 0);
    *period = 167000;
    return NVML_SUCCESS;
}

API nvmlDeviceGetDecoderUtilization(nvmlDevice_t d, unsigned *percent, unsigned *period) {
    NEED_DEVICE(d);
    NEED(percent && period);
    *percent = (unsigned)setting("nvml.value.decoder_utilization", 0);
    *period = 167000;
    return NVML_SUCCESS;
}

API nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t d, nvmlBAR1Memory_t *out) {
    NEED_DEVICE(d);
    NEED(out);
    out->bar1Total = 256ULL << 20;
    out->bar1Used = 2ULL << 20;
    out->bar1Free = out->bar1Total - out->bar1Used;
    return NVML_SUCCESS;
}

API nvmlDeviceGetPcieThroughput(nvmlDevice_t d, nvmlPcieUtilCounter_t counter, unsigned *out) {
    (void)counter;
    NEED_DEVICE(d);
    NEED(out);
    *out = 0;
    return NVML_SUCCESS;
}

/* nvml.nvlinks: links per GPU, all of them up; none is a board without NVLink, which refuses the question. */
API nvmlDeviceGetNvLinkState(nvmlDevice_t d, unsigned link, nvmlEnableState_t *out) {
    NEED_DEVICE(d);
    NEED(out);
    if (setting("nvml.nvlinks", 0) == 0) return NVML_ERROR_NOT_SUPPORTED;
    if ((long long)link >= setting("nvml.nvlinks", 0)) return NVML_ERROR_INVALID_ARGUMENT;
    *out = NVML_FEATURE_ENABLED;
    return NVML_SUCCESS;
}

API nvmlDeviceGetFieldValues(nvmlDevice_t d, int count, nvmlFieldValue_t *values) {
    NEED_DEVICE(d);
    NEED(values);
    for (int i = 0; i < count; i++) {
        values[i].timestamp = values[i].latencyUsec = 0;
        values[i].valueType = NVML_VALUE_TYPE_UNSIGNED_INT;
        values[i].value.uiVal = (unsigned)setting("nvml.nvlinks", 0);
        values[i].nvmlReturn =
            values[i].fieldId == NVML_FI_DEV_NVLINK_LINK_COUNT ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
    }
    return NVML_SUCCESS;
}

API nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t d, nvmlDevice_t other, nvmlGpuTopologyLevel_t *out) {
    NEED_DEVICE(d);
    if (!out || !KNOWN(other)) return NVML_ERROR_INVALID_ARGUMENT;
    *out = d == other ? NVML_TOPOLOGY_INTERNAL : NVML_TOPOLOGY_SYSTEM;
    return NVML_SUCCESS;
}

API nvmlGpmQueryDeviceSupport(nvmlDevice_t d, nvmlGpmSupport_t *out) {
    NEED_DEVICE(d);
    NEED(out);
    out->isSupportedDevice = (unsigned)setting("nvml.value.gpm_support", 0);
    return NVML_SUCCESS;
}

API nvmlDeviceGetRetiredPages(nvmlDevice_t d, nvmlPageRetirementCause_t cause, unsigned *count,
                              unsigned long long *addresses) {
    (void)cause, (void)addresses;
    NEED_DEVICE(d);
    NEED(count);
    *count = 0;
    return NVML_SUCCESS;
}

API nvmlDeviceGetRemappedRows(nvmlDevice_t d, unsigned *corrected, unsigned *uncorrected, unsigned *pending,
                              unsigned *failed) {
    NEED_DEVICE(d);
    NEED(corrected && uncorrected && pending && failed);
    *corrected = *uncorrected = *pending = *failed = 0;
    return NVML_SUCCESS;
}
