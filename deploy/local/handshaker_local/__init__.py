"""The whole system on one machine: embedded databases, certificates, supervisor. Used by `./dev run` and the tests."""
