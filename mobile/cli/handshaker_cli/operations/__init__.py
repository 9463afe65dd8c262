"""Everything that can be done with an account: each operation takes one arguments object and yields results.

The command line runs them in its own process, or has them run by the process that keeps the account open; an application
does the same. Nothing here knows how results are shown.
"""
