// Where libmypaint hands dabs to the surface: the last place at which one can be refused.
#pragma once
#include "canvas.h"

void dabs_watch(Canvas *canvas);  // to be called once the surface is made
