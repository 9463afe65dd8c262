"""Blobstore's gRPC methods: from messages to the domain, to the store, and back."""
