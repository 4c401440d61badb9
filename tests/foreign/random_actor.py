"""An actor that knows nothing: it paints at random, whatever the learner learns, and sends what it painted.

Written from ``trajectory.proto`` and ``renderer.proto``. Ends with 0 once the learner has accepted as many
trajectories as were asked for, with 1 where the two can't work together.
"""

import argparse
import hashlib
import json
import os
import sys
import time

import grpc
import numpy as np
import zmq

from spiral.v1 import action_pb2, program_pb2, renderer_pb2, renderer_pb2_grpc, tensor_pb2
from spiral.v1.trajectory_pb2 import REASON_STOPPING, VERDICT_REFUSED, ActorMessage, Hello, LearnerMessage

SILENCE_MS = 10_000
TYPES = {
    "uint8": tensor_pb2.DATA_TYPE_UINT8,
    "int32": tensor_pb2.DATA_TYPE_INT32,
    "float32": tensor_pb2.DATA_TYPE_FLOAT32,
}
KINDS = {action_pb2.COMPONENT_KIND_GRID: "grid", action_pb2.COMPONENT_KIND_CHOICE: "choice"}


class Painter:
    """Random programs on B canvases of a renderer."""

    def __init__(self, address, engine, settings, batch, length):
        self.stub = renderer_pb2_grpc.RendererServiceStub(grpc.insecure_channel(address))
        self.engine = program_pb2.EngineSettings(engine=engine, settings_json=settings)
        self.described = described = self.stub.DescribeEngine(
            renderer_pb2.DescribeEngineRequest(engine=self.engine), timeout=240, wait_for_ready=True
        )
        self.sizes = np.array([component.size for component in described.action_spec.components])
        self.counts = np.array([row.component for row in described.action_spec.counts], bool)
        self.shape = (batch, *described.observation_shape)
        self.length, self.rng = length, np.random.default_rng()

    def paint(self):
        """The tensors of one trajectory, in the header's order."""
        actions = self.rng.integers(0, self.sizes, (self.length, self.shape[0], len(self.sizes))).astype("<i4")
        responses = self.stub.Rollout(self._requests(actions), timeout=60)
        next(responses)
        frames = [np.frombuffer(answer.observations.data, np.uint8).reshape(self.shape) for answer in responses]
        # Each value of a component is equally likely; only components that count are part of the joint probability.
        counting = self.counts[actions[:, :, 0]] if len(self.counts) else np.ones_like(actions, bool)
        log_prob = -(counting * np.log(self.sizes)).sum(-1).astype("<f4")
        return {"observations": np.stack(frames), "actions": actions, "behaviour_log_prob": log_prob}

    def contract_digest(self):
        """What learner and actor have to agree on; an unconditional run."""
        spec = self.described.action_spec
        contract = {
            "protocol": 1,
            "components": [[part.name, part.size, KINDS[part.kind]] for part in spec.components],
            "counts": [list(row.component) for row in spec.counts],
            "observation": list(self.described.observation_shape),
            "num_actions": self.length,
            "conditional": False,
        }
        return hashlib.sha256(json.dumps(contract, separators=(",", ":")).encode()).hexdigest()

    def _requests(self, actions):
        request = renderer_pb2.RolloutRequest
        yield request(open=renderer_pb2.OpenCanvases(engine=self.engine, batch=self.shape[0]))
        yield request(reset=renderer_pb2.ResetCanvases())
        for step in actions:
            tensor = tensor_pb2.Tensor(dtype=tensor_pb2.DATA_TYPE_INT32, shape=step.shape, data=step.tobytes())
            yield request(step=renderer_pb2.StepCanvases(actions=tensor))


class Connection:
    """A DEALER to the learner, hello said on it; it lasts until the learner falls silent."""

    def __init__(self, context, address, hello):
        self.socket = context.socket(zmq.DEALER)
        self.socket.linger, self.socket.sndhwm = 0, 2
        self.socket.connect(address)
        self.hello, self.credits, self.version, self.limit = hello, 0, None, 0
        self.say_hello()

    def say_hello(self):
        self.credits = 0
        self.socket.send(ActorMessage(hello=self.hello).SerializeToString())

    def receive(self):
        """The next message, its credits taken; None if the learner is silent."""
        if not self.socket.poll(SILENCE_MS):
            return None
        message = LearnerMessage.FromString(self.socket.recv())
        said = getattr(message, message.WhichOneof("message") or "heartbeat")
        if message.HasField("refused"):
            if said.reason != REASON_STOPPING:
                sys.exit(f"refused: {said.detail}")
            time.sleep(2)
            self.say_hello()
        elif message.HasField("welcome"):
            self.credits, self.version, self.limit = said.credits, said.version, said.max_message_bytes
        elif self.version is not None:
            self.credits, self.version = self.credits + said.credits, said.version
        return message


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("renderer", "learner-data", "engine", "settings"):
        parser.add_argument(f"--{name}", default="")
    for name, default in (("batch", 32), ("num-actions", 6), ("trajectories", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    painter = Painter(options.renderer, options.engine, options.settings, options.batch, options.num_actions)
    digest = painter.contract_digest()
    hello = Hello(actor_id="random", incarnation=int.from_bytes(os.urandom(8)), contract_digest=digest)
    context = zmq.Context()
    connection = Connection(context, options.learner_data, hello)
    sequence = accepted = 0
    while accepted < options.trajectories:
        message = connection.receive()
        if message is None:
            connection.socket.close()
            connection = Connection(context, options.learner_data, hello)
            continue
        if message.HasField("answer"):
            if message.answer.verdict == VERDICT_REFUSED:
                sys.exit(f"refused: {message.answer.detail}")
            accepted += 1
        while connection.credits:
            sequence, version, start = sequence + 1, connection.version, time.monotonic()
            arrays = painter.paint()
            header = ActorMessage(
                trajectory={
                    "actor_id": hello.actor_id,
                    "incarnation": hello.incarnation,
                    "sequence": sequence,
                    "contract_digest": digest,
                    "oldest_version": version,
                    "newest_version": version,
                    "tensors": [
                        {"name": name, "dtype": TYPES[array.dtype.name], "shape": array.shape}
                        for name, array in arrays.items()
                    ],
                    "duration_s": time.monotonic() - start,
                }
            )
            frames = [header.SerializeToString(), *(array.tobytes() for array in arrays.values())]
            if sum(map(len, frames)) > connection.limit:
                sys.exit(f"a trajectory of {options.batch} episodes is larger than the learner takes")
            connection.credits -= 1
            connection.socket.send_multipart(frames)
    print(f"{accepted} trajectories accepted")


if __name__ == "__main__":
    main()
