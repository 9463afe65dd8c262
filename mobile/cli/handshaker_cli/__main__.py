"""`python -m handshaker_cli` is the `handshaker` command."""

from handshaker_cli.main import run

run()
