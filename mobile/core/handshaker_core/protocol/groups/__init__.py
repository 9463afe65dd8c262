"""Groups: sender keys for the messages, a signed log for the membership. Pure functions on frozen values.

`group_cipher` is what a client will use: it joins the chains of `sender_key` with the membership of `log`. The other
modules hold one concept each; the normative text is `docs/protocol/groups.md`.
"""
