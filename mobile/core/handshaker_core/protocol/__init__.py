"""The end-to-end protocol: pure functions on frozen values, no I/O, no clock, randomness passed in.

`session` is what the client uses; `bundle`, `prekeys`, `address`, `username` and `safety_number` stand beside it. The
other modules hold one concept of the specifications each. The normative text is `docs/protocol/`.
"""
