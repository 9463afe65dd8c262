"""Handshaker's blobstore: mailboxes and their stored frames."""
