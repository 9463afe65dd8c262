"""Messages and stubs of Handshaker's protocol, generated from `proto/handshaker/**/*.proto` by `./dev proto`."""
