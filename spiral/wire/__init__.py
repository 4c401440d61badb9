"""Communication between services: tensors, contracts, addresses, gRPC channels and servers, ZeroMQ sockets."""
