"""Asks services for their health: `python -m handshaker_common.probe name=host:port …`. Exit status 0 if all serve."""

import asyncio
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

SECONDS = 5.0
USAGE = "usage: python -m handshaker_common.probe NAME=HOST:PORT ..."


async def _state(address: str) -> str:
    async with grpc.aio.insecure_channel(address) as channel:
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=SECONDS, wait_for_ready=True
            )
        except grpc.aio.AioRpcError as error:
            return f"no answer ({error.code().name})"
        state: str = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        return state


async def ask_all(targets: dict[str, str]) -> dict[str, str]:
    """What each service says, by its name: `SERVING`, `NOT_SERVING`, or that there was no answer in 5 seconds."""
    states = await asyncio.gather(*(_state(address) for address in targets.values()))
    return dict(zip(targets, states, strict=True))


def main(arguments: list[str]) -> int:
    """Prints one line for each service. Returns: 0 if all serve, 1 if one does not, 2 for wrong arguments."""
    pairs = [argument.partition("=") for argument in arguments]
    if not pairs or any(not name or ":" not in address for name, _, address in pairs):
        print(USAGE, file=sys.stderr)  # noqa: T201 - a command line
        return 2
    states = asyncio.run(ask_all({name: address for name, _, address in pairs}))
    for name, state in states.items():
        print(f"{name:12} {state}")  # noqa: T201 - a command line
    return 0 if set(states.values()) == {"SERVING"} else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
