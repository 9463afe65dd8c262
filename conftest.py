"""For all tests: what must be settled before anything imports gRPC."""

import os

# Tests start processes while gRPC's threads run; its fork handlers would at times kill the child before it has begun.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
