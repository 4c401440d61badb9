// What the engine costs at least: a plain loop of libmypaint calls on a batch of 64×64 grey canvases, one core.
//
//     engine_floor BRUSH.myb ACTIONS BATCH LENGTH EPISODES GRID RADIUS...
//
// ACTIONS holds int32 [LENGTH, BATCH, 5]: flag, end, control, size, pressure. Each episode gives every canvas a new
// brush object (settings copied, nothing parsed), clears it, executes the actions and reads every canvas out after
// each of them. Prints the CPU seconds of all episodes but the first and a checksum over the last one's pictures.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mypaint-brush.h"
#include "mypaint-tiled-surface.h"

enum { SIDE = 64, PIXELS = SIDE * SIDE, ELEMENTS = 4 * PIXELS, K = 5, SEGMENTS = 50 };

typedef struct {
  MyPaintTiledSurface surface;  // first: libmypaint hands it back
  uint16_t pixels[ELEMENTS], beyond[ELEMENTS];
  MyPaintBrush *brush;
  double x, y, pressure;
  int painting;
} Canvas;

static struct { int setting; float value; } base[MYPAINT_BRUSH_SETTINGS_COUNT];
static struct { int setting, input, n; float x[64], y[64]; } mapping[256];
static int bases, mappings;
static int grid;
static float log_radius[64];
static const double DTIME = 0.1f;

static void fill(uint16_t *pixels) {
  for (int i = 0; i < ELEMENTS; i++) pixels[i] = 1 << 15;
}

static void request_start(MyPaintTiledSurface *surface, MyPaintTileRequest *request) {
  Canvas *canvas = (Canvas *)surface;
  request->buffer = request->tx == 0 && request->ty == 0 ? canvas->pixels : canvas->beyond;
}

static void request_end(MyPaintTiledSurface *surface, MyPaintTileRequest *request) { (void)surface, (void)request; }

static void parse(const char *path) {
  FILE *file = fopen(path, "rb");
  char *text = calloc(1, 1 << 20);
  if (!file || !fread(text, 1, (1 << 20) - 1, file)) exit(2);
  fclose(file);
  MyPaintBrush *brush = mypaint_brush_new();
  if (!mypaint_brush_from_string(brush, text)) exit(2);
  for (int s = 0; s < MYPAINT_BRUSH_SETTINGS_COUNT; s++) {
    const float value = mypaint_brush_get_base_value(brush, s);
    if (value != 0) base[bases].setting = s, base[bases++].value = value;
    for (int input = 0; input < MYPAINT_BRUSH_INPUTS_COUNT; input++) {
      const int n = mypaint_brush_get_mapping_n(brush, s, input);
      if (!n) continue;
      mapping[mappings].setting = s, mapping[mappings].input = input, mapping[mappings].n = n;
      for (int i = 0; i < n; i++) {
        mypaint_brush_get_mapping_point(brush, s, input, i, &mapping[mappings].x[i], &mapping[mappings].y[i]);
      }
      mappings++;
    }
  }
  mypaint_brush_unref(brush);
  free(text);
}

static void renew(Canvas *canvas) {
  MyPaintBrush *brush = mypaint_brush_new();
  for (int i = 0; i < bases; i++) mypaint_brush_set_base_value(brush, base[i].setting, base[i].value);
  for (int i = 0; i < mappings; i++) {
    mypaint_brush_set_mapping_n(brush, mapping[i].setting, mapping[i].input, mapping[i].n);
    for (int p = 0; p < mapping[i].n; p++) {
      mypaint_brush_set_mapping_point(brush, mapping[i].setting, mapping[i].input, p, mapping[i].x[p],
                                      mapping[i].y[p]);
    }
  }
  if (canvas->brush) mypaint_brush_unref(canvas->brush);
  canvas->brush = brush;
}

static void stroke_to(Canvas *canvas, float x, float y, float pressure) {
  mypaint_brush_stroke_to(canvas->brush, &canvas->surface.parent, x, y, pressure, 0, 0, DTIME);
}

static void move_to(Canvas *canvas, double x, double y) {
  mypaint_brush_reset(canvas->brush);
  mypaint_brush_new_stroke(canvas->brush);
  stroke_to(canvas, x, y, 0);
  canvas->x = x, canvas->y = y, canvas->painting = 0;
}

static void reset(Canvas *canvas) {
  renew(canvas);
  fill(canvas->pixels);
  move_to(canvas, 0, 0);
  mypaint_brush_set_base_value(canvas->brush, MYPAINT_BRUSH_SETTING_RADIUS_LOGARITHMIC, log_radius[0]);
  mypaint_brush_set_base_value(canvas->brush, MYPAINT_BRUSH_SETTING_COLOR_H, 0);
  mypaint_brush_set_base_value(canvas->brush, MYPAINT_BRUSH_SETTING_COLOR_S, 0);
  mypaint_brush_set_base_value(canvas->brush, MYPAINT_BRUSH_SETTING_COLOR_V, 0);
}

static void step(Canvas *canvas, const int32_t *action) {
  const double x_end = (double)SIDE * (action[1] % grid) / grid, y_end = (double)SIDE * (action[1] / grid) / grid;
  MyPaintRectangle changed;
  mypaint_surface_begin_atomic(&canvas->surface.parent);
  if (!action[0]) {
    move_to(canvas, x_end, y_end);
  } else {
    const double x_control = (double)SIDE * (action[2] % grid) / grid;
    const double y_control = (double)SIDE * (action[2] / grid) / grid;
    const double pressure = 0.1 + action[4] * 0.1, start = canvas->painting ? canvas->pressure : pressure;
    mypaint_brush_set_base_value(canvas->brush, MYPAINT_BRUSH_SETTING_RADIUS_LOGARITHMIC, log_radius[action[3]]);
    if (!canvas->painting) stroke_to(canvas, canvas->x, canvas->y, start);
    for (int i = 1; i <= SEGMENTS; i++) {
      const double t = i * (1.0 / SEGMENTS), share = (double)i / SEGMENTS;
      const double a = (1 - t) * (1 - t), b = 2 * (1 - t) * t, c = t * t;
      stroke_to(canvas, a * canvas->x + b * x_control + c * x_end, a * canvas->y + b * y_control + c * y_end,
                start * (1 - share) + pressure * share);
    }
    canvas->x = x_end, canvas->y = y_end, canvas->pressure = pressure, canvas->painting = 1;
  }
  mypaint_surface_end_atomic(&canvas->surface.parent, &changed);
}

static void read_out(const Canvas *canvas, uint8_t *out) {
  for (int i = 0; i < PIXELS; i++) {
    uint32_t value = canvas->pixels[4 * i];
    const uint32_t alpha = canvas->pixels[4 * i + 3];
    if (alpha != 1 << 15) value = alpha ? ((value << 15) + alpha / 2) / alpha : 0;
    out[i] = (255 * value + (1 << 14)) >> 15;
  }
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec + 1e-9 * now.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc < 8) return 2;
  parse(argv[1]);
  const int batch = atoi(argv[3]), length = atoi(argv[4]), episodes = atoi(argv[5]);
  grid = atoi(argv[6]);
  for (int i = 7; i < argc; i++) log_radius[i - 7] = log(atof(argv[i]));
  const size_t count = (size_t)length * batch * K;
  int32_t *actions = malloc(count * sizeof(int32_t));
  FILE *file = fopen(argv[2], "rb");
  if (!file || fread(actions, sizeof(int32_t), count, file) != count) return 2;
  fclose(file);
  Canvas *canvas = calloc(batch, sizeof(Canvas));
  uint8_t *frames = malloc((size_t)batch * PIXELS);
  for (int i = 0; i < batch; i++) {
    mypaint_tiled_surface_init(&canvas[i].surface, request_start, request_end);
    fill(canvas[i].beyond);
  }
  double started = 0;
  uint64_t checksum = 0;
  for (int episode = 0; episode <= episodes; episode++) {
    if (episode == 1) started = seconds();
    for (int i = 0; i < batch; i++) {
      reset(&canvas[i]);
      read_out(&canvas[i], frames + (size_t)i * PIXELS);
    }
    for (int t = 0; t < length; t++) {
      for (int i = 0; i < batch; i++) {
        step(&canvas[i], actions + ((size_t)t * batch + i) * K);
        read_out(&canvas[i], frames + (size_t)i * PIXELS);
      }
    }
  }
  const double taken = seconds() - started;
  for (size_t i = 0; i < (size_t)batch * PIXELS; i++) checksum = checksum * 31 + frames[i];
  printf("%.6f %llu\n", taken, (unsigned long long)checksum);
  return 0;
}
