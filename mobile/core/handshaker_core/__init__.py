"""The headless Handshaker client: end-to-end protocol, encrypted store, synchronisation.

It imports neither a user interface toolkit nor anything of a platform, so that the command line, the application, bots
and tests share one implementation.
"""
