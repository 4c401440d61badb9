// Works around libmypaint 1.6, which ends the process at some dabs of the brushes in its own packs.
#pragma once
#include "canvas.h"

typedef struct {
  float x, y, radius, red, green, blue, opaque, hardness, alpha, aspect_ratio, angle;
  float lock_alpha, colorize, posterize, posterize_num, paint;
} Dab;

// Gives the dab its intended radius if libmypaint divided by zero to compute it.
void mend_radius(const Canvas *canvas, Dab *dab);
// Draws the dab as intended; skips a dab with a value that is not a number. Returns whether the surface changes.
int draw_mended(Canvas *canvas, const Dab *dab);
// Whether there is no pixel to take a color from; the color is then that of a blank canvas.
int picks_blank(const Canvas *canvas, float x, float y, float radius, float *red, float *green, float *blue,
                float *alpha);
