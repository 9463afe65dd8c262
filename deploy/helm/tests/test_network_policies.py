"""Network policies allow exactly the arrows of the architecture: every pair and port is asked."""

import itertools

from network import Endpoint, allowed
from rendering import SERVICES, Object, of_kind, rendered

GRPC, HEALTH, HTTP, METRICS = 50051, 50052, 8080, 9090
ARROWS = {
    ("keys", "auth"),
    ("signaling", "blobstore"),
    ("signaling", "notify"),
    ("signaling", "signaling"),
    ("gateway", "auth"),
    ("gateway", "keys"),
    ("gateway", "signaling"),
    ("gateway", "blobstore"),
    ("gateway", "notify"),
}
DATABASE_USERS = {"auth", "keys", "blobstore", "notify", "migrations"}
REDIS_USERS = {"signaling", "gateway"}


def pod(component: str) -> Endpoint:
    return Endpoint(
        {
            "app.kubernetes.io/name": "handshaker",
            "app.kubernetes.io/instance": "hs",
            "app.kubernetes.io/component": component,
        }
    )


def policies(which: str) -> list[Object]:
    return list(of_kind(rendered(which), "NetworkPolicy").values())


def test_services_reach_whom_they_call_and_nobody_else() -> None:
    there = policies("trial")
    for source, target in itertools.product(SERVICES, SERVICES):
        assert allowed(there, pod(source), pod(target), GRPC) == ((source, target) in ARROWS), (source, target)
        for port in (HEALTH, METRICS, HTTP, 5432, 22):
            assert not allowed(there, pod(source), pod(target), port), (source, target, port)


def test_stores_are_reached_by_their_users_alone() -> None:
    there = policies("trial")
    for source in (*SERVICES, "migrations", "test"):
        assert allowed(there, pod(source), pod("trial-database"), 5432) == (source in DATABASE_USERS), source
        assert allowed(there, pod(source), pod("trial-redis"), 6379) == (source in REDIS_USERS), source
    assert not allowed(there, Endpoint(address="203.0.113.7"), pod("trial-database"), 5432)


def test_clients_reach_the_gateway_alone_and_monitoring_the_metrics() -> None:
    there = policies("production")
    client = Endpoint(address="203.0.113.7")
    monitoring = Endpoint(namespace_labels={"kubernetes.io/metadata.name": "monitoring"})
    stranger = Endpoint(namespace_labels={"kubernetes.io/metadata.name": "other"})
    for service in SERVICES:
        assert allowed(there, client, pod(service), HTTP) == (service == "gateway")
        assert not allowed(there, client, pod(service), GRPC)
        assert allowed(there, monitoring, pod(service), METRICS)
        assert not allowed(there, monitoring, pod(service), GRPC)
        assert not allowed(there, stranger, pod(service), METRICS)


def test_nothing_leaves_but_to_the_stores() -> None:
    there = policies("production")
    inside, outside = Endpoint(address="10.1.2.3"), Endpoint(address="198.51.100.9")
    for service in SERVICES:
        assert allowed(there, pod(service), inside, 5432) == (service in DATABASE_USERS), service
        assert allowed(there, pod(service), inside, 6379) == (service in REDIS_USERS), service
        for port in (80, 443, 25, 5432, 6379):
            assert not allowed(there, pod(service), outside, port), (service, port)
    dns = Endpoint({"k8s-app": "kube-dns"}, namespace_labels={"kubernetes.io/metadata.name": "kube-system"})
    assert all(allowed(there, pod(service), dns, 53) for service in SERVICES)


def test_helm_test_sees_health_and_nothing_else() -> None:
    there = policies("trial")
    for service in SERVICES:
        assert allowed(there, pod("test"), pod(service), HEALTH)
        assert not allowed(there, pod("test"), pod(service), GRPC)


def test_they_can_be_switched_off() -> None:
    assert policies("own secrets") == []
