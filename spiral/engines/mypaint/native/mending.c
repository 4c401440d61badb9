#include "mending.h"

#include <math.h>

enum { FAR = 1 << 20 };  // pixels; within them, floats are exact to less than a pixel

void mend_radius(const Canvas *canvas, Dab *d) {
  // The intended radius is the brush's own.
  if (!isfinite(d->radius)) d->radius = mypaint_brush_get_state(canvas->brush, MYPAINT_BRUSH_STATE_ACTUAL_RADIUS);
}

static int draw(Canvas *canvas, const Dab *d) {
  if (canvas->settings->view_zoom > 0) {
    return canvas->draw_dab_pigment(&canvas->surface.two.parent, d->x, d->y, d->radius, d->red, d->green, d->blue,
                                    d->opaque, d->hardness, d->alpha, d->aspect_ratio, d->angle, d->lock_alpha,
                                    d->colorize, d->posterize, d->posterize_num, d->paint);
  }
  return canvas->draw_dab(&canvas->surface.one.parent, d->x, d->y, d->radius, d->red, d->green, d->blue, d->opaque,
                          d->hardness, d->alpha, d->aspect_ratio, d->angle, d->lock_alpha, d->colorize);
}

static float unit(float value) {
  return value > 0 ? value < 1 ? value : 1 : 0;
}

static uint16_t fixed(float value) {
  return (uint16_t)(unit(value) * (1 << 15));
}

// Whether the ink has no hue, a case that libmypaint's arithmetic does not handle.
static int colorizes_with_grey(const Dab *d) {
  const uint16_t red = fixed(d->red), green = fixed(d->green), blue = fixed(d->blue);
  const int black = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 1;
  return d->colorize > 0 && (black || (red == green && green == blue));
}

// The same dab, one blend mode at a time, so that colorizing has its own ink: a gray of middle luminance, which colorizes
// the same way but is not quite gray, so that the division works.
static int draw_grey(Canvas *canvas, const Dab *d) {
  const float colorize = unit(d->colorize), posterize = unit(d->posterize), opaque = unit(d->opaque);
  Dab mixed = *d, colorized = *d, posterized = *d;
  mixed.colorize = mixed.posterize = 0;
  mixed.opaque = opaque * (1 - colorize) * (1 - posterize);
  colorized.lock_alpha = colorized.posterize = 0;
  colorized.colorize = 1;
  colorized.opaque = opaque * colorize;
  colorized.red = colorized.green = 0.5f;
  colorized.blue = 0.5f + 1.0f / (1 << 15);
  posterized.lock_alpha = posterized.colorize = 0;
  posterized.posterize = 1;
  posterized.opaque = opaque * posterize;
  int drawn = draw(canvas, &mixed);
  drawn |= draw(canvas, &colorized);
  return posterize > 0 ? drawn | draw(canvas, &posterized) : drawn;
}

int draw_mended(Canvas *canvas, const Dab *d) {
  if (!isfinite(d->opaque) || !isfinite(d->hardness) || !isfinite(d->aspect_ratio) || !isfinite(d->angle)) return 0;
  return colorizes_with_grey(d) ? draw_grey(canvas, d) : draw(canvas, d);
}

int picks_blank(const Canvas *canvas, float x, float y, float radius, float *red, float *green, float *blue,
                float *alpha) {
  if (fabsf(x) < FAR && fabsf(y) < FAR && isfinite(radius)) return 0;
  *red = *blue = *alpha = canvas->settings->background > 0;
  *green = 1;  // libmypaint's color for transparent pixels
  return 1;
}
