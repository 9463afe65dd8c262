"""Handshaker's notify: wakes devices without saying why."""
