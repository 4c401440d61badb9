// A batch of canvases and the threads that share its work.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "recipe.h"
#include "canvas.h"
#include "readout.h"

typedef struct {
  const int32_t *actions;  // NULL: reset
  uint8_t *out;            // or NULL
  atomic_int next;         // the next canvas that no thread has taken
  atomic_int stopped;      // no thread may take another canvas
  atomic_int outcome;      // DONE, or why a canvas failed
} Job;

typedef struct {
  Batch *batch;
  Scratch scratch;
  Watch watch;
  pthread_t thread;
} Worker;

struct Batch {
  const Recipe *recipe;
  Settings settings;
  int count, threads;
  Canvas *canvas;
  Worker *worker;  // the first one is the caller
  int started;     // running threads
  Job job;
  pthread_mutex_t lock;
  pthread_cond_t posted, finished;
  unsigned long number;  // of the job; raised to start one
  int busy;              // threads that have not finished it
  int stop;
};

static size_t view_bytes(const Settings *s) {
  return (size_t)s->view_height * s->view_width * s->channels;
}

static void work(Worker *worker) {
  Batch *batch = worker->batch;
  Job *job = &batch->job;
  const size_t bytes = view_bytes(&batch->settings);
  int i;
  while ((i = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed)) < batch->count) {
    Canvas *canvas = &batch->canvas[i];
    canvas->scratch = &worker->scratch;
    canvas->watch = &worker->watch;
    const int32_t *actions = job->actions;
    int outcome = watch_goes_on(&worker->watch) ? DONE : STOPPED;
    if (outcome == DONE) {
      outcome = actions ? canvas_step(canvas, actions + (size_t)i * batch->settings.columns)
                        : canvas_reset(canvas, batch->recipe);
    }
    if (outcome != DONE) {
      atomic_store(&job->outcome, outcome);
      atomic_store(&job->stopped, 1);
      return;
    }
    if (job->out) memcpy(job->out + i * bytes, canvas->view, bytes);
  }
}

static void *run(void *argument) {
  Worker *worker = argument;
  Batch *batch = worker->batch;
  unsigned long done = 0;
  pthread_mutex_lock(&batch->lock);
  for (;;) {
    while (batch->number == done && !batch->stop) pthread_cond_wait(&batch->posted, &batch->lock);
    if (batch->stop) break;
    done = batch->number;
    pthread_mutex_unlock(&batch->lock);
    work(worker);
    pthread_mutex_lock(&batch->lock);
    if (--batch->busy == 0) pthread_cond_signal(&batch->finished);
  }
  pthread_mutex_unlock(&batch->lock);
  return NULL;
}

// The caller has done its own share; it waits for the other threads and keeps asking whether to continue.
static void finish(Batch *batch) {
  enum { EVERY_NS = 50 * 1000 * 1000 };
  Watch *watch = &batch->worker[0].watch;
  pthread_mutex_lock(&batch->lock);
  while (batch->busy) {
    const int64_t until_ns = watch_now_ns() + EVERY_NS;
    const struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    if (pthread_cond_timedwait(&batch->finished, &batch->lock, &until) == 0) continue;
    pthread_mutex_unlock(&batch->lock);
    watch_goes_on(watch);
    pthread_mutex_lock(&batch->lock);
  }
  pthread_mutex_unlock(&batch->lock);
}

static int execute(Batch *batch, const int32_t *actions, uint8_t *out, Ask ask, void *caller) {
  batch->job.actions = actions;
  batch->job.out = out;
  atomic_store(&batch->job.next, 0);
  atomic_store(&batch->job.stopped, 0);
  atomic_store(&batch->job.outcome, DONE);
  batch->worker[0].watch = (Watch){&batch->job.stopped, ask, caller, watch_now_ns()};
  if (batch->started) {
    pthread_mutex_lock(&batch->lock);
    batch->busy = batch->started;
    batch->number++;
    pthread_cond_broadcast(&batch->posted);
    pthread_mutex_unlock(&batch->lock);
  }
  work(&batch->worker[0]);
  if (batch->started) finish(batch);
  return batch->job.outcome;
}

static int start_threads(Batch *batch) {
  sigset_t all, before;
  sigfillset(&all);
  // The interpreter's own threads handle signals.
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int good = 1;
  for (int i = 1; i < batch->threads && good; i++) {
    good = pthread_create(&batch->worker[i].thread, NULL, run, &batch->worker[i]) == 0;
    if (good) batch->started++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return good;
}

static int prepare(Batch *batch) {
  batch->canvas = calloc(batch->count, sizeof(Canvas));
  batch->worker = calloc(batch->threads, sizeof(Worker));
  if (!batch->canvas || !batch->worker) return 0;
  for (int i = 0; i < batch->threads; i++) {
    batch->worker[i].batch = batch;
    batch->worker[i].watch.stopped = &batch->job.stopped;
    batch->worker[i].scratch.pixels = aligned_alloc(64, TILE_ELEMENTS * sizeof(uint16_t));
    batch->worker[i].scratch.dirty = 1;
    if (!batch->worker[i].scratch.pixels) return 0;
    memset(batch->worker[i].scratch.pixels, 0, TILE_ELEMENTS * sizeof(uint16_t));
  }
  for (int i = 0; i < batch->count; i++) {
    if (!canvas_open(&batch->canvas[i], &batch->settings)) return 0;
  }
  return start_threads(batch) && execute(batch, NULL, NULL, NULL, NULL) == DONE;
}

Batch *batch_new(const Recipe *recipe, const Settings *settings, int canvases, int threads) {
  Batch *batch = calloc(1, sizeof(Batch));
  if (!batch) return NULL;
  batch->recipe = recipe;
  batch->settings = *settings;
  batch->count = canvases;
  batch->threads = threads < canvases ? threads : canvases;
  pthread_mutex_init(&batch->lock, NULL);
  pthread_cond_init(&batch->posted, NULL);
  pthread_condattr_t steady;
  pthread_condattr_init(&steady);
  pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
  pthread_cond_init(&batch->finished, &steady);
  pthread_condattr_destroy(&steady);
  if (prepare(batch)) return batch;
  batch_free(batch);
  return NULL;
}

void batch_free(Batch *batch) {
  if (!batch) return;
  pthread_mutex_lock(&batch->lock);
  batch->stop = 1;
  pthread_cond_broadcast(&batch->posted);
  pthread_mutex_unlock(&batch->lock);
  for (int i = 1; i <= batch->started; i++) pthread_join(batch->worker[i].thread, NULL);
  if (batch->canvas) {
    for (int i = 0; i < batch->count; i++) canvas_close(&batch->canvas[i]);
  }
  if (batch->worker) {
    for (int i = 0; i < batch->threads; i++) free(batch->worker[i].scratch.pixels);
  }
  free(batch->canvas);
  free(batch->worker);
  pthread_cond_destroy(&batch->posted);
  pthread_cond_destroy(&batch->finished);
  pthread_mutex_destroy(&batch->lock);
  free(batch);
}

int64_t batch_reset(Batch *batch, uint8_t *out) {
  return execute(batch, NULL, out, NULL, NULL);
}

int64_t batch_step(Batch *batch, const int32_t *actions, uint8_t *out, Ask ask, void *caller) {
  const Settings *s = &batch->settings;
  for (int component = 0; component < 8; component++) {
    const int column = s->column[component];
    if (column < 0) continue;
    for (int i = 0; i < batch->count; i++) {
      const size_t at = (size_t)i * s->columns + column;
      // Unsigned, so that a negative value is too large.
      if ((uint32_t)actions[at] >= (uint32_t)s->sizes[component]) return (int64_t)at;
    }
  }
  return execute(batch, actions, out, ask, caller);
}

void batch_canvas(const Batch *batch, uint8_t *out) {
  const size_t bytes = (size_t)batch->settings.height * batch->settings.width * batch->settings.channels;
  for (int i = 0; i < batch->count; i++) memcpy(out + i * bytes, batch->canvas[i].frame, bytes);
}

void batch_strokes(const Batch *batch, int32_t *strokes, int32_t *disjoint) {
  for (int i = 0; i < batch->count; i++) {
    strokes[i] = batch->canvas[i].strokes;
    disjoint[i] = batch->canvas[i].disjoint;
  }
}

void batch_keep_dabs(Batch *batch) {
  for (int i = 0; i < batch->count; i++) batch->canvas[i].keeps_dabs = 1;
}

int64_t batch_dabs(const Batch *batch, int canvas, const KeptDab **dabs) {
  *dabs = batch->canvas[canvas].dab;
  return batch->canvas[canvas].dabs;
}

static int64_t squared_distance(const uint8_t *one, const uint8_t *other, size_t bytes) {
  enum { PART = 1 << 15 };  // so many squares of differences of bytes fit into 31 bits
  int64_t total = 0;
  for (size_t start = 0; start < bytes; start += PART) {
    const size_t end = start + PART < bytes ? start + PART : bytes;
    int32_t part = 0;
    for (size_t i = start; i < end; i++) {
      const int apart = one[i] - other[i];
      part += apart * apart;
    }
    total += part;
  }
  return total;
}

void batch_distances(const Batch *batch, const uint8_t *targets, int64_t *squares) {
  const size_t bytes = view_bytes(&batch->settings);
  for (int i = 0; i < batch->count; i++) {
    squares[i] = squared_distance(batch->canvas[i].view, targets + i * bytes, bytes);
  }
}

const char *library_path(void) {
  Dl_info info;
  return dladdr((void *)mypaint_brush_new, &info) && info.dli_fname ? info.dli_fname : "";
}
