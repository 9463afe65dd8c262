"""Our ratchet and key agreement against libsignal; what is proven is in docs/protocol/interoperability.md."""
