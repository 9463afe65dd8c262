"""`./dev bench crypto`: what the end-to-end protocol and the local store cost, the protocol beside libsignal."""
