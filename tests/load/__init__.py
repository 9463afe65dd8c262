"""Benchmarks against the real processes: `./dev bench`. Load comes from processes of its own, bounded in time."""
