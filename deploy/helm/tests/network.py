"""What network policies allow: an evaluator of networking.k8s.io/v1 over labels, ports and addresses."""

import ipaddress
from typing import Any

Object = dict[str, Any]


def _selects(selector: Object, labels: dict[str, str]) -> bool:
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions", []):
        if expression["operator"] != "In":
            raise NotImplementedError(expression["operator"])
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return True


def _is_peer(peers: list[Object] | None, other: "Endpoint") -> bool:
    if peers is None:
        return True
    for peer in peers:
        if "ipBlock" in peer:
            inside = other.address is not None and ipaddress.ip_address(other.address) in ipaddress.ip_network(
                peer["ipBlock"]["cidr"]
            )
            if inside:
                return True
        elif "namespaceSelector" in peer:
            inside = other.namespace_labels and _selects(peer["namespaceSelector"], other.namespace_labels)
            if inside and _selects(peer.get("podSelector", {}), other.labels):
                return True
        elif other.namespace_labels is None and other.address is None and _selects(peer["podSelector"], other.labels):
            return True
    return False


class Endpoint:
    """A pod of the release (labels alone), a pod of another namespace, or an address outside."""

    def __init__(
        self,
        labels: dict[str, str] | None = None,
        *,
        namespace_labels: dict[str, str] | None = None,
        address: str | None = None,
    ) -> None:
        self.labels = labels or {}
        self.namespace_labels = namespace_labels
        self.address = address

    @property
    def is_ours(self) -> bool:
        """Whether the release's policies apply to it."""
        return self.namespace_labels is None and self.address is None


def _one_side(policies: list[Object], at: Endpoint, other: Endpoint, port: int, direction: str) -> bool:
    rules, peers = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    applying = [
        policy["spec"]
        for policy in policies
        if _selects(policy["spec"]["podSelector"], at.labels) and direction in policy["spec"]["policyTypes"]
    ]
    if not applying:
        return True
    return any(
        _is_peer(rule.get(peers), other)
        and (not rule.get("ports") or any(allowed["port"] == port for allowed in rule["ports"]))
        for spec in applying
        for rule in spec.get(rules) or []
    )


def allowed(policies: list[Object], source: Endpoint, target: Endpoint, port: int) -> bool:
    """Whether a connection from source to target's port passes both ends' policies."""
    leaves = not source.is_ours or _one_side(policies, source, target, port, "Egress")
    enters = not target.is_ours or _one_side(policies, target, source, port, "Ingress")
    return leaves and enters
