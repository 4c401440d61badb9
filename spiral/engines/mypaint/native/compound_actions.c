// SPIRAL++'s interface (Mellor et al. 2019; docs/method.md, 3). An action with flag 0 adds its place to the stroke. One with
// flag 1 commits the stroke: it is painted, with the ink that it began with, and the next one begins at its place with
// its ink. Before the first flag 1 there is no stroke to add to.
#include "compound_actions.h"

#include <math.h>
#include <stdlib.h>

enum { FIRST_ROOM = 16 };  // most strokes have fewer knots

// A place equal to the previous knot is ignored: a spline needs distances above 0.
static int add_knot(Canvas *canvas, Place place) {
  if (canvas->knots) {
    const Knot *last = &canvas->knot[canvas->knots - 1];
    if (last->place.x == place.x && last->place.y == place.y) return 1;
  }
  if (canvas->knots == canvas->room) {
    const int room = canvas->room ? 2 * canvas->room : FIRST_ROOM;
    Knot *knot = realloc(canvas->knot, room * sizeof(Knot));
    if (!knot) return 0;
    canvas->knot = knot;
    canvas->room = room;
  }
  canvas->knot[canvas->knots++] = (Knot){.place = place};
  return 1;
}

// Second derivatives of the natural cubic spline whose parameter is the way along the chords. With h_i the chord after
// knot i: h_{i−1} M_{i−1} + 2 (h_{i−1} + h_i) M_i + h_i M_{i+1} = 6 (slope_i − slope_{i−1}), and 0 at both ends.
static void bend(Knot *knot, int knots) {
  for (int i = 0; i + 1 < knots; i++) {
    knot[i].chord = hypot(knot[i + 1].place.x - knot[i].place.x, knot[i + 1].place.y - knot[i].place.y);
  }
  knot[0].bend = knot[knots - 1].bend = (Place){0, 0};
  double share = 0;
  for (int i = 1; i + 1 < knots; i++) {
    const double before = knot[i - 1].chord, after = knot[i].chord;
    const double pivot = 2 * (before + after) - before * share;
    const Place *left = &knot[i - 1].place, *here = &knot[i].place, *right = &knot[i + 1].place;
    const double x = 6 * ((right->x - here->x) / after - (here->x - left->x) / before);
    const double y = 6 * ((right->y - here->y) / after - (here->y - left->y) / before);
    knot[i].bend.x = (x - before * knot[i - 1].bend.x) / pivot;
    knot[i].bend.y = (y - before * knot[i - 1].bend.y) / pivot;
    knot[i].share = share = after / pivot;
  }
  for (int i = knots - 2; i > 0; i--) {
    knot[i].bend.x -= knot[i].share * knot[i + 1].bend.x;
    knot[i].bend.y -= knot[i].share * knot[i + 1].bend.y;
  }
}

static void paint(Canvas *canvas, const Settings *s) {
  Knot *knot = canvas->knot;
  const double pressure = canvas->ink.pressure;
  bend(knot, canvas->knots);
  take_ink(canvas, &canvas->ink);
  // Without a first event where the brush already is, libmypaint would ramp the pressure up from 0.
  stroke_to(canvas, knot[0].place.x, knot[0].place.y, pressure);
  for (int k = 0; k + 1 < canvas->knots; k++) {
    const Knot *from = &knot[k], *to = &knot[k + 1];
    const double sixth = from->chord * from->chord / 6;
    for (int i = 1; i <= SEGMENTS; i++) {
      const double b = s->ramp[i], a = 1.0 - b;
      const double bend_a = (a * a * a - a) * sixth, bend_b = (b * b * b - b) * sixth;
      stroke_to(canvas, a * from->place.x + b * to->place.x + bend_a * from->bend.x + bend_b * to->bend.x,
                a * from->place.y + b * to->place.y + bend_a * from->bend.y + bend_b * to->bend.y, pressure);
    }
  }
  canvas->strokes++;
  canvas->disjoint++;
}

int compound_step(Canvas *canvas, const int32_t *action) {
  const Settings *s = canvas->settings;
  const Place place = place_of(s, action[s->column[CONTROL]]);
  if (!action[s->column[FLAG]]) return canvas->knots ? add_knot(canvas, place) : 1;
  if (canvas->knots > 1) paint(canvas, s);
  move_to(canvas, place.x, place.y);
  canvas->ink = ink_of(s, action);
  canvas->knots = 0;
  return add_knot(canvas, place);
}
