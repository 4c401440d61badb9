// libmypaint 1.6 ends the process at some of the dabs that brushes of its own packs ask for.
#pragma once
#include "canvas.h"

typedef struct {
  float x, y, radius, red, green, blue, opaque, hardness, alpha, aspect_ratio, angle;
  float lock_alpha, colorize, posterize, posterize_num, paint;
} Dab;

// Gives the dab the radius that was meant, where libmypaint divided by zero for it.
void mend_radius(const Canvas *canvas, Dab *dab);
// Draws the dab as it was meant; one that has no number somewhere is left out. Returns whether the surface changes.
int draw_mended(Canvas *canvas, const Dab *dab);
// Whether no pixel is there to take a colour from; then the colour is a blank canvas'.
int picks_blank(const Canvas *canvas, float x, float y, float radius, float *red, float *green, float *blue,
                float *alpha);
