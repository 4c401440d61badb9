// The metrics page.

import http from 'node:http';
import client from 'prom-client';

export class Metrics {
  constructor(version) {
    this.registry = new client.Registry();
    const registers = [this.registry];
    this.frames = new client.Counter({
      name: 'spiral_renderer_frames_total', help: 'Actions executed, each with its observation.', registers,
    });
    this.step = new client.Histogram({
      name: 'spiral_renderer_step_seconds', help: 'Time of the engine for one step of a stream.', registers,
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    });
    this.streams = new client.Gauge({
      name: 'spiral_renderer_streams', help: 'Rollout and Render calls under way.', registers,
    });
    this.canvases = new client.Gauge({
      name: 'spiral_renderer_canvases', help: 'Canvases open on all streams.', registers,
    });
    this.idle = new client.Counter({
      name: 'spiral_renderer_idle_total', help: 'Streams ended because their caller was silent.', registers,
    });
    new client.Gauge({
      name: 'spiral_resident_bytes', help: 'Memory of the process that is in RAM.', registers,
      collect() { this.set(process.memoryUsage().rss); },
    });
    const start = Date.now() / 1000 - process.uptime();
    new client.Gauge({
      name: 'spiral_start_time_seconds', help: 'When the process started, Unix time.', registers,
    }).set(start);
    new client.Gauge({
      name: 'spiral_info', help: '1, with the version of the software.', labelNames: ['version'], registers,
    }).set({ version }, 1);
  }

  // Serves the page at host:port; answers the server and the page's URL.
  async serve(address) {
    const server = http.createServer(async (request, response) => {
      if (request.url !== '/metrics') return void response.writeHead(404).end();
      response.writeHead(200, { 'Content-Type': this.registry.contentType });
      response.end(await this.registry.metrics());
    });
    const colon = address.lastIndexOf(':');
    const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
    await new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(Number(address.slice(colon + 1)), host, resolve);
    });
    return { server, url: `http://${address.slice(0, colon)}:${server.address().port}/metrics` };
  }
}
