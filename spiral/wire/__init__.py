"""How services talk: tensors, contracts, addresses, gRPC channels and servers, ZeroMQ sockets."""
