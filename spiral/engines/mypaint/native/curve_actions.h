// An action is one quadratic Bézier curve, or a move: the published interface.
#pragma once
#include "canvas.h"

int curve_step(Canvas *canvas, const int32_t *action);  // 1: it always works
