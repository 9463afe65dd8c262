"""`python -m handshaker_blobstore`: the service; `--migrate-only` brings the database up to date and ends."""

import sys

from handshaker_blobstore.main import run

sys.exit(run())
