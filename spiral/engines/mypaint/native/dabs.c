#include "dabs.h"

#include <math.h>
#include <stdlib.h>

#include "mending.h"
#include "readout.h"

// The fixed cost of a dab, in pixels that could be painted in the same time.
static const int64_t OVERHEAD = 256;

// Jumps out of the stroke through libmypaint, whose loop over the dabs of a stroke cannot be stopped otherwise. It holds
// no lock and no memory there, and the brush is not used again until a new one has been made.
static void give_up(Canvas *canvas, int why) {
  canvas->outcome = why;
  longjmp(canvas->give_up, 1);
}

// libmypaint queues dabs and paints them at the end of a step, so the cost of a dab is known before it is painted.
static void reckon(Canvas *canvas, float x, float y, float radius, int queues) {
  if (!canvas->stepping) return;  // making a brush paints at most one dab
  const float reach = radius + 1;
  const int64_t columns = (int64_t)(floorf((x + reach) / TILE) - floorf((x - reach) / TILE)) + 1;
  const int64_t rows = (int64_t)(floorf((y + reach) / TILE) - floorf((y - reach) / TILE)) + 1;
  if (queues) canvas->queued += rows * columns;
  canvas->pixels += OVERHEAD + (int64_t)(4 * reach * reach);
  if (canvas->queued > canvas->settings->max_queued || canvas->pixels > canvas->settings->max_pixels) give_up(canvas, TOO_MUCH);
  if (!watch_goes_on(canvas->watch)) give_up(canvas, STOPPED);
}

// Dabs beyond the canvas are never seen, and libmypaint needs memory for all tiles on the way there. It also cannot
// handle values that are not finite.
static int is_beyond(const Canvas *canvas, float x, float y, float radius) {
  const float reach = radius + 2;
  const Settings *s = canvas->settings;
  return !(x + reach >= 0 && y + reach >= 0 && x - reach <= s->width && y - reach <= s->height);
}

// A dab fades from its middle to its rim, so its visible radius is (1 + hardness) / 2 of its radius; by the same rule
// libmypaint trades radius for hardness when it smooths the rim of a small dab.
static void keep(Canvas *canvas, const Dab *dab) {
  if (!(dab->opaque > 0) || !isfinite(dab->radius) || !isfinite(dab->hardness)) return;
  if (canvas->dabs == canvas->dab_room) {
    const int64_t room = canvas->dab_room ? 2 * canvas->dab_room : 256;
    KeptDab *larger = realloc(canvas->dab, room * sizeof(KeptDab));
    if (!larger) give_up(canvas, NO_MEMORY);
    canvas->dab = larger;
    canvas->dab_room = room;
  }
  const float radius = dab->radius * (1 + fminf(fmaxf(dab->hardness, 0), 1)) / 2;
  canvas->dab[canvas->dabs++] = (KeptDab){dab->x, dab->y, radius, dab->opaque, dab->red, dab->green, dab->blue};
}

static int offer(Canvas *canvas, Dab *dab) {
  mend_radius(canvas, dab);
  if (is_beyond(canvas, dab->x, dab->y, dab->radius)) return 1;
  reckon(canvas, dab->x, dab->y, dab->radius, 1);
  if (canvas->keeps_dabs && canvas->stepping) keep(canvas, dab);
  return draw_mended(canvas, dab);
}

static int draw_dab(MyPaintSurface *surface, float x, float y, float radius, float red, float green, float blue,
                    float opaque, float hardness, float alpha_eraser, float aspect_ratio, float angle,
                    float lock_alpha, float colorize) {
  Dab dab = {x,          y,        radius, red, green, blue, opaque, hardness, alpha_eraser, aspect_ratio, angle,
             lock_alpha, colorize, 0,      0,   0};
  return offer((Canvas *)surface, &dab);
}

static int draw_dab_pigment(MyPaintSurface2 *surface, float x, float y, float radius, float red, float green,
                            float blue, float opaque, float hardness, float alpha_eraser, float aspect_ratio,
                            float angle, float lock_alpha, float colorize, float posterize, float posterize_num,
                            float paint) {
  Dab dab = {x,          y,        radius,    red,           green, blue, opaque, hardness, alpha_eraser, aspect_ratio, angle,
             lock_alpha, colorize, posterize, posterize_num, paint};
  return offer((Canvas *)surface, &dab);
}

static void get_color(MyPaintSurface *surface, float x, float y, float radius, float *red, float *green, float *blue,
                      float *alpha) {
  Canvas *canvas = (Canvas *)surface;
  if (picks_blank(canvas, x, y, radius, red, green, blue, alpha)) return;
  reckon(canvas, x, y, radius, 0);
  canvas->get_color(surface, x, y, radius, red, green, blue, alpha);
}

static void get_color_pigment(MyPaintSurface2 *surface, float x, float y, float radius, float *red, float *green,
                              float *blue, float *alpha, float paint) {
  Canvas *canvas = (Canvas *)surface;
  if (picks_blank(canvas, x, y, radius, red, green, blue, alpha)) return;
  reckon(canvas, x, y, radius, 0);
  canvas->get_color_pigment(surface, x, y, radius, red, green, blue, alpha, paint);
}

void dabs_watch(Canvas *canvas) {
  if (canvas->settings->view_zoom > 0) {
    MyPaintSurface2 *surface = &canvas->surface.two.parent;
    canvas->draw_dab_pigment = surface->draw_dab_pigment;
    surface->draw_dab_pigment = draw_dab_pigment;
    canvas->get_color_pigment = surface->get_color_pigment;
    surface->get_color_pigment = get_color_pigment;
  } else {
    MyPaintSurface *surface = &canvas->surface.one.parent;
    canvas->draw_dab = surface->draw_dab;
    surface->draw_dab = draw_dab;
    canvas->get_color = surface->get_color;
    surface->get_color = get_color;
  }
}
