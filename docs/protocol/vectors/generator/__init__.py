"""Makes the test vectors of the protocol: `./dev vectors` writes the files beside this folder, `--check` compares."""
