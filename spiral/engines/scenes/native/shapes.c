#include "shapes.h"

#include <math.h>

// The part of a ray inside something: from enter to leave.
typedef struct {
  double enter, leave;
} Interval;

// Roots of a t² + 2 b t + c, between which it is negative. a ≥ 0.
static int between_roots(double a, double b, double c, Interval *inside) {
  if (a == 0) {  // the ray is parallel to the axis
    *inside = (Interval){-INFINITY, INFINITY};
    return c <= 0;
  }
  const double discriminant = b * b - a * c;
  if (discriminant < 0) return 0;
  const double root = sqrt(discriminant);
  *inside = (Interval){(-b - root) / a, (-b + root) / a};
  return 1;
}

static int between_planes(double half, double from, double direction, Interval *inside) {
  if (direction == 0) {
    *inside = (Interval){-INFINITY, INFINITY};
    return fabs(from) <= half;
  }
  const double one = (-half - from) / direction, other = (half - from) / direction;
  *inside = one < other ? (Interval){one, other} : (Interval){other, one};
  return 1;
}

static int hit_sphere(double radius, Vector from, Vector direction, Hit *hit) {
  const double a = direction.x * direction.x + direction.y * direction.y + direction.z * direction.z;
  const double b = from.x * direction.x + from.y * direction.y + from.z * direction.z;
  const double c = from.x * from.x + from.y * from.y + from.z * from.z - radius * radius;
  Interval inside;
  if (!between_roots(a, b, c, &inside)) return 0;
  const double t = inside.enter;
  hit->depth = t;
  hit->normal = (Vector){(from.x + t * direction.x) / radius, (from.y + t * direction.y) / radius,
                         (from.z + t * direction.z) / radius};
  return 1;
}

static int hit_box(double half, const double turn[2], Vector from, Vector direction, Hit *hit) {
  const double c = turn[0], s = turn[1];
  // Everything below is in the box's own axes.
  const double origin[3] = {c * from.x + s * from.y, c * from.y - s * from.x, from.z};
  const double along[3] = {c * direction.x + s * direction.y, c * direction.y - s * direction.x, direction.z};
  double enter = -INFINITY, leave = INFINITY;
  int face = 0;
  for (int axis = 0; axis < 3; axis++) {
    Interval inside;
    if (!between_planes(half, origin[axis], along[axis], &inside)) return 0;
    if (inside.enter > enter) {
      enter = inside.enter;
      face = axis;
    }
    if (inside.leave < leave) leave = inside.leave;
  }
  if (enter > leave) return 0;
  double normal[3] = {0, 0, 0};
  normal[face] = along[face] < 0 ? 1 : -1;
  hit->depth = enter;
  hit->normal = (Vector){c * normal[0] - s * normal[1], s * normal[0] + c * normal[1], normal[2]};
  return 1;
}

static int hit_cylinder(double radius, double half, Vector from, Vector direction, Hit *hit) {
  const double a = direction.x * direction.x + direction.y * direction.y;
  const double b = from.x * direction.x + from.y * direction.y;
  const double c = from.x * from.x + from.y * from.y - radius * radius;
  Interval side, caps;
  if (!between_roots(a, b, c, &side) || !between_planes(half, from.z, direction.z, &caps)) return 0;
  const double enter = side.enter > caps.enter ? side.enter : caps.enter;
  if (enter > (side.leave < caps.leave ? side.leave : caps.leave)) return 0;
  hit->depth = enter;
  if (caps.enter >= side.enter) {
    hit->normal = (Vector){0, 0, direction.z < 0 ? 1 : -1};
  } else {
    hit->normal = (Vector){(from.x + enter * direction.x) / radius, (from.y + enter * direction.y) / radius, 0};
  }
  return 1;
}

// The capsule's axis is x.
static int hit_capsule(double radius, double half, Vector from, Vector direction, Hit *hit) {
  const double a = direction.y * direction.y + direction.z * direction.z;
  const double b = from.y * direction.y + from.z * direction.z;
  const double c = from.y * from.y + from.z * from.z - radius * radius;
  Interval side;
  if (!between_roots(a, b, c, &side)) return 0;
  const double t = side.enter, x = a == 0 ? -direction.x * INFINITY : from.x + t * direction.x;
  if (fabs(x) > half) {
    // Outside the middle part, the ray meets the end on this side or nothing.
    from.x -= x > 0 ? half : -half;
    return hit_sphere(radius, from, direction, hit);
  }
  hit->depth = t;
  hit->normal = (Vector){0, (from.y + t * direction.y) / radius, (from.z + t * direction.z) / radius};
  return 1;
}

Vector shape_extent(const StageSettings *s, const Object *object) {
  const double r = object->radius;
  if (object->type == BOX) {
    const double half = s->box_half * r, reach = half * (fabs(s->turn[0]) + fabs(s->turn[1]));
    return (Vector){reach, reach, half};
  }
  if (object->type == SPHERE) return (Vector){r, r, r};
  if (object->type == CYLINDER) return (Vector){s->cylinder[0] * r, s->cylinder[0] * r, s->cylinder[1] * r};
  return (Vector){(s->capsule[0] + s->capsule[1]) * r, s->capsule[0] * r, s->capsule[0] * r};
}

int shape_hit(const StageSettings *s, const Object *object, Vector eye, Vector direction, Hit *hit) {
  const double r = object->radius;
  const Vector from = {eye.x - object->center.x, eye.y - object->center.y, eye.z - object->center.z};
  if (object->type == BOX) return hit_box(s->box_half * r, s->turn, from, direction, hit);
  if (object->type == SPHERE) return hit_sphere(r, from, direction, hit);
  if (object->type == CYLINDER) return hit_cylinder(s->cylinder[0] * r, s->cylinder[1] * r, from, direction, hit);
  return hit_capsule(s->capsule[0] * r, s->capsule[1] * r, from, direction, hit);
}
