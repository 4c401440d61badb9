"""The cluster's name server: A records of Services and of pods behind them, over UDP and TCP."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

DOMAIN = "cluster.local"
# As CoreDNS answers for Services: a pod that became ready is found after this time.
TTL_S = 5

Resolve = Callable[[str], list[str] | None]
"""Name without the final dot → addresses; None: there is no such name."""


class NameServer:
    """Answers at ``address`` what ``resolve`` says at that moment."""

    def __init__(self, address: str, resolve: Resolve, port: int = 53) -> None:
        self.silent = threading.Event()
        """While set, every name is answered with no addresses, as by a server that has lost its records."""
        self.asked = 0
        """Questions so far."""

        def answer(wire: bytes) -> bytes | None:
            self.asked += 1
            return _answer(wire, (lambda _: []) if self.silent.is_set() else resolve)

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                reply = answer(self.request[0])
                if reply:
                    self.request[1].sendto(reply, self.client_address)

        class Stream(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while len(head := self.rfile.read(2)) == 2:
                    reply = answer(self.rfile.read(int.from_bytes(head, "big")))
                    if reply:
                        self.wfile.write(len(reply).to_bytes(2, "big") + reply)

        class Udp(socketserver.ThreadingUDPServer):
            daemon_threads = True

        class Tcp(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._servers: list[Any] = [Udp((address, port), Datagram), Tcp((address, port), Stream)]
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.1,), name="dns", daemon=True).start()

    def close(self) -> None:
        """Free the address."""
        for server in self._servers:
            server.shutdown()
            server.server_close()


def _answer(wire: bytes, resolve: Resolve) -> bytes | None:
    try:
        question = dns.message.from_wire(wire)
    except dns.exception.DNSException:
        return None
    reply = dns.message.make_response(question)
    reply.flags |= dns.flags.AA | dns.flags.RA
    for asked in question.question:
        addresses = resolve(asked.name.to_text(omit_final_dot=True).lower())
        if addresses is None:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif addresses and asked.rdtype == dns.rdatatype.A:
            reply.answer.append(dns.rrset.from_text(asked.name, TTL_S, "IN", "A", *addresses))
    return reply.to_wire()
