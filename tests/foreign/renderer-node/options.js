// Options, by environment: the same names as for the renderer that this one can stand in for.

import fs from 'node:fs';

const number = (name, fallback, lowest, highest) => {
  const text = process.env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!Number.isFinite(value) || value < lowest || value > highest) {
    throw new Error(`${name}: "${text}" is outside ${lowest}…${highest}`);
  }
  return value;
};

const identity = () => {
  const files = ['SPIRAL_TLS_CA', 'SPIRAL_TLS_CERT', 'SPIRAL_TLS_KEY'];
  const given = files.filter((name) => process.env[name]);
  if (given.length === 0) return null;
  if (given.length < files.length) throw new Error(`${given.join(', ')}: ${files.join(', ')} make sense together only`);
  const [ca, cert, key] = files.map((name) => {
    try {
      return fs.readFileSync(process.env[name]);
    } catch (error) {
      throw new Error(`${name}: ${process.env[name]} can't be read (${error.code}); expected a PEM file`);
    }
  });
  return { ca, cert, key };
};

// Throws an Error whose message says which variable is wrong.
export function readOptions() {
  return {
    // Address of the gRPC server: host:port (port 0: a free one) or unix:/path.
    listen: process.env.SPIRAL_LISTEN || '127.0.0.1:50051',
    // Further address that answers health alone, plaintext; empty: none.
    health: process.env.SPIRAL_HEALTH || '',
    // Address of the metrics page; port 0: a free one, which GetInfo names.
    metrics: process.env.SPIRAL_METRICS || '127.0.0.1:0',
    maxStreams: number('SPIRAL_MAX_STREAMS', 32, 1, 4096),
    maxMessageBytes: number('SPIRAL_MAX_MESSAGE_BYTES', 64 * 2 ** 20, 2 ** 20, 2 ** 30),
    // Seconds that calls under way have to end after SIGTERM.
    graceS: number('SPIRAL_GRACE_S', 30, 0, 600),
    // Seconds of silence after which a stream gives its place to others.
    idleS: number('SPIRAL_IDLE_S', 300, 1, 86400),
    // Age at which a connection is asked to end, so that clients look again for renderers; below a stream's life.
    maxConnectionAgeMs: number('SPIRAL_MAX_CONNECTION_AGE_MS', 15000, 100, 1e9),
    protos: process.env.SPIRAL_PROTOS || new URL('../../../protos', import.meta.url).pathname,
    identity: identity(),
  };
}
