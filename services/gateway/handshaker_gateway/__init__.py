"""The gateway: REST and WebSocket in front, gRPC behind. The only process that is exposed; it has no database."""
