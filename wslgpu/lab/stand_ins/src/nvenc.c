/* libnvidia-encode stand-in: opens sessions and names its codecs; it encodes nothing.
 *
 * nvenc.version: major << 4 | minor. nvenc.codecs: "h264 hevc av1", or fewer. nvEncodeAPI.h comes with Debian's
 * libffmpeg-nvenc-dev, which is older than AV1: that one number is ours in both builds. */
#include "scenario.h"

#ifdef STAND_IN_GENUINE_HEADERS
#include <ffnvcodec/nvEncodeAPI.h>
#else
typedef struct { uint32_t Data1; uint16_t Data2, Data3; uint8_t Data4[8]; } GUID;
typedef enum {
    NV_ENC_SUCCESS = 0,
    NV_ENC_ERR_INVALID_ENCODERDEVICE = 3,
    NV_ENC_ERR_INVALID_PTR = 6,
    NV_ENC_ERR_INVALID_PARAM = 8,
    NV_ENC_ERR_INVALID_VERSION = 15,
    NV_ENC_ERR_UNIMPLEMENTED = 22,
} NVENCSTATUS;
typedef enum { NV_ENC_DEVICE_TYPE_CUDA = 1 } NV_ENC_DEVICE_TYPE;
typedef struct {
    uint32_t version;
    NV_ENC_DEVICE_TYPE deviceType;
    void *device, *reserved;
    uint32_t apiVersion, reserved1[253];
    void *reserved2[64];
} NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS;
typedef struct {
    uint32_t version, reserved;
    void *nvEncOpenEncodeSession;
    NVENCSTATUS (*nvEncGetEncodeGUIDCount)(void *encoder, uint32_t *count);
    void *profiles[2];
    NVENCSTATUS (*nvEncGetEncodeGUIDs)(void *encoder, GUID *guids, uint32_t room, uint32_t *count);
    void *pictures[22];
    NVENCSTATUS (*nvEncDestroyEncoder)(void *encoder);
    void *nvEncInvalidateRefFrames;
    NVENCSTATUS (*nvEncOpenEncodeSessionEx)(NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS *parameters, void **encoder);
    void *resources[7];
    const char *(*nvEncGetLastErrorString)(void *encoder);
    void *reserved2[280];
} NV_ENCODE_API_FUNCTION_LIST;
static const GUID NV_ENC_CODEC_H264_GUID = {0x6bc82762, 0x4e63, 0x4ca4, {0xaa, 0x85, 0x1e, 0x50, 0xf3, 0x21, 0xf6, 0xbf}};
static const GUID NV_ENC_CODEC_HEVC_GUID = {0x790cdc88, 0x4522, 0x4d7b, {0x94, 0x25, 0xbd, 0xa9, 0x97, 0x5f, 0x76, 0x03}};
#endif

static const GUID AV1_GUID = {0x0a352289, 0x0aa7, 0x4759, {0x86, 0x2d, 0x5d, 0x15, 0xcd, 0x16, 0xd2, 0x54}};

const char wslgpu_stand_in[] = "wslgpu lab stand-in of libnvidia-encode: it encodes nothing";

#define ANSWER(function) \
    do { int said_; if (said("nvenc", function, &said_)) return (NVENCSTATUS)said_; } while (0)

/* NVIDIA's names for the sessions' functions are slots of a list; settings name them so: nvenc.nvEncOpenEncodeSessionEx */
static NVENCSTATUS open_session(NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS *parameters, void **encoder) {
    static int session;
    ANSWER("nvEncOpenEncodeSessionEx");
    if (!parameters || !encoder) return NV_ENC_ERR_INVALID_PTR;
    uint32_t asked = (parameters->apiVersion & 0xff) << 4 | parameters->apiVersion >> 24;
    if (asked > setting("nvenc.version", 13 << 4)) return NV_ENC_ERR_INVALID_VERSION;
    if (parameters->deviceType != NV_ENC_DEVICE_TYPE_CUDA || !parameters->device) return NV_ENC_ERR_INVALID_ENCODERDEVICE;
    *encoder = &session;
    return NV_ENC_SUCCESS;
}

static uint32_t codecs(GUID *out) {
    const char *names = setting_text("nvenc.codecs", "h264 hevc av1");
    uint32_t count = 0;
    if (strstr(names, "h264")) out[count++] = NV_ENC_CODEC_H264_GUID;
    if (strstr(names, "hevc")) out[count++] = NV_ENC_CODEC_HEVC_GUID;
    if (strstr(names, "av1")) out[count++] = AV1_GUID;
    return count;
}

static NVENCSTATUS guid_count(void *encoder, uint32_t *count) {
    GUID found[3];
    ANSWER("nvEncGetEncodeGUIDCount");
    if (!encoder || !count) return NV_ENC_ERR_INVALID_PTR;
    *count = codecs(found);
    return NV_ENC_SUCCESS;
}

static NVENCSTATUS guids(void *encoder, GUID *out, uint32_t room, uint32_t *count) {
    GUID found[3];
    ANSWER("nvEncGetEncodeGUIDs");
    if (!encoder || !out || !count) return NV_ENC_ERR_INVALID_PTR;
    *count = codecs(found);
    if (*count > room) *count = room;
    memcpy(out, found, *count * sizeof *out);
    return NV_ENC_SUCCESS;
}

static NVENCSTATUS destroy(void *encoder) { ANSWER("nvEncDestroyEncoder"); return encoder ? NV_ENC_SUCCESS : NV_ENC_ERR_INVALID_PTR; }
static const char *last_error(void *encoder) { (void)encoder; return wslgpu_stand_in; }
static NVENCSTATUS refuse(void) { return NV_ENC_ERR_UNIMPLEMENTED; }

STAND_IN_EXPORT NVENCSTATUS NvEncodeAPIGetMaxSupportedVersion(uint32_t *version);
STAND_IN_EXPORT NVENCSTATUS NvEncodeAPIGetMaxSupportedVersion(uint32_t *version) {
    ANSWER(__func__);
    if (!version) return NV_ENC_ERR_INVALID_PTR;
    *version = (uint32_t)setting("nvenc.version", 13 << 4);
    return NV_ENC_SUCCESS;
}

STAND_IN_EXPORT NVENCSTATUS NvEncodeAPICreateInstance(NV_ENCODE_API_FUNCTION_LIST *list);
STAND_IN_EXPORT NVENCSTATUS NvEncodeAPICreateInstance(NV_ENCODE_API_FUNCTION_LIST *list) {
    NVENCSTATUS (*const refused)(void) = refuse;
    ANSWER(__func__);
    if (!list) return NV_ENC_ERR_INVALID_PTR;
    /* every slot up to the named ones' last refuses; the reserved ones behind are left alone */
    for (char *slot = (char *)&list->nvEncOpenEncodeSession; slot <= (char *)&list->nvEncGetLastErrorString; slot += sizeof refused)
        memcpy(slot, &refused, sizeof refused);
    list->nvEncOpenEncodeSessionEx = open_session;
    list->nvEncGetEncodeGUIDCount = guid_count;
    list->nvEncGetEncodeGUIDs = guids;
    list->nvEncDestroyEncoder = destroy;
    list->nvEncGetLastErrorString = last_error;
    return NV_ENC_SUCCESS;
}
