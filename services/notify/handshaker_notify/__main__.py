"""`python -m handshaker_notify`: the service; `--migrate-only` brings the database up to date and ends."""

from handshaker_notify.main import main

main()
