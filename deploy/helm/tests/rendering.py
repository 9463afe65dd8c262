"""The chart, rendered by the real Helm engine, as objects that tests can ask about."""

from functools import cache
from pathlib import Path
from typing import Any

import helm_python
import yaml

CHART = Path(__file__).parent.parent / "handshaker"
SERVICES = ("auth", "keys", "blobstore", "notify", "signaling", "gateway")
Object = dict[str, Any]

# Every way of installing that the chart describes, and the corners in between.
VALUES: dict[str, Object] = {
    "trial": yaml.safe_load((CHART / "values-trial.yaml").read_text()),
    "production": yaml.safe_load((CHART / "values-production.yaml").read_text()),
    "own secrets": {
        "database": {"existingSecret": "db"},
        "redis": {"existingSecret": "redis"},
        "secrets": {"generate": False, "existingSecret": "app"},
        "tls": {"mode": "existing", "existingSecretPrefix": "internal-"},
        "gateway": {"publicTls": {"secret": "public"}, "service": {"type": "LoadBalancer", "port": 443}},
        "mqtt": {"url": "mqtts://broker.example:8883", "existingSecret": "mqtt"},
        "auth": {"podDisruptionBudget": {"maxUnavailable": "50%"}, "settings": {"pow_bits_registration": 20}},
        "networkPolicies": {"enabled": False},
    },
}


def render(values: Object, *, name: str = "hs", namespace: str = "chat") -> list[Object]:
    """All objects of a release, hooks and tests among them."""
    with helm_python.Chart.load(str(CHART)) as chart:
        manifests = chart.render(values, name=name, namespace=namespace)
    objects: list[Object] = []
    for path, text in manifests.items():
        if not path.endswith("NOTES.txt"):
            objects += [found for found in yaml.safe_load_all(text) if found]
    return objects


@cache
def rendered(which: str) -> tuple[Object, ...]:
    """The objects of one of VALUES; not to be changed."""
    return tuple(render(VALUES[which]))


def of_kind(objects: tuple[Object, ...] | list[Object], kind: str) -> dict[str, Object]:
    """The objects of a kind, by name."""
    return {found["metadata"]["name"]: found for found in objects if found["kind"] == kind}


def pods(objects: tuple[Object, ...] | list[Object]) -> dict[str, Object]:
    """Every pod template (or pod) with its labels, by `kind/name`."""
    found = {}
    for each in objects:
        template = each if each["kind"] == "Pod" else each.get("spec", {}).get("template")
        if template is not None:
            found[f"{each['kind']}/{each['metadata']['name']}"] = template
    return found


def environment(deployment: Object) -> dict[str, Any]:
    """The environment of a deployment's container: values, or where they come from."""
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}
