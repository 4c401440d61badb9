// Where a ray meets a box, a sphere, a cylinder or a capsule.
#pragma once
#include "api.h"

typedef struct {
  double x, y, z;
} Vector;

typedef struct {
  double depth;   // of the nearest point, in lengths of the ray's direction
  Vector normal;  // at that point, of length 1
} Hit;

typedef struct {
  int type;
  Vector center;
  double radius;  // of the size that was chosen
} Object;

// Half the extent of an object along each axis.
Vector shape_extent(const StageSettings *settings, const Object *object);
// Whether the ray from eye along direction meets the object.
int shape_hit(const StageSettings *settings, const Object *object, Vector eye, Vector direction, Hit *hit);
