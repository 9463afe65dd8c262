"""What blobstore keeps in PostgreSQL."""
