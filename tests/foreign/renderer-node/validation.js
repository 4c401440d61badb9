// What is wrong with a request: the field's name and a sentence.

import grpc from '@grpc/grpc-js';

// Details travel as percent-encoded UTF-8 in a header; clients take headers of 8 KiB for certain.
const MAX_DETAILS_BYTES = 4096;

// The sentence itself, or as much of its start as fits.
function fit(details) {
  let [size, end] = [0, 0];
  for (const letter of details) {
    size += 3 * Buffer.byteLength(letter); // no letter takes more
    if (size > MAX_DETAILS_BYTES) return `${details.slice(0, end)} ... (cut)`;
    end += letter.length;
  }
  return details;
}

export class Invalid extends Error {
  constructor(field, sentence) {
    super(fit(`${field}: ${sentence}`));
    this.code = grpc.status.INVALID_ARGUMENT;
  }
}

// An int32 tensor of the shape, as a typed array, each value within its component's size.
export function checkActions(tensor, shape, components, field) {
  if (!tensor) throw new Invalid(field, `is missing; expected int32 [${shape}]`);
  if (tensor.dtype !== 'DATA_TYPE_INT32') throw new Invalid(`${field}.dtype`, `${tensor.dtype} is not DATA_TYPE_INT32`);
  const given = tensor.shape.map(Number);
  if (given.length !== shape.length || given.some((length, axis) => length !== shape[axis])) {
    throw new Invalid(`${field}.shape`, `[${tensor.shape}] is not [${shape}]`);
  }
  const count = shape.reduce((product, length) => product * length, 1);
  if (tensor.data.length !== 4 * count) {
    throw new Invalid(`${field}.data`, `${tensor.data.length} bytes are not the ${4 * count} of int32 [${shape}]`);
  }
  const values = new Int32Array(count);
  for (let index = 0; index < count; index++) {
    const value = tensor.data.readInt32LE(4 * index);
    const { name, size } = components[index % components.length];
    if (value < 0 || value >= size) {
      throw new Invalid(field, `${name}: ${value} is outside 0…${size - 1} (row ${Math.floor(index / components.length)})`);
    }
    values[index] = value;
  }
  return values;
}

export function checkRange(value, lowest, highest, field) {
  if (value < lowest || value > highest) throw new Invalid(field, `${value} is outside ${lowest}…${highest}`);
  return value;
}
