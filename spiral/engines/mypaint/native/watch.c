#include "watch.h"

#include <time.h>

static const int64_t EVERY_NS = 50 * 1000 * 1000;

int64_t watch_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int watch_goes_on(Watch *watch) {
  if (atomic_load_explicit(watch->stopped, memory_order_relaxed)) return 0;
  if (!watch->ask) return 1;
  const int64_t now_ns = watch_now_ns();
  if (now_ns - watch->asked_ns < EVERY_NS) return 1;
  watch->asked_ns = now_ns;
  if (watch->ask(watch->caller)) return 1;
  atomic_store(watch->stopped, 1);
  return 0;
}
