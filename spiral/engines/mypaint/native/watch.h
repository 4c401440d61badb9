// Whether a call should continue: asked often, because a call may take hours.
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#include "api.h"

typedef struct {
  atomic_int *stopped;  // shared by all threads of the call
  Ask ask;              // NULL except in the caller's thread
  void *caller;
  int64_t asked_ns;  // when it last asked
} Watch;

int watch_goes_on(Watch *watch);
int64_t watch_now_ns(void);
