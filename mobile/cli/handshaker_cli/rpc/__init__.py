"""The local protocol: one process keeps an account's store open, others ask it to carry commands out.

JSON lines over a unix socket in the account's directory. See `protocol` for the messages.
"""
