// The surface and the brush, and what every action interface does with them: docs/method.md, 4.
#include "canvas.h"

#include <stdlib.h>
#include <string.h>

#include "compound_actions.h"
#include "curve_actions.h"
#include "dabs.h"
#include "recipe.h"
#include "readout.h"

// float32 0.1 is slightly more than 0.1, and libmypaint checks whether it is more than 0.100 (docs/method.md, 4).
static const double DTIME = 0.1f;

static void fill(uint16_t *pixels, size_t count, uint16_t value) {
  for (size_t i = 0; i < count; i++) pixels[i] = value;
}

static void request_start(Canvas *canvas, MyPaintTileRequest *request) {
  const Settings *s = canvas->settings;
  const int columns = s->width / TILE, rows = s->height / TILE;
  if (request->tx >= 0 && request->ty >= 0 && request->tx < columns && request->ty < rows) {
    request->buffer = canvas->tiles + (size_t)TILE_ELEMENTS * (request->ty * columns + request->tx);
    return;
  }
  Scratch *scratch = canvas->scratch;
  // The published surface wipes after every write; only a brush that reads can see the difference.
  if (request->readonly && scratch->dirty) {
    fill(scratch->pixels, TILE_ELEMENTS, s->background);
    scratch->dirty = 0;
  }
  if (!request->readonly) scratch->dirty = 1;
  request->buffer = scratch->pixels;
}

static void request_start_1(MyPaintTiledSurface *surface, MyPaintTileRequest *request) {
  request_start((Canvas *)surface, request);
}

static void request_start_2(MyPaintTiledSurface2 *surface, MyPaintTileRequest *request) {
  request_start((Canvas *)surface, request);
}

static void request_end_1(MyPaintTiledSurface *surface, MyPaintTileRequest *request) {
  (void)surface, (void)request;
}

static void request_end_2(MyPaintTiledSurface2 *surface, MyPaintTileRequest *request) {
  (void)surface, (void)request;
}

int canvas_open(Canvas *canvas, const Settings *s) {
  *canvas = (Canvas){.settings = s};
  if (s->view_zoom > 0) {
    mypaint_tiled_surface2_init(&canvas->surface.two, request_start_2, request_end_2);
  } else {
    mypaint_tiled_surface_init(&canvas->surface.one, request_start_1, request_end_1);
  }
  dabs_watch(canvas);
  const size_t pixels = (size_t)s->height * s->width;
  canvas->tiles = aligned_alloc(64, pixels * 4 * sizeof(uint16_t));
  canvas->frame = malloc(pixels * s->channels);
  if (s->view_height == s->height && s->view_width == s->width) {
    canvas->view = canvas->frame;
  } else {
    canvas->view = malloc((size_t)s->view_height * s->view_width * s->channels);
  }
  return canvas->tiles && canvas->frame && canvas->view;
}

void canvas_close(Canvas *canvas) {
  if (!canvas->settings) return;
  if (canvas->settings->view_zoom > 0) {
    mypaint_tiled_surface2_destroy(&canvas->surface.two);
  } else {
    mypaint_tiled_surface_destroy(&canvas->surface.one);
  }
  if (canvas->brush) mypaint_brush_unref(canvas->brush);
  if (canvas->view != canvas->frame) free(canvas->view);
  free(canvas->dab);
  free(canvas->knot);
  free(canvas->frame);
  free(canvas->tiles);
}

void stroke_to(Canvas *canvas, double x, double y, double pressure) {
  const float zoom = canvas->settings->view_zoom;
  if (zoom > 0) {
    mypaint_brush_stroke_to_2(canvas->brush, &canvas->surface.two.parent, (float)x, (float)y, (float)pressure, 0, 0,
                              DTIME, zoom, 0, 0);
  } else {
    mypaint_brush_stroke_to(canvas->brush, &canvas->surface.one.parent, (float)x, (float)y, (float)pressure, 0, 0,
                            DTIME);
  }
}

// stroke_to_2 reads the dabs per radius of the previous dab, which is uninitialized memory in a new brush object.
// A call over no distance computes it; the states are then restored, so that the call changes nothing else.
static void settle(Canvas *canvas) {
  float state[MYPAINT_BRUSH_STATES_COUNT];
  for (int i = 0; i < MYPAINT_BRUSH_STATES_COUNT; i++) state[i] = mypaint_brush_get_state(canvas->brush, i);
  stroke_to(canvas, 0, 0, 0);
  for (int i = 0; i < MYPAINT_BRUSH_STATES_COUNT; i++) mypaint_brush_set_state(canvas->brush, i, state[i]);
}

static void set_colour(MyPaintBrush *brush, double hue, double saturation, double value) {
  mypaint_brush_set_base_value(brush, MYPAINT_BRUSH_SETTING_COLOR_H, (float)hue);
  mypaint_brush_set_base_value(brush, MYPAINT_BRUSH_SETTING_COLOR_S, (float)saturation);
  mypaint_brush_set_base_value(brush, MYPAINT_BRUSH_SETTING_COLOR_V, (float)value);
}

static void set_rgb(MyPaintBrush *brush, double red, double green, double blue) {
  double largest = red > green ? red : green, smallest = red < green ? red : green;
  if (blue > largest) largest = blue;
  if (blue < smallest) smallest = blue;
  const double delta = largest - smallest;
  double hue = 0, saturation = 0;
  if (delta > 0.0001) {
    saturation = delta / largest;
    if (red == largest) {
      hue = (green - blue) / delta;
      if (hue < 0) hue += 6;
    } else if (green == largest) {
      hue = 2 + (blue - red) / delta;
    } else {
      hue = 4 + (red - green) / delta;
    }
    hue /= 6;
  }
  set_colour(brush, hue, saturation, largest);
}

Ink ink_of(const Settings *s, const int32_t *action) {
  const int *column = s->column;
  Ink ink = {
      .pressure = column[PRESSURE] < 0 ? 1.0 : s->pressure[action[column[PRESSURE]]],
      .log_radius = s->log_radius[column[SIZE] < 0 ? 0 : action[column[SIZE]]],
  };
  if (column[RED] >= 0) {
    ink.coloured = 1;
    ink.red = s->level[action[column[RED]]];
    ink.green = s->level[action[column[GREEN]]];
    ink.blue = s->level[action[column[BLUE]]];
  }
  return ink;
}

void take_ink(Canvas *canvas, const Ink *ink) {
  mypaint_brush_set_base_value(canvas->brush, MYPAINT_BRUSH_SETTING_RADIUS_LOGARITHMIC, ink->log_radius);
  if (ink->coloured) set_rgb(canvas->brush, ink->red, ink->green, ink->blue);
}

Place place_of(const Settings *s, int place) {
  const int rows = s->grid_rows ? s->grid_rows : s->grid;
  return (Place){(double)s->width * (place % s->grid) / s->grid, (double)s->height * (place / s->grid) / rows};
}

void move_to(Canvas *canvas, double x, double y) {
  mypaint_brush_reset(canvas->brush);
  mypaint_brush_new_stroke(canvas->brush);
  stroke_to(canvas, x, y, 0);
}

int canvas_reset(Canvas *canvas, const Recipe *recipe) {
  const Settings *s = canvas->settings;
  MyPaintBrush *fresh = recipe_make(recipe, s);
  if (!fresh) return NO_MEMORY;
  if (canvas->brush) mypaint_brush_unref(canvas->brush);
  canvas->brush = fresh;
  canvas->x = canvas->y = canvas->pressure = 0;
  canvas->painting = 0;
  canvas->knots = 0;
  canvas->strokes = canvas->disjoint = 0;
  canvas->dabs = 0;
  fill(canvas->tiles, (size_t)s->height * s->width * 4, s->background);
  move_to(canvas, 0, 0);
  // After the move, as published: tracking noise takes its radius from the brush file here.
  mypaint_brush_set_base_value(fresh, MYPAINT_BRUSH_SETTING_RADIUS_LOGARITHMIC, s->log_radius[0]);
  set_colour(fresh, 0, 0, 0);
  if (s->view_zoom > 0) settle(canvas);
  read_out(canvas, (MyPaintRectangle){0, 0, s->width, s->height});
  return DONE;
}

static void begin_atomic(Canvas *canvas) {
  // Both kinds of surface start with a MyPaintSurface.
  mypaint_surface_begin_atomic(&canvas->surface.one.parent);
}

static MyPaintRectangle end_atomic(Canvas *canvas) {
  MyPaintRectangle changed = {0};
  if (canvas->settings->view_zoom > 0) {
    MyPaintRectangles list = {1, &changed};
    mypaint_surface2_end_atomic(&canvas->surface.two.parent, &list);
  } else {
    mypaint_surface_end_atomic(&canvas->surface.one.parent, &changed);
  }
  return changed;
}

static int act(Canvas *canvas, const int32_t *action) {
  return canvas->settings->compound ? compound_step(canvas, action) : curve_step(canvas, action);
}

int canvas_step(Canvas *canvas, const int32_t *action) {
  canvas->queued = canvas->pixels = canvas->dabs = 0;
  canvas->outcome = DONE;
  begin_atomic(canvas);
  canvas->stepping = 1;
  if (!setjmp(canvas->give_up) && !act(canvas, action)) canvas->outcome = NO_MEMORY;
  canvas->stepping = 0;
  const MyPaintRectangle changed = end_atomic(canvas);
  if (changed.width > 0) read_out(canvas, changed);
  return canvas->outcome;
}
