// libmypaint cannot reset a brush's random generator, so an episode that replays needs a new brush object. Parsing
// the file again would cost more than some strokes. Instead, the settings are read from one parsed brush and copied
// into each new one.
#include "recipe.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_POINTS = 64 };  // libmypaint's own limit for a mapping

typedef struct {
  MyPaintBrushSetting setting;
  float value;
} BaseValue;

typedef struct {
  MyPaintBrushSetting setting;
  MyPaintBrushInput input;
  int points;
  float x[MAX_POINTS], y[MAX_POINTS];
} Mapping;

struct Recipe {
  int base_values, mappings;
  BaseValue base_value[MYPAINT_BRUSH_SETTINGS_COUNT];
  Mapping *mapping;
};

static int read_settings(Recipe *recipe, MyPaintBrush *parsed, MyPaintBrush *blank) {
  for (int s = 0; s < MYPAINT_BRUSH_SETTINGS_COUNT; s++) {
    const float value = mypaint_brush_get_base_value(parsed, s);
    // A new brush has this value already: setting it again only costs time.
    if (value != mypaint_brush_get_base_value(blank, s)) {
      recipe->base_value[recipe->base_values++] = (BaseValue){s, value};
    }
    for (int input = 0; input < MYPAINT_BRUSH_INPUTS_COUNT; input++) {
      const int points = mypaint_brush_get_mapping_n(parsed, s, input);
      if (points == 0) continue;
      Mapping *mapping = realloc(recipe->mapping, (recipe->mappings + 1) * sizeof(Mapping));
      if (!mapping) return 0;
      recipe->mapping = mapping;
      mapping += recipe->mappings++;
      *mapping = (Mapping){.setting = s, .input = input, .points = points};
      for (int i = 0; i < points; i++) {
        mypaint_brush_get_mapping_point(parsed, s, input, i, &mapping->x[i], &mapping->y[i]);
      }
    }
  }
  return 1;
}

Recipe *recipe_parse(const char *json) {
  Recipe *recipe = calloc(1, sizeof(Recipe));
  MyPaintBrush *parsed = mypaint_brush_new();
  MyPaintBrush *blank = mypaint_brush_new();
  const int good = recipe && parsed && blank && mypaint_brush_from_string(parsed, json) &&
                   read_settings(recipe, parsed, blank);
  if (parsed) mypaint_brush_unref(parsed);
  if (blank) mypaint_brush_unref(blank);
  if (good) return recipe;
  recipe_free(recipe);
  return NULL;
}

void recipe_free(Recipe *recipe) {
  if (!recipe) return;
  free(recipe->mapping);
  free(recipe);
}

int recipe_has_speed_inputs(const Recipe *recipe) {
  for (int i = 0; i < recipe->mappings; i++) {
    const MyPaintBrushInput input = recipe->mapping[i].input;
    if (input == MYPAINT_BRUSH_INPUT_SPEED1 || input == MYPAINT_BRUSH_INPUT_SPEED2) return 1;
  }
  return 0;
}

// The inputs that stroke_to_2 adds to the seven-argument call, which takes base values for numbers of dabs and 0 for the
// rest.
static int is_of_second_call(MyPaintBrushSetting setting) {
  return setting == MYPAINT_BRUSH_SETTING_PAINT_MODE || setting == MYPAINT_BRUSH_SETTING_POSTERIZE;
}

static int is_base_of_first_call(MyPaintBrushSetting setting) {
  return setting == MYPAINT_BRUSH_SETTING_DABS_PER_BASIC_RADIUS ||
         setting == MYPAINT_BRUSH_SETTING_DABS_PER_ACTUAL_RADIUS || setting == MYPAINT_BRUSH_SETTING_DABS_PER_SECOND;
}

// How much larger an input is than on a canvas of scale 1; libmypaint takes logarithms of both.
static float shift_of(const Settings *s, MyPaintBrushInput input) {
  if (input == MYPAINT_BRUSH_INPUT_BRUSH_RADIUS) return logf(s->scale);
  if (input == MYPAINT_BRUSH_INPUT_VIEWZOOM && s->view_zoom > 0) return logf(s->view_zoom);
  return 0;
}

MyPaintBrush *recipe_make(const Recipe *recipe, const Settings *s) {
  MyPaintBrush *fresh = mypaint_brush_new();
  if (!fresh) return NULL;
  const int second = s->view_zoom > 0;
  for (int i = 0; i < recipe->base_values; i++) {
    const BaseValue *base = &recipe->base_value[i];
    if (!second || !is_of_second_call(base->setting)) mypaint_brush_set_base_value(fresh, base->setting, base->value);
  }
  if (s->scale != 1) {
    const float scale = mypaint_brush_get_base_value(fresh, MYPAINT_BRUSH_SETTING_GRIDMAP_SCALE);
    mypaint_brush_set_base_value(fresh, MYPAINT_BRUSH_SETTING_GRIDMAP_SCALE, scale + logf(s->scale));
  }
  for (int i = 0; i < recipe->mappings; i++) {
    const Mapping *m = &recipe->mapping[i];
    if (second && (is_of_second_call(m->setting) || is_base_of_first_call(m->setting))) continue;
    const float shift = shift_of(s, m->input);
    mypaint_brush_set_mapping_n(fresh, m->setting, m->input, m->points);
    for (int p = 0; p < m->points; p++) {
      mypaint_brush_set_mapping_point(fresh, m->setting, m->input, p, m->x[p] + shift, m->y[p]);
    }
  }
  return fresh;
}
