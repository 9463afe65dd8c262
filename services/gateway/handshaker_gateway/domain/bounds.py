"""How large and how slow a request may be. The WebSocket's bounds stand with the WebSocket."""

LARGEST_BODY = 64 * 1024  # bytes
LARGEST_HEADER = 8 * 1024  # bytes, request line included
MOST_FIELDS = 64  # of a header
MOST_REQUESTS = 100  # on one connection
HEADER_SECONDS = 5.0  # from the first byte of a header to its last
BODY_SECONDS = 30.0  # for a whole body
PIECE_SECONDS = 5.0  # for the next piece of it
KEEP_ALIVE_SECONDS = 75.0  # between two requests
