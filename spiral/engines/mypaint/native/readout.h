// From libmypaint's 15-bit tiles to 8-bit pictures.
#pragma once
#include "canvas.h"

enum { TILE = MYPAINT_TILE_SIZE, TILE_ELEMENTS = TILE * TILE * 4 };

// Brings the changed part of the canvas' frame and view up to date.
void read_out(Canvas *canvas, MyPaintRectangle changed);
