"""The live relay: takes frames from senders' sockets to recipients' sockets, or to the store."""
