// What Python calls, for C.
#pragma once
#include <stdint.h>

#include "api.cdef"
