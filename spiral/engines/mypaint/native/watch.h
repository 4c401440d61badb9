// Whether a call is to go on: asked often, because a call may have hours to do.
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#include "api.h"

typedef struct {
  atomic_int *stopped;  // of the call, for all of its threads
  Ask ask;              // NULL in all threads but the caller's
  void *caller;
  int64_t asked_ns;  // when it last asked
} Watch;

int watch_goes_on(Watch *watch);
int64_t watch_now_ns(void);
