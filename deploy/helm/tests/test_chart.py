"""What the chart renders, for every way of installing that it describes."""

import base64
import json
import re
from pathlib import Path

import chart_files
import helm_python
import kubernetes_validate
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from handshaker_local.services import KINDS
from rendering import CHART, SERVICES, VALUES, environment, of_kind, pods, render, rendered

KUBERNETES = ("1.32", "1.37")
# Kinds of operators, whose schemas Kubernetes does not have.
CUSTOM = {"Certificate", "ServiceMonitor"}
ways = pytest.mark.parametrize("which", VALUES)


@ways
@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_is_what_kubernetes_takes(which: str, version: str) -> None:
    checked = 0
    for found in rendered(which):
        if found["kind"] not in CUSTOM:
            kubernetes_validate.validate(found, version, strict=True)
            checked += 1
    assert checked > 20
    broken = json.loads(json.dumps(of_kind(rendered(which), "Deployment")["hs-handshaker-auth"]))
    broken["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = "50051"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, version, strict=True)


def test_helm_lints_it() -> None:
    found = helm_python.lint(str(CHART))
    assert not found["errors"], found


@ways
def test_names_namespaces_and_labels(which: str) -> None:
    for found in rendered(which):
        metadata = found["metadata"]
        assert metadata["namespace"] == "chat"
        assert metadata["name"].startswith("hs-handshaker")
        assert len(metadata["name"]) <= 63
        assert metadata["labels"]["app.kubernetes.io/instance"] == "hs"
    names = [(found["kind"], found["metadata"]["name"]) for found in rendered(which)]
    assert len(set(names)) == len(names)
    assert set(of_kind(rendered(which), "Deployment")) == {f"hs-handshaker-{service}" for service in SERVICES}


@ways
def test_pods_may_do_nothing_that_they_need_not(which: str) -> None:
    assert len(pods(rendered(which))) >= 11
    for name, pod in pods(rendered(which)).items():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["runAsUser"] > 0, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        for container in spec["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"], name
            assert not security["allowPrivilegeEscalation"], name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["requests"], name
            assert container["resources"]["limits"]["memory"], name


@ways
def test_services_are_probed_and_drained(which: str) -> None:
    for name, deployment in of_kind(rendered(which), "Deployment").items():
        spec = deployment["spec"]["template"]["spec"]
        container = spec["containers"][0]
        assert container["startupProbe"]["grpc"] == {"port": 50052}, name
        assert "grpc" in container["readinessProbe"] or container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        drain = int(environment(deployment)["HANDSHAKER_DRAIN_SECONDS"])
        waits = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert spec["terminationGracePeriodSeconds"] >= drain + waits + 5, name
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        assert spec["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"]
    for name, job in of_kind(rendered(which), "Job").items():
        assert "livenessProbe" not in job["spec"]["template"]["spec"]["containers"][0], name


@ways
def test_settings_are_those_that_the_services_read(which: str) -> None:
    known = set(re.findall(r"`(HANDSHAKER_[A-Z_]+)`", Path("docs/operating.md").read_text("utf-8")))
    assert len(known) > 40
    for deployment in of_kind(rendered(which), "Deployment").values():
        assert set(environment(deployment)) - known <= {"POD_IP"}


def test_the_architecture_is_that_of_the_local_system() -> None:
    for kind in KINDS:
        found = environment(of_kind(rendered("trial"), "Deployment")[f"hs-handshaker-{kind.name}"])
        targets = {
            name.removeprefix("HANDSHAKER_").removesuffix("_TARGET").lower() for name in found if "TARGET" in name
        }
        assert targets - {"handshaker_wake_target_seed_file", "wake_target_seed_file"} == set(kind.calls), kind.name
        assert ("HANDSHAKER_DATABASE_URL_FILE" in found) == kind.database
        assert ("HANDSHAKER_REDIS_URL" in found) == kind.redis
        for setting, secret in kind.secrets.items():
            assert found[f"HANDSHAKER_{setting}"] == f"/etc/handshaker/secrets/{secret}"


@ways
def test_secrets_stand_in_secrets_alone(which: str) -> None:
    objects = rendered(which)
    given = {value for secret in of_kind(objects, "Secret").values() for value in secret.get("stringData", {}).values()}
    for found in objects:
        if found["kind"] != "Secret":
            text = json.dumps(found)
            assert not any(value in text for value in given if len(value) > 20)
            assert "PRIVATE KEY" not in text
    for deployment in of_kind(objects, "Deployment").values():
        for name, value in environment(deployment).items():
            assert not re.search("PASSWORD|SECRET|SEED|PEPPER|DATABASE_URL", name) or value.startswith("/etc/"), name


def test_generated_secrets_are_random_and_kept() -> None:
    first, second = (of_kind(render(VALUES["trial"]), "Secret") for _ in range(2))
    application = first["hs-handshaker-secrets"]
    assert application["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    made = {name: base64.b64decode(value) for name, value in application["data"].items()}
    issuer = load_pem_private_key(made.pop("token-issuer-key"), None)
    assert isinstance(issuer, RSAPrivateKey)
    assert issuer.key_size == 2048
    assert {len(value) for value in made.values()} == {32}
    assert len(set(made.values())) == 4
    assert application["data"] != second["hs-handshaker-secrets"]["data"]


def test_generated_certificates_name_their_service() -> None:
    secrets = of_kind(rendered("trial"), "Secret")
    authorities = set()
    for service in SERVICES:
        data = {
            name: base64.b64decode(value) for name, value in secrets[f"hs-handshaker-{service}-tls"]["data"].items()
        }
        leaf, authority = (x509.load_pem_x509_certificate(data[name]) for name in ("tls.crt", "ca.crt"))
        leaf.verify_directly_issued_by(authority)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == [f"{service}.handshaker"]
        authorities.add(data["ca.crt"])
    assert len(authorities) == 1


def test_cert_manager_makes_what_services_ask_for() -> None:
    certificates = of_kind(rendered("production"), "Certificate")
    assert len(certificates) == len(SERVICES)
    for service in SERVICES:
        spec = certificates[f"hs-handshaker-{service}"]["spec"]
        assert spec["dnsNames"] == [f"{service}.handshaker"]
        assert spec["uris"] == [f"spiffe://handshaker/{service}"]
        assert {"server auth", "client auth"} <= set(spec["usages"])


def test_the_same_values_render_the_same_bytes_when_nothing_is_generated() -> None:
    for which in ("production", "own secrets"):
        assert render(VALUES[which]) == render(VALUES[which])
        assert of_kind(rendered(which), "Secret") == {}


def test_scaled_services_leave_the_number_of_pods_to_the_scaler() -> None:
    deployments = of_kind(rendered("production"), "Deployment")
    scalers = of_kind(rendered("production"), "HorizontalPodAutoscaler")
    assert set(scalers) == {"hs-handshaker-gateway", "hs-handshaker-signaling"}
    for name, deployment in deployments.items():
        assert ("replicas" in deployment["spec"]) == (name not in scalers)


def test_disruption_budgets_take_numbers_and_percentages() -> None:
    budgets = of_kind(rendered("own secrets"), "PodDisruptionBudget")
    assert len(budgets) == len(SERVICES)
    assert budgets["hs-handshaker-auth"]["spec"]["maxUnavailable"] == "50%"
    assert budgets["hs-handshaker-keys"]["spec"]["maxUnavailable"] == 1
    assert of_kind(rendered("trial"), "PodDisruptionBudget") == {}


def test_digests_win_over_tags_and_registries_come_first() -> None:
    digest = "sha256:" + "a" * 64
    values = VALUES["production"] | {
        "global": {"imageRegistry": "registry.example"},
        "auth": {"image": {"digest": digest, "tag": "old"}},
        "keys": {"image": {"tag": "new"}},
    }
    deployments = of_kind(render(values), "Deployment")
    images = {name: found["spec"]["template"]["spec"]["containers"][0]["image"] for name, found in deployments.items()}
    assert images["hs-handshaker-auth"] == f"registry.example/handshaker/auth@{digest}"
    assert images["hs-handshaker-keys"] == "registry.example/handshaker/keys:new"
    assert images["hs-handshaker-notify"] == "registry.example/handshaker/notify:0.1.0"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "Set database.existingSecret"),
        ({"database": {"existingSecret": "db"}}, "Set redis.existingSecret"),
        ({"trial": {"enabled": True}, "secrets": {"generate": False}}, "Set secrets.existingSecret"),
        (
            {"trial": {"enabled": True}, "secrets": {"generate": False, "existingSecret": "app"}},
            "tls.mode=generate makes secrets",
        ),
        ({"trial": {"enabled": True}, "gateway": {"ingress": {"enabled": True}}}, "needs gateway.ingress.host"),
    ],
)
def test_contradictions_are_refused_in_a_sentence(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(helm_python.HelmError, match=re.escape(sentence)):
        render(values)


@pytest.mark.parametrize(
    "values",
    [
        {"defaults": {"replicas": 0}},
        {"gatway": {}},
        {"auth": {"replica": 2}},
        {"tls": {"mode": "none"}},
        {"gateway": {"forwardedHops": -1}},
        {"auth": {"image": {"digest": "sha256:abc"}}},
        {"logLevel": "loud"},
    ],
)
def test_the_schema_refuses_what_means_nothing(values: dict[str, object]) -> None:
    assert render(VALUES["own secrets"])
    with pytest.raises(helm_python.HelmError):
        render(VALUES["own secrets"] | values)


def test_extra_objects_are_templates() -> None:
    extra = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-extra"}}
    assert "hs-extra" in of_kind(render(VALUES["production"] | {"extraObjects": [extra]}), "ConfigMap")


def test_readme_and_schema_follow_from_the_values() -> None:
    assert json.loads((CHART / "values.schema.json").read_text("utf-8")) == chart_files.schema(), "run ./dev docs"
    assert (CHART / "README.md").read_text("utf-8") == chart_files.readme(), "run ./dev docs"
    assert len(chart_files.described()) > 30
