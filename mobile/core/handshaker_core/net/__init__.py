"""Talking to a deployment: typed HTTP calls, proof of work, and the WebSocket that frames travel on.

Nothing here knows what a contact or a message is.
"""
