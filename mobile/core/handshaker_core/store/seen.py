"""Frames that were taken, so that a repeated delivery changes nothing."""

from handshaker_core.credentials import FrameId
from handshaker_core.store.connection import Connection


def add(c: Connection, frame_id: FrameId, now: float) -> bool:
    """Remember a frame. Returns: whether it is new."""
    added = c.execute("INSERT INTO seen_frames VALUES (?, ?) ON CONFLICT DO NOTHING", (frame_id, now))
    return added.rowcount == 1


def forget(c: Connection, before: float) -> None:
    """Forget frames that were taken before then; servers keep none as long."""
    c.execute("DELETE FROM seen_frames WHERE seen_at < ?", (before,))
