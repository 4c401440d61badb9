// RendererService and InfoService, as protos/ describes them.

import { performance } from 'node:perf_hooks';
import grpc from '@grpc/grpc-js';
import { Canvas, NAME, VERSION, actionSpec, parseSettings } from './engine.js';
import { Invalid, checkActions, checkRange } from './validation.js';

export const IMPLEMENTATION_VERSION = '1.0.0';
const MAX_BATCH = 4096;
const MAX_ACTIONS = 10000;
// The event loop gets a turn after so many milliseconds of painting: health checks and other streams wait no longer.
const SLICE_MS = 10;
// What a message has beside its pixels: tags, lengths and the shape.
const OVERHEAD_BYTES = 256;
const RETRY_MS = 1000;

const breathe = () => new Promise((resolve) => setImmediate(resolve));
const status = (code, details, metadata) => Object.assign(new Error(details), { code, details, metadata });

function openEngine(engine, field) {
  if (!engine) throw new Invalid(field, `is missing; expected {engine: "${NAME}"}`);
  if (engine.engine !== NAME) {
    throw new Invalid(`${field}.engine`, `"${engine.engine}" is no engine here; expected "${NAME}"`);
  }
  return parseSettings(engine.settings_json, `${field}.settings_json`);
}

const uint8 = (shape, data) => ({ dtype: 'DATA_TYPE_UINT8', shape, data });
const channelsOf = (settings) => (settings.colour ? 3 : 1);

// One Rollout stream's canvases.
class Rollout {
  constructor(renderer) {
    this.renderer = renderer;
    this.canvases = null;
  }

  async answer(request) {
    const { options } = this.renderer;
    if (!request.request) throw new Invalid('request', this.canvases ? 'says nothing; expected reset or step' : 'says nothing; expected open');
    // Episodes under way are painted to their end; another begins elsewhere.
    if (this.renderer.draining && request.request !== 'step') throw this.renderer.goingDown();
    if (request.request === 'open') return this.#open(request.open, options);
    if (!this.canvases) throw new Invalid(request.request, 'comes before open; the first request has to open');
    if (request.request === 'reset') return this.#reset(request.reset);
    return this.#step(request.step);
  }

  #open({ engine, batch }, { maxMessageBytes }) {
    if (this.canvases) throw new Invalid('open', 'comes twice on this stream; expected reset or step');
    this.settings = openEngine(engine, 'open.engine');
    checkRange(batch, 1, MAX_BATCH, 'open.batch');
    this.spec = actionSpec(this.settings);
    this.shape = [batch, this.settings.view, this.settings.view, channelsOf(this.settings)];
    const bytes = this.shape.reduce((product, length) => product * length, 1);
    if (bytes + OVERHEAD_BYTES > maxMessageBytes) {
      throw new Invalid('open.batch', `observations [${this.shape}] are larger than a message of ${maxMessageBytes} bytes`);
    }
    this.canvases = Array.from({ length: batch }, () => new Canvas(this.settings));
    this.renderer.metrics.canvases.inc(batch);
    return {};
  }

  async #reset({ seeds }) {
    const batch = this.canvases.length;
    if (seeds.length !== 0 && seeds.length !== batch) {
      throw new Invalid('reset.seeds', `${seeds.length} seeds; expected one for each of ${batch} canvases, or none`);
    }
    return this.#observe((canvas) => canvas.reset());
  }

  async #step({ actions }) {
    const { components } = this.spec;
    const batch = this.canvases.length;
    const values = checkActions(actions, [batch, components.length], components, 'step.actions');
    const start = performance.now();
    const answer = await this.#observe((canvas, index) =>
      canvas.act(values.subarray(index * components.length, (index + 1) * components.length)));
    this.renderer.metrics.step.observe((performance.now() - start) / 1000);
    this.renderer.metrics.frames.inc(batch);
    return answer;
  }

  async #observe(change) {
    const size = this.shape[1] * this.shape[2] * this.shape[3];
    const data = Buffer.allocUnsafe(size * this.canvases.length);
    let turn = performance.now();
    for (const [index, canvas] of this.canvases.entries()) {
      change(canvas, index);
      canvas.observe(data, index * size);
      if (performance.now() - turn > SLICE_MS) {
        await breathe();
        if (!this.canvases) throw status(grpc.status.CANCELLED, 'the caller has gone');
        turn = performance.now();
      }
    }
    return { observations: uint8(this.shape, data) };
  }

  close() {
    if (this.canvases) this.renderer.metrics.canvases.dec(this.canvases.length);
    this.canvases = null;
  }
}

export class Renderer {
  constructor(options, metrics, metricsUrl) {
    Object.assign(this, { options, metrics, metricsUrl });
    this.calls = 0;
    this.draining = false;
    this.atRest = null;
  }

  // Takes no more calls; `atRest` is called once those under way have ended.
  drain(atRest) {
    this.draining = true;
    this.atRest = atRest;
    if (this.calls === 0) atRest();
  }

  // Whether there is a place for a call; where there is none, it is refused.
  #begin(call) {
    if (this.draining || this.calls >= this.options.maxStreams) {
      call.emit('error', this.draining ? this.goingDown() : this.#full());
      return false;
    }
    this.calls += 1;
    this.metrics.streams.inc();
    return true;
  }

  #end() {
    this.calls -= 1;
    this.metrics.streams.dec();
    if (this.calls === 0) this.atRest?.();
  }

  service() {
    return {
      DescribeEngine: (call, callback) => this.#unary(callback, () => this.describe(call.request)),
      Rollout: (call) => this.rollout(call),
      Render: (call) => this.render(call),
    };
  }

  info() {
    return {
      GetInfo: (call, callback) => callback(null, {
        service: 'renderer',
        implementation: 'renderer-node',
        implementation_version: IMPLEMENTATION_VERSION,
        protocol_major: 1,
        protocol_minor: 0,
        capabilities: ['render'],
        max_message_bytes: this.options.maxMessageBytes,
        max_streams: this.options.maxStreams,
        engines: [NAME],
        metrics_url: this.metricsUrl,
      }),
    };
  }

  #unary(callback, answer) {
    try {
      callback(null, answer());
    } catch (error) {
      callback(asStatus(error));
    }
  }

  describe({ engine }) {
    const settings = openEngine(engine, 'engine');
    const shape = (side) => [side, side, channelsOf(settings)];
    return {
      action_spec: actionSpec(settings),
      observation_shape: shape(settings.view),
      canvas_shape: shape(settings.canvas),
      engine_version: VERSION,
    };
  }

  rollout(call) {
    if (!this.#begin(call)) return;
    const rollout = new Rollout(this);
    const watchdog = setTimeout(() => {
      this.metrics.idle.inc();
      end(status(grpc.status.CANCELLED, `no request for ${this.options.idleS} s, and others may want the place`));
    }, this.options.idleS * 1000);
    let over = false;
    const end = (error) => {
      if (over) return;
      over = true;
      clearTimeout(watchdog);
      rollout.close();
      if (error) call.emit('error', error);
      else call.end();
      this.#end();
    };
    call.on('cancelled', () => end());
    // One request at a time, in order; the next is asked for when the caller has room for the answer.
    let work = Promise.resolve();
    const answer = async (request) => {
      if (over) return;
      const response = await rollout.answer(request);
      if (over) return;
      if (!call.write(response)) await drained(call);
      watchdog.refresh();
      call.resume();
    };
    call.on('data', (request) => {
      watchdog.refresh();
      call.pause();
      work = work.then(() => answer(request)).catch((error) => end(asStatus(error)));
    });
    // The caller has said its last word, but not heard the last answer.
    call.on('end', () => work.then(() => end()));
  }

  async render(call) {
    if (!this.#begin(call)) return;
    try {
      await this.#frames(call);
      call.end();
    } catch (error) {
      if (!call.cancelled) call.emit('error', asStatus(error));
    } finally {
      this.#end();
    }
  }

  async #frames(call) {
    const { program, every } = call.request;
    const scale = checkRange(call.request.scale, 0, 16, 'scale') || 1;
    const settings = openEngine(program?.engine, 'program.engine');
    const { components } = actionSpec(settings);
    const length = Number(program.actions?.shape[0] ?? 0);
    if (program.actions) checkRange(length, 1, MAX_ACTIONS, 'program.actions.shape');
    const values = checkActions(program.actions, [length, components.length], components, 'program.actions');
    const side = settings.canvas * scale;
    const shape = [side, side, channelsOf(settings)];
    if (side * side * shape[2] + OVERHEAD_BYTES > this.options.maxMessageBytes) {
      throw new Invalid('scale', `a frame [${shape}] is larger than a message of ${this.options.maxMessageBytes} bytes`);
    }
    const canvas = new Canvas(settings, scale);
    let turn = performance.now();
    for (let step = 1; step <= length && !call.cancelled; step++) {
      canvas.act(values.subarray((step - 1) * components.length, step * components.length));
      this.metrics.frames.inc();
      if (step === length || (every && step % every === 0)) {
        const sent = call.write({ step, frame: uint8(shape, Buffer.from(canvas.pixels)) });
        if (!sent) await drained(call);
      }
      if (performance.now() - turn > SLICE_MS) {
        await breathe();
        turn = performance.now();
      }
    }
  }

  goingDown() {
    return status(grpc.status.UNAVAILABLE, 'the renderer is going down; use another');
  }

  #full() {
    const metadata = new grpc.Metadata();
    metadata.set('grpc-retry-pushback-ms', String(RETRY_MS));
    const limit = this.options.maxStreams;
    return status(grpc.status.RESOURCE_EXHAUSTED, `max_streams: ${limit} streams are open; try again later`, metadata);
  }
}

// Until the caller takes more, or goes away.
function drained(call) {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of ['drain', 'cancelled', 'close']) call.off(event, done);
      resolve();
    };
    for (const event of ['drain', 'cancelled', 'close']) call.once(event, done);
  });
}

function asStatus(error) {
  if (error.code !== undefined) return { code: error.code, details: error.details ?? error.message, metadata: error.metadata };
  console.error(error);
  return { code: grpc.status.INTERNAL, details: `${error.name} in the renderer; its log says more` };
}
