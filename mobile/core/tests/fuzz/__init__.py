"""Every reader of bytes from outside, thrown bytes at: by Hypothesis in the tests, by atheris with `./dev fuzz`."""
