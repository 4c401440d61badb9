// Brushes that are made without parsing.
#pragma once
#include <stdint.h>

#include "mypaint-brush.h"

#include "api.h"

// A brush object as if it had just been parsed from the file, its random generator at its start; NULL: no memory.
// What a brush takes from lengths in pixels, and from being called with a zoom, is set so that larger strokes look alike.
MyPaintBrush *recipe_make(const Recipe *recipe, const Settings *settings);
