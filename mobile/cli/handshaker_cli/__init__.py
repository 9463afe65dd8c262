"""Handshaker on the command line: one program for people, scripts, bots and tests.

`operations` holds what can be done, as coroutines that yield results; `rpc` lets other processes ask a running one for
the same; `commands` and `output` are the command line around them. Nothing but `commands` and `output` knows click.
"""
