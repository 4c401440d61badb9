// A renderer in Node.js: reads its options from the environment, serves, and drains on SIGTERM.

import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation, protoPath as healthProto } from 'grpc-health-check';
import { Metrics } from './metrics.js';
import { readOptions } from './options.js';
import { IMPLEMENTATION_VERSION, Renderer } from './renderer.js';

const FILES = ['spiral/v1/renderer.proto', 'spiral/v1/info.proto'];
const RENDERER = 'spiral.v1.RendererService';
const INFO = 'spiral.v1.InfoService';

function load(protos) {
  const options = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true, includeDirs: [protos] };
  return loader.loadSync(FILES, options);
}

function bind(server, address, credentials) {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => (error ? reject(error) : resolve(port)));
  });
}

function credentials(identity) {
  if (!identity) return grpc.ServerCredentials.createInsecure();
  return grpc.ServerCredentials.createSsl(identity.ca, [{ cert_chain: identity.cert, private_key: identity.key }], true);
}

async function main() {
  const options = readOptions();
  const metrics = new Metrics(IMPLEMENTATION_VERSION);
  const page = await metrics.serve(options.metrics);
  const renderer = new Renderer(options, metrics, page.url);
  const health = new HealthImplementation({ '': 'SERVING', [RENDERER]: 'SERVING', [INFO]: 'SERVING', liveness: 'SERVING' });

  const definitions = load(options.protos);
  const server = new grpc.Server({
    'grpc.max_receive_message_length': options.maxMessageBytes,
    'grpc.max_send_message_length': options.maxMessageBytes,
    'grpc.max_connection_age_ms': options.maxConnectionAgeMs,
    // As long as an episode may take whose painter waits for its turn: retiring a connection breaks none.
    'grpc.max_connection_age_grace_ms': 900000,
  });
  server.addService(definitions[RENDERER], renderer.service());
  server.addService(definitions[INFO], renderer.info());
  health.addToServer(server);
  const healthDefinitions = loader.loadSync(healthProto, { keepCase: true });
  new ReflectionService({ ...definitions, ...healthDefinitions }).addToServer(server);
  const probes = new grpc.Server();
  health.addToServer(probes);

  const port = await bind(server, options.listen, credentials(options.identity));
  if (options.health) await bind(probes, options.health, grpc.ServerCredentials.createInsecure());
  const address = options.listen.startsWith('unix:') ? options.listen : options.listen.replace(/:0$/, `:${port}`);
  console.error(`renderer-node: listening on ${address}, metrics at ${page.url}`);

  const drain = () => {
    if (renderer.draining) return;
    console.error('renderer-node: going down; calls under way may end');
    for (const name of ['', RENDERER, INFO]) health.setStatus(name, 'NOT_SERVING');
    const stop = () => process.exit(0);
    setTimeout(() => {
      server.forceShutdown();
      stop();
    }, options.graceS * 1000);
    renderer.drain(() => server.tryShutdown(stop));
  };
  process.on('SIGTERM', drain);
  process.on('SIGINT', drain);
}

main().catch((error) => {
  console.error(`renderer-node: ${error.message}`);
  process.exit(2);
});
