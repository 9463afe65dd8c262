"""The rules of mailboxes and stored frames. No I/O, no clock, no randomness of its own."""
