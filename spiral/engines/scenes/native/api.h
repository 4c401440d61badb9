// The C declarations of the functions that Python calls.
#pragma once
#include <stdint.h>

#include "api.cdef"
