"""`python -m handshaker_blobstore`: the service; `--migrate-only` brings the database up to date and ends."""

from handshaker_blobstore.main import main

main()
