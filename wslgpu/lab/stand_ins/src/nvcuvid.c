/* libnvcuvid stand-in: says what it could decode; it decodes nothing. cuvid.codecs: "h264 hevc vp9 av1", or fewer. */
#include "scenario.h"

#ifdef STAND_IN_GENUINE_HEADERS
#include <ffnvcodec/dynlink_cuda.h>
#include <ffnvcodec/dynlink_nvcuvid.h>
#else
typedef int CUresult;
enum { CUDA_SUCCESS = 0 };
typedef enum {
    cudaVideoCodec_H264 = 4,
    cudaVideoCodec_HEVC = 8,
    cudaVideoCodec_VP9 = 10,
    cudaVideoCodec_AV1 = 11,
} cudaVideoCodec;
typedef enum { cudaVideoChromaFormat_420 = 1 } cudaVideoChromaFormat;
typedef struct {
    cudaVideoCodec eCodecType;
    cudaVideoChromaFormat eChromaFormat;
    unsigned nBitDepthMinus8, reserved1[3];
    unsigned char bIsSupported, nNumNVDECs;
    unsigned short nOutputFormatMask;
    unsigned nMaxWidth, nMaxHeight, nMaxMBCount;
    unsigned short nMinWidth, nMinHeight;
    unsigned char bIsHistogramSupported, nCounterBitDepth;
    unsigned short nMaxHistogramBins;
    unsigned reserved3[10];
} CUVIDDECODECAPS;
typedef CUresult tcuvidGetDecoderCaps(CUVIDDECODECAPS *capabilities);
#endif

const char wslgpu_stand_in[] = "wslgpu lab stand-in of libnvcuvid: it decodes nothing";

/* The headers give the type of a function that is looked up at run time: that is the declaration to agree with. */
STAND_IN_EXPORT tcuvidGetDecoderCaps cuvidGetDecoderCaps;

STAND_IN_EXPORT CUresult cuvidGetDecoderCaps(CUVIDDECODECAPS *capabilities) {
    const char *codecs = setting_text("cuvid.codecs", "h264 hevc vp9 av1"), *name = "none";
    int result;
    if (said("cuvid", __func__, &result)) return (CUresult)result;
    if (!capabilities) return (CUresult)1; /* CUDA_ERROR_INVALID_VALUE, which dynlink_cuda.h lacks */
    if (capabilities->eCodecType == cudaVideoCodec_H264) name = "h264";
    if (capabilities->eCodecType == cudaVideoCodec_HEVC) name = "hevc";
    if (capabilities->eCodecType == cudaVideoCodec_VP9) name = "vp9";
    if (capabilities->eCodecType == cudaVideoCodec_AV1) name = "av1";
    capabilities->bIsSupported = strstr(codecs, name) && capabilities->eChromaFormat == cudaVideoChromaFormat_420;
    capabilities->nNumNVDECs = capabilities->bIsSupported;
    capabilities->nMaxWidth = capabilities->nMaxHeight = 8192;
    capabilities->nMaxMBCount = 262144;
    capabilities->nMinWidth = capabilities->nMinHeight = 48;
    return CUDA_SUCCESS;
}
