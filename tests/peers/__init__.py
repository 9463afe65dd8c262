"""Other messaging servers under the load that our relay is measured with; the clients share no code with ours."""

from .mosquitto import run_mosquitto
from .prosody import run_prosody
from .result import MissingPeer, PeerError, PeerResult

__all__ = ["MissingPeer", "PeerError", "PeerResult", "run_mosquitto", "run_prosody"]
