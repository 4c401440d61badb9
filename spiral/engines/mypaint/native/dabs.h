// Hooks in where libmypaint hands dabs to the surface: the last place where a dab can be refused.
#pragma once
#include "canvas.h"

void dabs_watch(Canvas *canvas);  // call it after the surface has been made
