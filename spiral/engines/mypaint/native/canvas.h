// One canvas: libmypaint's tiles, the brush on it, and the 8-bit picture of it.
#pragma once
#include <setjmp.h>
#include <stdint.h>

#include "mypaint-brush.h"
#include "mypaint-tiled-surface.h"

#include "api.h"
#include "watch.h"

enum { FLAG, END, CONTROL, SIZE, PRESSURE, RED, GREEN, BLUE };  // order of Settings.column
enum { SEGMENTS = 50 };                                         // sub-strokes from one place to the next

// The tile for strokes beyond the canvas. One per thread is enough: nothing in it outlives a step.
typedef struct {
  uint16_t *pixels;  // one tile
  int dirty;         // painted on since the last wipe
} Scratch;

typedef struct {
  double x, y;  // pixels
} Place;

// The look of a stroke, as its action sets it.
typedef struct {
  double pressure;
  float log_radius;
  int coloured;
  double red, green, blue;
} Ink;

// A place that a compound stroke goes through.
typedef struct {
  Place place;
  Place bend;    // second derivative of the spline here
  double chord;  // distance to the next knot
  double share;  // of the next knot's bend in this one's, while the bends are computed
} Knot;

typedef struct {
  // Must stay first: libmypaint hands this pointer back when it asks for a tile.
  union {
    MyPaintTiledSurface one;
    MyPaintTiledSurface2 two;
  } surface;
  const Settings *settings;
  uint16_t *tiles;   // [tile rows, tile columns, 64, 64, RGBA], premultiplied, 1.0 = 32768
  uint8_t *frame;    // [height, width, C]
  uint8_t *view;     // [view height, view width, C]; the frame itself if the sizes are equal
  Scratch *scratch;  // belongs to the painting thread
  Watch *watch;      // belongs to that thread
  MyPaintBrush *brush;
  int32_t strokes, disjoint;
  // The current step: its cost so far, and its outcome.
  int stepping, outcome;
  int64_t queued, pixels;
  jmp_buf give_up;
  // Dabs of the last step.
  int keeps_dabs;
  KeptDab *dab;
  int64_t dabs, dab_room;  // number in use, and capacity
  // Libmypaint's own.
  MyPaintSurfaceDrawDabFunction draw_dab;
  MyPaintSurfaceDrawDabFunction2 draw_dab_pigment;
  MyPaintSurfaceGetColorFunction get_color;
  MyPaintSurfaceGetColorFunction2 get_color_pigment;
  // Curves.
  double x, y, pressure;  // after the last action
  int painting;           // the last action painted
  // Compound strokes.
  Knot *knot;       // the knots of the uncommitted stroke
  int knots, room;  // number in use, and capacity
  Ink ink;          // the ink with which the stroke began
} Canvas;

int canvas_open(Canvas *canvas, const Settings *settings);  // 0: no memory; close it in any case
void canvas_close(Canvas *canvas);
int canvas_reset(Canvas *canvas, const Recipe *recipe);      // DONE or NO_MEMORY
int canvas_step(Canvas *canvas, const int32_t *action);      // DONE, or why it failed

// For the action interfaces, between the beginning and the end of a step.
Place place_of(const Settings *settings, int place);
Ink ink_of(const Settings *settings, const int32_t *action);
void take_ink(Canvas *canvas, const Ink *ink);
void stroke_to(Canvas *canvas, double x, double y, double pressure);
void move_to(Canvas *canvas, double x, double y);  // lifts the pen
