"""Whether a service keeps the protocol's promises: cases against an address, which need nothing but the protocol."""
