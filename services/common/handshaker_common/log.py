"""Logs that cannot betray anybody: events are fixed sentences, and only allow-listed keys get through.

What a library logs is reduced to its name and level, an exception to its type and place: their texts may quote
addresses, identifiers or statements.
"""

import logging
import sys
from collections.abc import MutableMapping
from enum import StrEnum
from typing import Any

import structlog

from handshaker_common import metrics


class LogKey(StrEnum):
    """All keys that a log line may have. None of them can name a person, a device, a mailbox or an address."""

    EVENT = "event"
    LEVEL = "level"
    TIMESTAMP = "timestamp"
    SERVICE = "service"
    COMPONENT = "component"
    METHOD = "method"
    REASON = "reason"
    CODE = "code"
    COUNT = "count"
    SECONDS = "seconds"
    VERSION = "version"
    ERROR = "error"
    PLACE = "place"
    LIBRARY = "library"
    PORT = "port"
    PEER = "peer"
    SETTING = "setting"


ALLOWED = frozenset(LogKey)


def allow_listed(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drops and counts what is not allowed."""
    for key in [key for key in event if key not in ALLOWED]:
        del event[key]
        metrics.LOG_KEYS_DROPPED.inc()
    return event


class LibraryHandler(logging.Handler):
    """Turns the records of libraries into lines without their text."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        get_logger().log(record.levelno, "a library reports", library=record.name, **where(error))


def where(error: BaseException | None) -> dict[str, str]:
    """Type and innermost place of an exception, as log keys; never its text."""
    if error is None:
        return {}
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}" if trace else "?"
    return {LogKey.ERROR: type(error).__name__, LogKey.PLACE: place}


def configure(service: str, level: str = "info") -> None:
    """Sets logging up for this process: JSON lines on stdout."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            allow_listed,
            structlog.processors.JSONRenderer(sort_keys=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(service=service)
    root = logging.getLogger()
    root.handlers[:] = [LibraryHandler()]
    root.setLevel(logging.WARNING)


def get_logger() -> Any:
    """The process's logger: `log.info("a fixed sentence", count=3)`."""
    return structlog.get_logger()
