"""The rules of auth, one concept a file. Nothing here does I/O; clock and randomness are passed in."""
