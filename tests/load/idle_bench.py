"""`./dev bench idle`: what an idle, subscribed WebSocket costs in memory."""

import argparse
import shutil
import tempfile
from pathlib import Path

from handshaker_local.system import System

from load.processes import Child, resident_bytes

AIM_BYTES = 60 * 1024
ENVIRONMENT = {
    "HANDSHAKER_POW_BITS_MAILBOX": "0",
    "HANDSHAKER_LIMITS": "socket_open=100000/60,mailbox=100000/60,challenge=100000/60",
}


def run(options: argparse.Namespace) -> int:
    """Opens sockets in steps and prints bytes a socket in the gateway and in signaling."""
    folder = Path(tempfile.mkdtemp(prefix="handshaker-bench-"))
    folder.chmod(0o711)
    system = System(folder, env=ENVIRONMENT)
    try:
        system.start()
        child = Child("load.idle", system.gateway_urls[0])
        try:
            child.write("50")  # warms up: the first sockets load code and caches
            child.read_json()
            base = {name: resident_bytes(system, name) for name in ("gateway", "signaling")}
            step = max(50, options.sockets // options.steps)
            for count in range(step, options.sockets + 1, step):
                child.write(str(count))
                child.read_json()
                now = {name: (resident_bytes(system, name) - base[name]) / (count - 50 or 1) for name in base}
                text = ", ".join(f"{name} {value / 1024:.1f} KiB" for name, value in now.items())
                print(f"{count:6} sockets: {text} a socket", flush=True)
        finally:
            child.stop()
    finally:
        system.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"Aim: at most {AIM_BYTES // 1024} KiB a socket in the gateway.")
    return 0
