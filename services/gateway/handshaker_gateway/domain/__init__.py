"""The rules of the gateway, without any I/O."""
