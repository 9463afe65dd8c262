"""OpenPGP version 4 (RFC 9580), as much of it as a person needs to prove an identity and to encrypt exports.

It never carries conversations: its messages have no forward secrecy.
"""
