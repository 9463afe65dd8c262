"""`./dev run`: `python -m handshaker_local`."""

import sys


def main() -> int:
    """Runs the command; a module that is missing is one sentence, not a page of Python."""
    try:
        from handshaker_local.run import run  # noqa: PLC0415 - what it needs may be missing, and is told below
    except ModuleNotFoundError as error:
        print(
            f"Handshaker could not start: the Python module {error.name} is missing. "
            "Delete the folder .venv and run ./dev again: it installs everything.",
            file=sys.stderr,
        )
        return 1
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
