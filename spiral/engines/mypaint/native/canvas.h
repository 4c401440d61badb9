// One canvas: libmypaint's tiles, the brush on it, and the 8-bit picture of it.
#pragma once
#include <stdint.h>

#include "mypaint-brush.h"
#include "mypaint-tiled-surface.h"

#include "api.h"

// Where strokes beyond the canvas go. One for each thread: nothing in it outlives a step.
typedef struct {
  uint16_t *pixels;  // one tile
  int dirty;         // painted on since it was last wiped
} Scratch;

typedef struct {
  // Must stay first: libmypaint hands this pointer back when it asks for a tile.
  union {
    MyPaintTiledSurface one;
    MyPaintTiledSurface2 two;
  } surface;
  const Settings *settings;
  uint16_t *tiles;   // [tile rows, tile columns, 64, 64, RGBA], premultiplied, 1.0 = 32768
  uint8_t *frame;    // [height, width, C]
  uint8_t *view;     // [view height, view width, C]; the frame itself where they are the same
  Scratch *scratch;  // of the thread that is painting
  MyPaintBrush *brush;
  double x, y, pressure;  // after the last action
  int painting;           // the last action painted
  int32_t strokes, disjoint;
} Canvas;

int canvas_open(Canvas *canvas, const Settings *settings);  // 0: no memory; close it all the same
void canvas_close(Canvas *canvas);
int canvas_reset(Canvas *canvas, const Recipe *recipe);  // 0: no memory
void canvas_step(Canvas *canvas, const int32_t *action);
