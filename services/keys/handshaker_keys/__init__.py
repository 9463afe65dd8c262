"""keys: prekey bundles and the username directory."""
