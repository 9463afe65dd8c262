"""Every metric of every service. Labels are bounded by the code, never by what people do.

Names of the gRPC metrics are the ones that dashboards for gRPC expect. Buckets are coarse on purpose.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry(auto_describe=True)
# Counts of people below this are shown as 0, so that a small server's graph shows nobody's habits.
FLOOR = 5

SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


def counter(name: str, text: str, *labels: str) -> Counter:
    """Registers a counter."""
    return Counter(name, text, labels, registry=REGISTRY)


def gauge(name: str, text: str, *labels: str) -> Gauge:
    """Registers a gauge."""
    return Gauge(name, text, labels, registry=REGISTRY)


def histogram(name: str, text: str, *labels: str, buckets: tuple[float, ...] = SECONDS_BUCKETS) -> Histogram:
    """Registers a histogram."""
    return Histogram(name, text, labels, registry=REGISTRY, buckets=buckets)


def floored(count: int) -> int:
    """A count of people as it may be shown: 0 below `FLOOR`."""
    return count if count >= FLOOR else 0


# --- every service ---
LOG_KEYS_DROPPED = counter("handshaker_log_keys_dropped_total", "Log keys that were not on the allow-list.")
RPC_STARTED = counter("grpc_server_started_total", "RPCs started.", "grpc_service", "grpc_method")
RPC_HANDLED = counter("grpc_server_handled_total", "RPCs completed.", "grpc_service", "grpc_method", "grpc_code")
RPC_SECONDS = histogram("grpc_server_handling_seconds", "Time to handle unary RPCs.", "grpc_service", "grpc_method")
OUTCOMES = counter("handshaker_outcomes_total", "Domain outcomes.", "grpc_service", "grpc_method", "outcome")
READY = gauge("handshaker_ready", "1 while the service and what it needs are up.")
BATCH_ITEMS = histogram(
    "handshaker_batch_items", "Items packed into one write of a stream.", "stream", buckets=BATCH_BUCKETS
)
DATABASE_ERRORS = counter("handshaker_database_errors_total", "Statements that PostgreSQL did not carry out.", "error")

# --- auth ---
ADMISSIONS = counter("handshaker_admissions_total", "Admissions that were offered.", "purpose", "outcome")
REFRESH_TOKENS_REUSED = counter(
    "handshaker_refresh_tokens_reused_total", "Refresh tokens used twice; each ended its family."
)
EXPIRED_ROWS = counter("handshaker_expired_rows_deleted_total", "Rows deleted at their time limit.", "table")

# --- keys ---
PREKEYS_EXHAUSTED = counter(
    "handshaker_prekeys_exhausted_total", "Bundles handed out without a one-time key of this kind.", "kind"
)

# --- blobstore ---
FRAMES = counter("handshaker_frames_total", "Frames that were put, read or removed.", "outcome")
STORE_SECONDS = histogram("handshaker_store_seconds", "Time of one statement with the batches it carried.", "statement")
FRAME_PARTITIONS = gauge("handshaker_frame_partitions", "Days that have a partition of stored frames.")

# --- signaling ---
RELAY_SOCKETS = gauge("handshaker_relay_sockets", "Clients connected, through all gateways; 0 below 5.")
RELAY_SUBSCRIPTIONS = gauge("handshaker_relay_subscriptions", "Mailboxes subscribed; 0 below 5.")
RELAY_PENDING = gauge("handshaker_relay_pending_frames", "Frames whose sender has no answer yet; 0 below 5.")
RELAY_LEASES_TRUSTED = gauge("handshaker_relay_leases_trusted", "1 while Redis answers about leases.")
RELAY_RESULTS = counter("handshaker_relay_results_total", "What became of frames that were sent.", "result")

# --- notify ---
WAKES = counter("handshaker_wakes_total", "Wake-ups asked for, by what became of them.", "outcome")

# --- gateway ---
GATEWAY_REQUESTS = counter("handshaker_gateway_requests_total", "Requests answered.", "route", "code_class", "reason")
GATEWAY_SECONDS = histogram("handshaker_gateway_request_seconds", "Time to answer requests.", "route")
GATEWAY_LIMITERS = counter("handshaker_gateway_limiter_total", "What limiters decided.", "limiter", "outcome")
GATEWAY_DROPPED = counter("handshaker_gateway_connections_dropped_total", "Connections ended early.", "reason")
GATEWAY_SOCKETS = gauge("handshaker_gateway_sockets", "WebSockets open; few are shown as none.")
