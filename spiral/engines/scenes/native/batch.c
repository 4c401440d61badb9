// A batch of canvases: the objects on each and their picture. A step draws only what it changes.
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "stage.h"

typedef struct {
  int count;
  int32_t objects[MAX_OBJECTS][ATTRIBUTES];
  uint8_t *pixels;  // [side, side, 3]
  float *depth;     // [side, side]; FLT_MAX is the floor
  uint8_t *view;    // [view, view, 3]; the pixels themselves if the sizes are equal
} Canvas;

struct Batch {
  const Stage *stage;
  int count;
  Canvas *canvas;
  uint8_t *owner;  // [side, side]: the visible object at each pixel; for one canvas at a time
  Sprite scratch;
  size_t capacity;
};

static size_t view_bytes(const Stage *stage) {
  return (size_t)stage->settings.view * stage->settings.view * 3;
}

static void clear(const Stage *stage, Canvas *canvas, Rectangle area) {
  const int side = stage->settings.side;
  for (int row = area.top; row < area.bottom; row++) {
    const size_t start = (size_t)row * side + area.left;
    memcpy(canvas->pixels + 3 * start, stage->background + 3 * start, 3 * (size_t)(area.right - area.left));
    for (int i = 0; i < area.right - area.left; i++) canvas->depth[start + i] = FLT_MAX;
  }
}

// Draws an object inside area. Of two surfaces at the same depth, the later one is visible. owner may be NULL.
static int draw(Batch *batch, Canvas *canvas, int object, Rectangle area, uint8_t *owner) {
  const Stage *stage = batch->stage;
  const int32_t *attributes = canvas->objects[object];
  if (!stage->table && rectangle_empty(rectangle_common(area, stage_reach(stage, attributes)))) return 1;
  const Sprite *sprite = stage_sprite(stage, attributes, &batch->scratch, &batch->capacity);
  if (!sprite) return 0;
  const Rectangle at = rectangle_common(sprite->at, area);
  const int side = stage->settings.side, width = sprite->at.right - sprite->at.left;
  const int red = stage->level[attributes[3]], green = stage->level[attributes[4]], blue = stage->level[attributes[5]];
  for (int row = at.top; row < at.bottom; row++) {
    const uint16_t *run = sprite->run + 2 * (row - sprite->at.top);
    const int left = at.left > run[0] ? at.left : run[0], right = at.right < run[1] ? at.right : run[1];
    const size_t from = (size_t)(row - sprite->at.top) * width + (left - sprite->at.left);
    const size_t to = (size_t)row * side + left;
    const float *near = sprite->depth + from;
    const uint16_t *shade = sprite->shade + from;
    float *depth = canvas->depth + to;
    uint8_t *pixel = canvas->pixels + 3 * to;
    for (int i = 0; i < right - left; i++, pixel += 3) {
      if (near[i] > depth[i]) continue;
      depth[i] = near[i];
      pixel[0] = (uint8_t)((red * shade[i] + SHADE_ONE / 2) >> SHADE_BITS);
      pixel[1] = (uint8_t)((green * shade[i] + SHADE_ONE / 2) >> SHADE_BITS);
      pixel[2] = (uint8_t)((blue * shade[i] + SHADE_ONE / 2) >> SHADE_BITS);
      if (owner) owner[to + i] = (uint8_t)object;
    }
  }
  return 1;
}

// Averages the pixels of area to the view, half up.
static void average(const Stage *stage, Canvas *canvas, Rectangle area) {
  const int side = stage->settings.side, view = stage->settings.view, each = side / view;
  if (each == 1 || rectangle_empty(area)) return;
  const uint32_t pixels = (uint32_t)each * each;
  for (int row = area.top / each; row <= (area.bottom - 1) / each; row++) {
    for (int column = area.left / each; column <= (area.right - 1) / each; column++) {
      uint32_t sum[3] = {0, 0, 0};
      for (int y = row * each; y < (row + 1) * each; y++) {
        const uint8_t *pixel = canvas->pixels + 3 * ((size_t)y * side + (size_t)column * each);
        for (int i = 0; i < 3 * each; i += 3) {
          for (int c = 0; c < 3; c++) sum[c] += pixel[i + c];
        }
      }
      uint8_t *mean = canvas->view + 3 * ((size_t)row * view + column);
      for (int c = 0; c < 3; c++) mean[c] = (uint8_t)((2 * sum[c] + pixels) / (2 * pixels));
    }
  }
}

static Rectangle whole(const Stage *stage) {
  return (Rectangle){0, 0, stage->settings.side, stage->settings.side};
}

static int add(Batch *batch, Canvas *canvas, const int32_t *attributes) {
  memcpy(canvas->objects[canvas->count], attributes, sizeof canvas->objects[0]);
  const int done = draw(batch, canvas, canvas->count++, whole(batch->stage), NULL);
  average(batch->stage, canvas, stage_reach(batch->stage, attributes));
  return done;
}

static int remove_last(Batch *batch, Canvas *canvas) {
  const Rectangle area = stage_reach(batch->stage, canvas->objects[--canvas->count]);
  clear(batch->stage, canvas, area);
  for (int i = 0; i < canvas->count; i++) {
    if (!draw(batch, canvas, i, area, NULL)) return 0;
  }
  average(batch->stage, canvas, area);
  return 1;
}

Batch *batch_new(const Stage *stage, int canvases) {
  const size_t pixels = (size_t)stage->settings.side * stage->settings.side;
  Batch *batch = calloc(1, sizeof(Batch));
  if (!batch) return NULL;
  batch->stage = stage;
  batch->count = canvases;
  batch->canvas = calloc(canvases, sizeof(Canvas));
  batch->owner = malloc(pixels);
  int good = batch->canvas && batch->owner;
  for (int i = 0; i < canvases && good; i++) {
    Canvas *canvas = &batch->canvas[i];
    canvas->pixels = malloc(3 * pixels);
    canvas->depth = malloc(sizeof(float) * pixels);
    canvas->view = stage->settings.view == stage->settings.side ? canvas->pixels : malloc(view_bytes(stage));
    good = canvas->pixels && canvas->depth && canvas->view;
  }
  if (good) {
    batch_reset(batch, 0, canvases, NULL);
    return batch;
  }
  batch_free(batch);
  return NULL;
}

void batch_free(Batch *batch) {
  if (!batch) return;
  for (int i = 0; batch->canvas && i < batch->count; i++) {
    Canvas *canvas = &batch->canvas[i];
    if (canvas->view != canvas->pixels) free(canvas->view);
    free(canvas->pixels);
    free(canvas->depth);
  }
  free(batch->canvas);
  free(batch->owner);
  free(batch->scratch.depth);
  free(batch);
}

static void reset(const Stage *stage, Canvas *canvas) {
  canvas->count = 0;
  clear(stage, canvas, whole(stage));
}

void batch_reset(Batch *batch, int start, int end, uint8_t *observations) {
  const size_t bytes = view_bytes(batch->stage);
  for (int i = start; i < end; i++) {
    reset(batch->stage, &batch->canvas[i]);
    average(batch->stage, &batch->canvas[i], whole(batch->stage));
    if (observations) memcpy(observations + (i - start) * bytes, batch->canvas[i].view, bytes);
  }
}

static int step(Batch *batch, Canvas *canvas, const int32_t *action) {
  if (action[0] == ADD && canvas->count < MAX_OBJECTS) return add(batch, canvas, action + 1);
  if (action[0] == CHANGE && canvas->count > 0) return remove_last(batch, canvas) && add(batch, canvas, action + 1);
  return 1;
}

int batch_step(Batch *batch, int start, int end, const int32_t *actions, uint8_t *observations) {
  const size_t bytes = view_bytes(batch->stage);
  for (int i = start; i < end; i++) {
    if (!step(batch, &batch->canvas[i], actions + (size_t)(i - start) * COMPONENTS)) return 0;
    memcpy(observations + (i - start) * bytes, batch->canvas[i].view, bytes);
  }
  return 1;
}

void batch_canvas(const Batch *batch, uint8_t *pixels) {
  const size_t bytes = (size_t)batch->stage->settings.side * batch->stage->settings.side * 3;
  for (int i = 0; i < batch->count; i++) memcpy(pixels + i * bytes, batch->canvas[i].pixels, bytes);
}

void batch_distances(const Batch *batch, const uint8_t *targets, int64_t *squares) {
  enum { PART = 1 << 15 };  // so many squares of differences of bytes fit into 31 bits
  const size_t bytes = view_bytes(batch->stage);
  for (int i = 0; i < batch->count; i++) {
    const uint8_t *seen = batch->canvas[i].view, *target = targets + i * bytes;
    squares[i] = 0;
    for (size_t start = 0; start < bytes; start += PART) {
      const size_t end = start + PART < bytes ? start + PART : bytes;
      int32_t part = 0;
      for (size_t k = start; k < end; k++) part += (seen[k] - target[k]) * (seen[k] - target[k]);
      squares[i] += part;
    }
  }
}

void batch_objects(const Batch *batch, int32_t *objects, int32_t *counts) {
  for (int i = 0; i < batch->count; i++) {
    counts[i] = batch->canvas[i].count;
    memcpy(objects + (size_t)i * MAX_OBJECTS * ATTRIBUTES, batch->canvas[i].objects, sizeof batch->canvas[i].objects);
  }
}

int batch_draw(Batch *batch, int scenes, int length, const int32_t *objects, const int32_t *counts,
               uint8_t *observations, int32_t *seen) {
  const Stage *stage = batch->stage;
  const size_t bytes = view_bytes(stage), pixels = (size_t)stage->settings.side * stage->settings.side;
  Canvas *canvas = &batch->canvas[0];
  for (int i = 0; i < scenes; i++) {
    reset(stage, canvas);
    canvas->count = counts[i];
    memcpy(canvas->objects, objects + (size_t)i * length * ATTRIBUTES, counts[i] * sizeof canvas->objects[0]);
    if (seen) memset(batch->owner, MAX_OBJECTS, pixels);
    for (int k = 0; k < counts[i]; k++) {
      if (!draw(batch, canvas, k, whole(stage), seen ? batch->owner : NULL)) return 0;
    }
    average(stage, canvas, whole(stage));
    memcpy(observations + i * bytes, canvas->view, bytes);
    if (!seen) continue;
    int32_t tally[MAX_OBJECTS + 1] = {0};
    for (size_t p = 0; p < pixels; p++) tally[batch->owner[p]]++;
    memcpy(seen + (size_t)i * length, tally, length * sizeof tally[0]);
  }
  return 1;
}
