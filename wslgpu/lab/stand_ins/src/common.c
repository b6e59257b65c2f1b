/* The body of every driver library that the lab only needs to be there: loadable, and honest. */
#include "scenario.h"

const char wslgpu_stand_in[] =
    "wslgpu lab stand-in: this is not an NVIDIA or Microsoft library and it does nothing";
