// A stroke is a cubic spline through places, one place per action.
#pragma once
#include "canvas.h"

int compound_step(Canvas *canvas, const int32_t *action);  // 0: no memory
