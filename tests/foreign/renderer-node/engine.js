// The engine "strokes": anti-aliased quadratic curves on a plain pixel buffer.

import { Invalid } from './validation.js';

export const NAME = 'strokes';
export const VERSION = '1';

const DEFAULTS = { canvas: 64, view: 64, grid: 16, colour: false, sizes: [1, 2, 4, 8], tones: 8 };
const RANGES = { canvas: [8, 512], view: [8, 512], grid: [2, 64], tones: [2, 64] };
const PAPER = 255;
// A curve is drawn as this many straight pieces: on 64 pixels the largest error is below a tenth of a pixel.
const PIECES = 16;

// Settings as a JSON object, checked; what is missing has its default.
export function parseSettings(json, field) {
  let given = {};
  if (json) {
    try {
      given = JSON.parse(json);
    } catch (error) {
      throw new Invalid(field, `is no JSON (${error.message}); expected an object such as {"canvas": 64}`);
    }
  }
  if (given === null || typeof given !== 'object' || Array.isArray(given)) {
    throw new Invalid(field, 'is no JSON object; expected one such as {"canvas": 64}');
  }
  for (const [key, value] of Object.entries(given)) checkSetting(key, value, `${field}.${key}`);
  const settings = { ...DEFAULTS, ...given };
  if (given.view === undefined) settings.view = settings.canvas;
  if (settings.canvas % settings.view !== 0) {
    throw new Invalid(`${field}.view`, `${settings.view} does not divide the canvas of ${settings.canvas} pixels`);
  }
  return settings;
}

function checkSetting(key, value, field) {
  if (!Object.hasOwn(DEFAULTS, key)) {
    throw new Invalid(field, `is no setting; the engine "${NAME}" has ${Object.keys(DEFAULTS).join(', ')}`);
  }
  if (key === 'colour') {
    if (typeof value !== 'boolean') throw new Invalid(field, `${JSON.stringify(value)} is not true or false`);
  } else if (key === 'sizes') {
    const right = Array.isArray(value) && value.length >= 2 && value.length <= 64 &&
      value.every((size) => Number.isFinite(size) && size >= 0.5 && size <= 256);
    if (!right) throw new Invalid(field, 'is not a list of 2 to 64 numbers from 0.5 to 256, pixels');
  } else {
    const [lowest, highest] = RANGES[key];
    if (!Number.isInteger(value) || value < lowest || value > highest) {
      throw new Invalid(field, `${JSON.stringify(value)} is not a whole number in ${lowest}…${highest}`);
    }
  }
}

// The components of an action in sampling order, and which of them count for which flag.
export function actionSpec(settings) {
  const places = settings.grid * settings.grid;
  const inks = settings.colour ? ['red', 'green', 'blue'] : ['tone'];
  const components = [
    { name: 'flag', size: 2, kind: 'COMPONENT_KIND_CHOICE' },
    { name: 'end', size: places, kind: 'COMPONENT_KIND_GRID' },
    { name: 'control', size: places, kind: 'COMPONENT_KIND_GRID' },
    { name: 'size', size: settings.sizes.length, kind: 'COMPONENT_KIND_CHOICE' },
    ...inks.map((name) => ({ name, size: settings.tones, kind: 'COMPONENT_KIND_CHOICE' })),
  ];
  const move = components.map((_, index) => index < 2);
  const draw = components.map(() => true);
  return { components, counts: [{ component: move }, { component: draw }] };
}

// One picture in the making. Everything is additions, multiplications and square roots of doubles, which IEEE 754
// rounds in one way only: the same actions give the same pixels on every machine.
export class Canvas {
  constructor(settings, scale = 1) {
    this.settings = settings;
    this.scale = scale;
    this.side = settings.canvas * scale;
    this.channels = settings.colour ? 3 : 1;
    this.pixels = Buffer.allocUnsafe(this.side * this.side * this.channels);
    this.coverage = new Float64Array(this.side * this.side);
    this.reset();
  }

  reset() {
    this.pixels.fill(PAPER);
    this.x = this.y = 0.5 * this.side;
  }

  // Executes one action: an array of integers, each within its component's size.
  act([flag, end, control, size, ...inks]) {
    const [x, y] = this.#place(end);
    if (flag === 1) {
      const radius = 0.5 * this.settings.sizes[size] * this.scale;
      this.#stroke(this.#place(control), [x, y], radius, inks.map((ink) => (PAPER * ink) / (this.settings.tones - 1)));
    }
    this.x = x;
    this.y = y;
  }

  #place(index) {
    const { grid } = this.settings;
    const step = this.side / grid;
    return [((index % grid) + 0.5) * step, (Math.floor(index / grid) + 0.5) * step];
  }

  #stroke([cx, cy], [x, y], radius, inks) {
    // The curve stays inside the triangle of its three points.
    const reach = radius + 1;
    const clip = (value) => Math.min(this.side, Math.max(0, value));
    const left = clip(Math.floor(Math.min(this.x, cx, x) - reach));
    const right = clip(Math.ceil(Math.max(this.x, cx, x) + reach));
    const top = clip(Math.floor(Math.min(this.y, cy, y) - reach));
    const bottom = clip(Math.ceil(Math.max(this.y, cy, y) + reach));
    for (let row = top; row < bottom; row++) this.coverage.fill(0, row * this.side + left, row * this.side + right);
    let [fromX, fromY] = [this.x, this.y];
    for (let piece = 1; piece <= PIECES; piece++) {
      const t = piece / PIECES;
      const u = 1 - t;
      const toX = u * u * this.x + 2 * u * t * cx + t * t * x;
      const toY = u * u * this.y + 2 * u * t * cy + t * t * y;
      this.#cover(fromX, fromY, toX, toY, radius);
      [fromX, fromY] = [toX, toY];
    }
    this.#blend(left, right, top, bottom, inks);
  }

  // How much of each pixel a straight piece covers: 1 inside, 0 outside, a ramp one pixel wide at the edge.
  #cover(fromX, fromY, toX, toY, radius) {
    const { side, coverage } = this;
    const [dx, dy] = [toX - fromX, toY - fromY];
    const length2 = dx * dx + dy * dy;
    const reach = radius + 0.5;
    const left = Math.max(0, Math.floor(Math.min(fromX, toX) - reach));
    const right = Math.min(side, Math.ceil(Math.max(fromX, toX) + reach));
    const top = Math.max(0, Math.floor(Math.min(fromY, toY) - reach));
    const bottom = Math.min(side, Math.ceil(Math.max(fromY, toY) + reach));
    for (let row = top; row < bottom; row++) {
      for (let column = left; column < right; column++) {
        const px = column + 0.5 - fromX;
        const py = row + 0.5 - fromY;
        const along = length2 > 0 ? Math.min(1, Math.max(0, (px * dx + py * dy) / length2)) : 0;
        const offX = px - along * dx;
        const offY = py - along * dy;
        const share = Math.min(1, reach - Math.sqrt(offX * offX + offY * offY));
        const index = row * side + column;
        if (share > coverage[index]) coverage[index] = share;
      }
    }
  }

  #blend(left, right, top, bottom, inks) {
    const { side, channels, coverage, pixels } = this;
    for (let row = top; row < bottom; row++) {
      for (let column = left; column < right; column++) {
        const share = coverage[row * side + column];
        if (share <= 0) continue;
        const index = (row * side + column) * channels;
        for (let channel = 0; channel < channels; channel++) {
          const paper = pixels[index + channel];
          pixels[index + channel] = Math.floor(paper + (inks[channel] - paper) * share + 0.5);
        }
      }
    }
  }

  // Writes the observation, the canvas or its area average rounded half up, to `out` from `offset` on.
  observe(out, offset) {
    const { side, channels, pixels } = this;
    const { view } = this.settings;
    const factor = this.settings.canvas / view;
    if (factor === 1) return void pixels.copy(out, offset);
    const area = factor * factor;
    for (let row = 0; row < view; row++) {
      for (let column = 0; column < view; column++) {
        for (let channel = 0; channel < channels; channel++) {
          let sum = 0;
          for (let y = row * factor; y < (row + 1) * factor; y++) {
            for (let x = column * factor; x < (column + 1) * factor; x++) sum += pixels[(y * side + x) * channels + channel];
          }
          out[offset++] = Math.floor((2 * sum + area) / (2 * area));
        }
      }
    }
  }
}
