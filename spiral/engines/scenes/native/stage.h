// The picture without objects, and how each object looks on its own.
#pragma once
#include <stddef.h>

#include "shapes.h"

// Pixels from left to right - 1 and from top to bottom - 1.
typedef struct {
  int left, top, right, bottom;
} Rectangle;

// How an object looks, whatever its color: its pixels, row by row.
typedef struct {
  Rectangle at;
  float *depth;     // INFINITY outside the object
  uint16_t *shade;  // 0 … SHADE_ONE
  uint16_t *run;    // for each row: column of its first pixel, and of the pixel after its last
} Sprite;

enum { SHADE_BITS = 15, SHADE_ONE = 1 << SHADE_BITS };

struct Stage {
  StageSettings settings;
  uint8_t *background;  // [side, side, 3]
  uint8_t level[4];     // 0 … 255 of a color's bins
  Sprite *table;        // [type, size, place], or NULL
};

Rectangle rectangle_common(Rectangle one, Rectangle other);
int rectangle_empty(Rectangle rectangle);

// The sprite of an object's type, place and size (its first three attributes). scratch: the caller's own sprite, which
// is overwritten if none are tabulated; its memory grows as needed. NULL if memory runs out.
const Sprite *stage_sprite(const Stage *stage, const int32_t *attributes, Sprite *scratch, size_t *capacity);
// An area that contains the sprite, computed without drawing it.
Rectangle stage_reach(const Stage *stage, const int32_t *attributes);
