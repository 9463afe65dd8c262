"""Coarse time: the only kind of time that auth keeps about people."""

from datetime import UTC, date, datetime, timedelta


def day_of(now: float) -> date:
    """The UTC day of `now` (unix seconds)."""
    return datetime.fromtimestamp(now, UTC).date()


def week_of(now: float) -> date:
    """The Monday of the UTC week of `now` (unix seconds)."""
    day = day_of(now)
    return day - timedelta(days=day.weekday())
