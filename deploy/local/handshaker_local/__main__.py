"""`./dev run`."""
