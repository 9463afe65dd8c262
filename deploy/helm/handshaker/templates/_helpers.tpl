{{/* Names and labels */}}
{{- define "handshaker.fullname" -}}
{{- if .Values.fullnameOverride -}}{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains .Chart.Name .Release.Name -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "handshaker.selector" -}}
app.kubernetes.io/name: handshaker
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "handshaker.labels" -}}
{{ include "handshaker.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "handshaker.metadata" -}}
name: {{ printf "%s-%s" (include "handshaker.fullname" .root) .component }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "handshaker.labels" . | nindent 2 }}
{{- end }}

{{/* The image of a component: the digest wins over the tag. */}}
{{- define "handshaker.image" -}}
{{- $image := .image -}}
{{- $registry := .root.Values.global.imageRegistry -}}
{{- $name := ternary $image.repository (printf "%s/%s" $registry $image.repository) (empty $registry) -}}
{{- if $image.digest }}{{ $name }}@{{ $image.digest }}{{ else }}{{ $name }}:{{ $image.tag | default .root.Chart.AppVersion }}{{ end -}}
{{- end }}

{{/*
The architecture as data: whom each service calls, what it keeps data in, which secrets it reads.
Workloads, network policies and secrets all follow from it.
*/}}
{{- define "handshaker.architecture" -}}
auth:
  calls: []
  database: true
  redis: false
  mqtt: false
  secrets: {SIGNING_KEYS: token-signing-key, CHALLENGE_SECRET_FILE: challenge-secret, ISSUER_KEYS: token-issuer-key}
keys:
  calls: [auth]
  database: true
  redis: false
  mqtt: false
  secrets: {USERNAME_PEPPER_FILE: username-pepper}
blobstore:
  calls: []
  database: true
  redis: false
  mqtt: false
  secrets: {}
notify:
  calls: []
  database: true
  redis: false
  mqtt: true
  secrets: {WAKE_TARGET_SEED_FILE: wake-target-seed}
signaling:
  calls: [blobstore, notify, signaling]
  database: false
  redis: true
  mqtt: false
  secrets: {}
gateway:
  calls: [auth, keys, signaling, blobstore, notify]
  database: false
  redis: true
  mqtt: false
  secrets: {}
{{- end }}

{{- define "handshaker.target" -}}
{{ printf "dns:///%s-%s.%s.svc:50051" (include "handshaker.fullname" .root) .service .root.Release.Namespace }}
{{- end }}

{{/* Names of secrets: given by the operator, or made by this chart. */}}
{{- define "handshaker.secret.application" -}}
{{ .Values.secrets.existingSecret | default (printf "%s-secrets" (include "handshaker.fullname" .)) }}
{{- end }}
{{- define "handshaker.secret.database" -}}
{{ .Values.database.existingSecret | default (printf "%s-database" (include "handshaker.fullname" .)) }}
{{- end }}
{{- define "handshaker.secret.redis" -}}
{{ .Values.redis.existingSecret | default (printf "%s-redis" (include "handshaker.fullname" .)) }}
{{- end }}
{{- define "handshaker.secret.tls" -}}
{{ ternary (printf "%s%s" .root.Values.tls.existingSecretPrefix .service) (printf "%s-%s-tls" (include "handshaker.fullname" .root) .service) (eq .root.Values.tls.mode "existing") }}
{{- end }}

{{- define "handshaker.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}
{{- define "handshaker.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* What contradicts itself is refused before anything is applied, in one sentence. */}}
{{- define "handshaker.check" -}}
{{- if and (not .Values.trial.enabled) (not .Values.database.existingSecret) -}}
{{- fail "Set database.existingSecret (a Secret with the keys auth, keys, blobstore and notify, each a postgresql:// URL), or trial.enabled=true for databases inside the release that are good for trying only." -}}
{{- end -}}
{{- if and (not .Values.trial.enabled) (not .Values.redis.existingSecret) -}}
{{- fail "Set redis.existingSecret (a Secret with the key url, a redis:// or rediss:// URL), or trial.enabled=true for a Redis inside the release." -}}
{{- end -}}
{{- if and (not .Values.secrets.generate) (not .Values.secrets.existingSecret) -}}
{{- fail "Set secrets.existingSecret (keys: token-signing-key, challenge-secret, username-pepper, wake-target-seed, each at least 32 random bytes; token-issuer-key, an RSA key of 2,048 bits in PEM), or secrets.generate=true." -}}
{{- end -}}
{{- if and (eq .Values.tls.mode "generate") (not .Values.secrets.generate) -}}
{{- fail "tls.mode=generate makes secrets with random content, which secrets.generate=false forbids; use tls.mode=certManager or tls.mode=existing." -}}
{{- end -}}
{{- if and .Values.gateway.ingress.enabled (not .Values.gateway.ingress.host) -}}
{{- fail "gateway.ingress.enabled needs gateway.ingress.host, the name that clients will use." -}}
{{- end -}}
{{- end }}
