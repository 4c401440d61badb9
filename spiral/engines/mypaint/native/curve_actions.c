// The published environment (google-deepmind/spiral), action for action: docs/method.md, 4.
#include "curve_actions.h"

static void paint(Canvas *canvas, const Settings *s, const int32_t *action, Place end) {
  const Place control = place_of(s, action[s->column[CONTROL]]);
  const Ink ink = ink_of(s, action);
  const double pressure_start = canvas->painting ? canvas->pressure : ink.pressure;
  take_ink(canvas, &ink);
  // Without a first event where the brush already is, libmypaint would ramp the pressure up from 0.
  if (!canvas->painting) stroke_to(canvas, canvas->x, canvas->y, pressure_start);
  for (int i = 1; i <= SEGMENTS; i++) {
    const double at_start = s->bezier[0][i], at_control = s->bezier[1][i], at_end = s->bezier[2][i];
    stroke_to(canvas, at_start * canvas->x + at_control * control.x + at_end * end.x,
              at_start * canvas->y + at_control * control.y + at_end * end.y,
              pressure_start * (1.0 - s->ramp[i]) + ink.pressure * s->ramp[i]);
  }
  canvas->strokes++;
  if (!canvas->painting) canvas->disjoint++;
  canvas->x = end.x;
  canvas->y = end.y;
  canvas->pressure = ink.pressure;
  canvas->painting = 1;
}

int curve_step(Canvas *canvas, const int32_t *action) {
  const Settings *s = canvas->settings;
  const Place end = place_of(s, action[s->column[END]]);
  if (action[s->column[FLAG]]) {
    paint(canvas, s, action, end);
  } else {
    move_to(canvas, end.x, end.y);
    canvas->x = s->legacy_move ? end.y : end.x;
    canvas->y = end.y;
    canvas->painting = 0;
  }
  return 1;
}
