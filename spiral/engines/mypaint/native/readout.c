// Un-premultiplies with rounding, then 15 to 8 bits with rounding: the published read-out (docs/method.md, 4).
#include "readout.h"

#include <string.h>

enum { ONE = 1 << 15, HALF = ONE / 2 };

// One value, already un-premultiplied. 32-bit arithmetic that wraps, as published: ink above its alpha overflows.
static inline uint8_t to_byte(uint32_t value) {
  return (uint8_t)((255 * value + HALF) / ONE);
}

static inline uint32_t straight(uint32_t value, uint32_t alpha) {
  return alpha ? ((value << 15) + alpha / 2) / alpha : 0;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "read_opaque_grey takes red from a pixel's lowest bits");

// Reads out a gray row as if all of it were opaque; returns whether it was. It reads each pixel as one integer,
// which compilers turn into vector code twice as fast as that for four separate channels.
static int read_opaque_grey(const uint16_t *pixels, uint8_t *out, int count) {
  uint64_t differs = 0;
  for (int i = 0; i < count; i++) {
    uint64_t pixel;
    memcpy(&pixel, pixels + 4 * i, sizeof pixel);
    differs |= pixel ^ ((uint64_t)ONE << 48);
    const uint64_t red = pixel & 0xffff;
    out[i] = (uint8_t)(((red << 8) - red + HALF) / ONE);
  }
  return !(differs >> 48);
}

static int is_opaque(const uint16_t *pixels, int count) {
  uint16_t differs = 0;
  for (int i = 0; i < count; i++) differs |= pixels[4 * i + 3] ^ ONE;
  return !differs;
}

static void read_row(const uint16_t *pixels, uint8_t *out, int count, int channels) {
  if (channels == 1 && read_opaque_grey(pixels, out, count)) return;
  if (channels > 1 && is_opaque(pixels, count)) {
    for (int i = 0; i < count; i++) {
      for (int c = 0; c < channels; c++) out[channels * i + c] = to_byte(pixels[4 * i + c]);
    }
    return;
  }
  const int colours = channels < 3 ? channels : 3;
  for (int i = 0; i < count; i++, pixels += 4, out += channels) {
    for (int c = 0; c < colours; c++) out[c] = to_byte(straight(pixels[c], pixels[3]));
    if (channels == 4) out[3] = to_byte(pixels[3]);
  }
}

// Averages the frame's cells [y0, y1) × [x0, x1) of the view; exact, half up.
static void average(const Canvas *canvas, int x0, int y0, int x1, int y1) {
  const Settings *s = canvas->settings;
  const int rows = s->height / s->view_height, columns = s->width / s->view_width, channels = s->channels;
  const uint32_t area = rows * columns;
  const size_t stride = (size_t)s->width * channels;
  for (int y = y0; y < y1; y++) {
    for (int x = x0; x < x1; x++) {
      const uint8_t *cell = canvas->frame + y * rows * stride + (size_t)x * columns * channels;
      uint8_t *out = canvas->view + ((size_t)y * s->view_width + x) * channels;
      for (int c = 0; c < channels; c++) {
        uint32_t sum = 0;
        for (int row = 0; row < rows; row++) {
          for (int column = 0; column < columns; column++) sum += cell[row * stride + column * channels + c];
        }
        out[c] = (2 * sum + area) / (2 * area);
      }
    }
  }
}

// The view that presets use, as a loop that compilers vectorize.
static void average_2x2_grey(const Canvas *canvas, int x0, int y0, int x1, int y1) {
  const Settings *s = canvas->settings;
  for (int y = y0; y < y1; y++) {
    const uint8_t *upper = canvas->frame + (size_t)2 * y * s->width, *lower = upper + s->width;
    uint8_t *out = canvas->view + (size_t)y * s->view_width;
    for (int x = x0; x < x1; x++) {
      out[x] = (upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1] + 2) >> 2;
    }
  }
}

void read_out(Canvas *canvas, MyPaintRectangle changed) {
  const Settings *s = canvas->settings;
  const int x0 = changed.x > 0 ? changed.x : 0, y0 = changed.y > 0 ? changed.y : 0;
  const int x1 = changed.x + changed.width < s->width ? changed.x + changed.width : s->width;
  const int y1 = changed.y + changed.height < s->height ? changed.y + changed.height : s->height;
  if (x0 >= x1 || y0 >= y1) return;
  const int tile_columns = s->width / TILE;
  for (int y = y0; y < y1; y++) {
    for (int x = x0; x < x1;) {
      const int end = (x / TILE + 1) * TILE < x1 ? (x / TILE + 1) * TILE : x1;
      const uint16_t *tile = canvas->tiles + (size_t)TILE_ELEMENTS * (y / TILE * tile_columns + x / TILE);
      read_row(tile + 4 * (y % TILE * TILE + x % TILE), canvas->frame + ((size_t)y * s->width + x) * s->channels,
               end - x, s->channels);
      x = end;
    }
  }
  if (canvas->view == canvas->frame) return;
  const int rows = s->height / s->view_height, columns = s->width / s->view_width;
  const int left = x0 / columns, top = y0 / rows;
  const int right = (x1 + columns - 1) / columns, bottom = (y1 + rows - 1) / rows;
  if (rows == 2 && columns == 2 && s->channels == 1) {
    average_2x2_grey(canvas, left, top, right, bottom);
  } else {
    average(canvas, left, top, right, bottom);
  }
}
