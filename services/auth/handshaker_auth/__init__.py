"""auth: accounts, devices, sessions, and what anonymous callers pay with."""
