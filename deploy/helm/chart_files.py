"""What follows from the chart's values.yaml: the table in its README.md and values.schema.json. `./dev docs` writes both."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent / "handshaker"
BEGIN, END = "<!-- values: made by ./dev docs from values.yaml -->", "<!-- end of values -->"
SERVICES = ("auth", "keys", "blobstore", "notify", "signaling", "gateway")
_KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z]+):")

Schema = dict[str, Any]
OBJECT: Schema = {"type": "object"}
TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
# Where values.yaml cannot show what is allowed: choices, ranges, and parts of which Kubernetes itself knows the form.
RULES: dict[str, Schema] = {
    "logLevel": {"enum": ["debug", "info", "warning", "error"]},
    "global.imagePullSecrets": {"type": "array", "items": {"type": "object", "required": ["name"]}},
    "*.image.digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "*.image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "*.replicas": {"type": "integer", "minimum": 1},
    "*.drainSeconds": {"type": "integer", "minimum": 1, "maximum": 600},
    "*.preStopSeconds": {"type": "integer", "minimum": 0, "maximum": 300},
    "*.resources": OBJECT,
    "*.autoscaling.minReplicas": {"type": "integer", "minimum": 1},
    "*.autoscaling.maxReplicas": {"type": "integer", "minimum": 1},
    "*.autoscaling.targetCPUPercent": {"type": "integer", "minimum": 1, "maximum": 100},
    "*.podDisruptionBudget.maxUnavailable": {"type": ["integer", "string"], "pattern": "^[0-9]+%$", "minimum": 0},
    "*.topologySpreadConstraints": {"type": "array", "items": OBJECT},
    "*.affinity": OBJECT,
    "*.nodeSelector": TEXTS,
    "*.tolerations": {"type": "array", "items": OBJECT},
    "*.hostAliases": {"type": "array", "items": OBJECT},
    "*.podLabels": TEXTS,
    "*.podAnnotations": TEXTS,
    "*.settings": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
    "*.extraEnv": {"type": "array", "items": {"type": "object", "required": ["name"]}},
    "*.extraVolumes": {"type": "array", "items": {"type": "object", "required": ["name"]}},
    "*.extraVolumeMounts": {"type": "array", "items": {"type": "object", "required": ["name", "mountPath"]}},
    "gateway.forwardedHops": {"type": "integer", "minimum": 0, "maximum": 10},
    "gateway.hosts": {"type": "array", "items": {"type": "string"}},
    "gateway.unreadySeconds": {"type": "integer", "minimum": 0},
    "gateway.service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "gateway.service.port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "gateway.service.annotations": TEXTS,
    "gateway.ingress.annotations": TEXTS,
    "mqtt.url": {"type": "string", "pattern": "^(mqtts?://.+)?$"},
    "tls.mode": {"enum": ["generate", "certManager", "existing"]},
    "tls.issuerRef": {"type": "object", "required": ["name", "kind"]},
    "networkPolicies.clients": {"type": "array", "items": OBJECT},
    "networkPolicies.monitoring": {"type": "array", "items": OBJECT},
    "networkPolicies.*.to": {"type": "array", "items": OBJECT},
    "networkPolicies.*.port": {"type": "integer", "minimum": 1, "maximum": 65535},
    "monitoring.serviceMonitor.interval": {"type": "string", "pattern": "^[0-9]+(s|m)$"},
    "monitoring.serviceMonitor.labels": TEXTS,
    "trial.*.image.digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "trial.*.resources": OBJECT,
    "trial.database.storage": {"type": "string", "pattern": "^[0-9]+(Mi|Gi|Ti)$"},
    "extraObjects": {"type": "array", "items": OBJECT},
}


def values() -> dict[str, Any]:
    """The chart's defaults."""
    loaded: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    return loaded


def schema() -> Schema:
    """The JSON schema of the values; a service may set whatever the defaults may."""
    defaults = values()
    properties = {key: _schema_of((key,), value) for key, value in defaults.items()}
    for service in SERVICES:
        own = _schema_of((service,), defaults[service])["properties"]
        common = _schema_of((service,), defaults["defaults"])["properties"]
        properties[service] |= {"properties": common | own | {"image": common["image"]}}
    # Helm hands global values of a parent chart down, whatever they are.
    properties["global"]["additionalProperties"] = True
    return {"$schema": "http://json-schema.org/draft-07/schema#", **_closed(properties)}


def _schema_of(path: tuple[str, ...], value: Any) -> Schema:
    for candidate in (".".join(path), ".".join(("*", *path[1:])), ".".join((path[0], "*", *path[2:]))):
        if candidate in RULES:
            return RULES[candidate]
    match value:
        case dict():
            return _closed({key: _schema_of((*path, key), inner) for key, inner in value.items()})
        case bool():
            return {"type": "boolean"}
        case str():
            return {"type": "string"}
    raise ValueError(f"values.yaml: {'.'.join(path)} needs a rule in chart_files.RULES")


def _closed(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def described() -> list[tuple[str, str, str]]:
    """Every value that has a `## ` comment: its path, its default as JSON, what it does."""
    found: list[tuple[str, str, str]] = []
    path: list[str] = []
    comment: list[str] = []
    defaults = values()
    for line in (CHART / "values.yaml").read_text("utf-8").splitlines():
        if line.strip().startswith("## "):
            comment.append(line.strip()[3:])
            continue
        matched = _KEY.match(line)
        if matched:
            path = [*path[: len(matched["indent"]) // 2], matched["key"]]
            if comment:
                found.append((".".join(path), _default(defaults, path), " ".join(comment)))
        comment = []
    return found


def _default(node: Any, path: list[str]) -> str:
    for key in path:
        node = node[key]
    shown = json.dumps(node)
    return shown if len(shown) <= 60 else "see values.yaml"  # noqa: PLR2004 - what a column of a table bears


def readme() -> str:
    """The chart's README.md as it should be."""
    text = (CHART / "README.md").read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    rows = [f"| `{path}` | `{default}` | {what.replace('|', '/')} |" for path, default, what in described()]
    table = "\n".join(["| value | default | what it does |", "| --- | --- | --- |", *rows])
    return f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}"


def main() -> int:
    """Writes both files."""
    (CHART / "values.schema.json").write_text(json.dumps(schema(), indent=1) + "\n", "utf-8")
    (CHART / "README.md").write_text(readme(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
