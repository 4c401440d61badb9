#include "stage.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TYPES = 4, SIZES = 3 };

static Vector vector(const double v[3]) {
  return (Vector){v[0], v[1], v[2]};
}

static double dot(Vector one, Vector other) {
  return one.x * other.x + one.y * other.y + one.z * other.z;
}

Rectangle rectangle_common(Rectangle one, Rectangle other) {
  return (Rectangle){one.left > other.left ? one.left : other.left, one.top > other.top ? one.top : other.top,
                     one.right < other.right ? one.right : other.right,
                     one.bottom < other.bottom ? one.bottom : other.bottom};
}

int rectangle_empty(Rectangle r) {
  return r.left >= r.right || r.top >= r.bottom;
}

// The ray through the middle of a pixel, long enough to reach depth 1.
static Vector ray(const StageSettings *s, int row, int column) {
  const double u = (2 * column + 1) / (double)s->side - 1, v = 1 - (2 * row + 1) / (double)s->side;
  return (Vector){s->forward[0] + u * s->right[0] + v * s->up[0], s->forward[1] + u * s->right[1] + v * s->up[1],
                  s->forward[2] + u * s->right[2] + v * s->up[2]};
}

static uint16_t shade(const StageSettings *s, Vector normal) {
  const double facing = dot(normal, vector(s->light));
  const double sum = s->ambient + s->diffuse * (facing > 0 ? facing : 0);
  return (uint16_t)floor((sum < 1 ? sum : 1) * SHADE_ONE + 0.5);
}

static uint8_t byte(double level) {
  return (uint8_t)floor(level * 255 + 0.5);
}

static void draw_background(Stage *stage) {
  const StageSettings *s = &stage->settings;
  const double lit = shade(s, (Vector){0, 0, 1}) / (double)SHADE_ONE;
  uint8_t *pixel = stage->background;
  for (int row = 0; row < s->side; row++) {
    for (int column = 0; column < s->side; column++, pixel += 3) {
      const Vector direction = ray(s, row, column);
      const double t = direction.z < 0 ? -s->eye[2] / direction.z : INFINITY;
      const int on_table = fabs(s->eye[0] + t * direction.x) <= 1 && fabs(s->eye[1] + t * direction.y) <= 1;
      for (int c = 0; c < 3; c++) pixel[c] = byte((on_table ? s->table : s->ground)[c] * lit);
    }
  }
}

static Object object_of(const StageSettings *s, const int32_t *attributes) {
  Object object = {.type = attributes[0], .radius = s->radius[attributes[2]]};
  const int row = attributes[1] / s->grid, column = attributes[1] % s->grid;
  object.center = (Vector){(2 * column + 1) / (double)s->grid - 1, 1 - (2 * row + 1) / (double)s->grid, 0};
  object.center.z = shape_extent(s, &object).z;
  return object;
}

// The area around the corners of the object's extent, with one more pixel on each side; the whole picture if a corner is
// behind the eye.
static Rectangle reach(const StageSettings *s, const Object *object) {
  const Vector e = shape_extent(s, object), eye = vector(s->eye), forward = vector(s->forward);
  const Vector right = vector(s->right), up = vector(s->up);
  const Rectangle all = {0, 0, s->side, s->side};
  double left = INFINITY, top = INFINITY, most_right = -INFINITY, bottom = -INFINITY;
  for (int corner = 0; corner < 8; corner++) {
    const Vector p = {object->center.x + (corner & 1 ? e.x : -e.x) - eye.x,
                      object->center.y + (corner & 2 ? e.y : -e.y) - eye.y,
                      object->center.z + (corner & 4 ? e.z : -e.z) - eye.z};
    const double depth = dot(p, forward);
    if (depth <= 0) return all;
    const double x = (dot(p, right) / dot(right, right) / depth + 1) * s->side / 2;
    const double y = (1 - dot(p, up) / dot(up, up) / depth) * s->side / 2;
    if (x < left) left = x;
    if (x > most_right) most_right = x;
    if (y < top) top = y;
    if (y > bottom) bottom = y;
  }
  const Rectangle around = {(int)fmax(left - 1, 0), (int)fmax(top - 1, 0), (int)fmin(most_right + 2, s->side),
                            (int)fmin(bottom + 2, s->side)};
  return rectangle_common(around, all);
}

Rectangle stage_reach(const Stage *stage, const int32_t *attributes) {
  const Object object = object_of(&stage->settings, attributes);
  return reach(&stage->settings, &object);
}

// Allocates room for a sprite's pixels and runs; returns 0 if memory runs out.
static int make_room(Sprite *sprite, size_t *capacity) {
  const Rectangle at = sprite->at;
  const size_t rows = rectangle_empty(at) ? 0 : at.bottom - at.top, pixels = rows * (at.right - at.left);
  const size_t bytes = pixels * (sizeof(float) + sizeof(uint16_t)) + rows * 2 * sizeof(uint16_t);
  if (bytes > *capacity || !sprite->depth) {
    free(sprite->depth);
    sprite->depth = malloc(bytes + 1);
    *capacity = bytes;
  }
  if (!sprite->depth) return 0;
  sprite->shade = (uint16_t *)(sprite->depth + pixels);
  sprite->run = sprite->shade + pixels;
  return 1;
}

static int draw_sprite(const StageSettings *s, const int32_t *attributes, Sprite *sprite, size_t *capacity) {
  const Object object = object_of(s, attributes);
  const Rectangle at = sprite->at = reach(s, &object);
  if (!make_room(sprite, capacity)) return 0;
  size_t i = 0;
  for (int row = at.top; row < at.bottom; row++) {
    uint16_t *run = sprite->run + 2 * (row - at.top);
    run[0] = run[1] = (uint16_t)at.right;
    for (int column = at.left; column < at.right; column++, i++) {
      Hit hit;
      const int met = shape_hit(s, &object, vector(s->eye), ray(s, row, column), &hit);
      sprite->depth[i] = met ? (float)hit.depth : INFINITY;
      sprite->shade[i] = met ? shade(s, hit.normal) : 0;
      if (!met) continue;
      if (run[0] == at.right) run[0] = (uint16_t)column;
      run[1] = (uint16_t)(column + 1);
    }
  }
  return 1;
}

static int tabulate(Stage *stage) {
  const StageSettings *s = &stage->settings;
  const int places = s->grid * s->grid;
  stage->table = calloc((size_t)TYPES * SIZES * places, sizeof(Sprite));
  if (!stage->table) return 0;
  Sprite *sprite = stage->table;
  for (int type = 0; type < TYPES; type++) {
    for (int size = 0; size < SIZES; size++) {
      for (int place = 0; place < places; place++, sprite++) {
        size_t capacity = 0;
        if (!draw_sprite(s, (int32_t[]){type, place, size}, sprite, &capacity)) return 0;
      }
    }
  }
  return 1;
}

const Sprite *stage_sprite(const Stage *stage, const int32_t *attributes, Sprite *scratch, size_t *capacity) {
  const StageSettings *s = &stage->settings;
  if (stage->table) return &stage->table[(attributes[0] * SIZES + attributes[2]) * s->grid * s->grid + attributes[1]];
  return draw_sprite(s, attributes, scratch, capacity) ? scratch : NULL;
}

Stage *stage_new(const StageSettings *settings) {
  Stage *stage = calloc(1, sizeof(Stage));
  if (!stage) return NULL;
  stage->settings = *settings;
  for (int bin = 0; bin < 4; bin++) stage->level[bin] = byte(settings->level[bin]);
  stage->background = malloc((size_t)settings->side * settings->side * 3);
  if (stage->background && (!settings->tabulate || tabulate(stage))) {
    draw_background(stage);
    return stage;
  }
  stage_free(stage);
  return NULL;
}

void stage_free(Stage *stage) {
  if (!stage) return;
  if (stage->table) {
    const int sprites = TYPES * SIZES * stage->settings.grid * stage->settings.grid;
    for (int i = 0; i < sprites; i++) free(stage->table[i].depth);
  }
  free(stage->table);
  free(stage->background);
  free(stage);
}
