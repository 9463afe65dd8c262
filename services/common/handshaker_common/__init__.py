"""The chassis of every Handshaker service: configuration, servers, channels, limits, logs, metrics, databases."""
