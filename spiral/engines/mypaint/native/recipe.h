// Makes brushes without parsing.
#pragma once
#include <stdint.h>

#include "mypaint-brush.h"

#include "api.h"

// A brush object as if just parsed from the file, with its random generator at its start; NULL: no memory.
// Inputs that depend on lengths in pixels or on a zoom are set so that larger strokes look alike.
MyPaintBrush *recipe_make(const Recipe *recipe, const Settings *settings);
