{{/* The settings of one service: where it listens, whom it calls, where its secrets are, and what the operator chose. */}}
{{- define "handshaker.environment" -}}
{{- $root := .root -}}{{- $service := .service -}}{{- $values := .values -}}
- {name: HANDSHAKER_GRPC_LISTEN, value: "0.0.0.0:50051"}
- {name: HANDSHAKER_HEALTH_LISTEN, value: "0.0.0.0:50052"}
- {name: HANDSHAKER_METRICS_LISTEN, value: "0.0.0.0:9090"}
- {name: HANDSHAKER_TLS_CERTIFICATE_FILE, value: /etc/handshaker/tls/tls.crt}
- {name: HANDSHAKER_TLS_KEY_FILE, value: /etc/handshaker/tls/tls.key}
- {name: HANDSHAKER_TLS_CA_FILE, value: /etc/handshaker/tls/ca.crt}
- {name: HANDSHAKER_DRAIN_SECONDS, value: {{ $values.drainSeconds | quote }}}
- {name: HANDSHAKER_LOG_LEVEL, value: {{ $root.Values.logLevel | quote }}}
{{- range .facts.calls }}
{{- if ne . $service }}
- {name: {{ printf "HANDSHAKER_%s_TARGET" (upper .) }}, value: {{ include "handshaker.target" (dict "root" $root "service" .) | quote }}}
{{- end }}
{{- end }}
{{- range $setting, $key := .facts.secrets }}
- {name: HANDSHAKER_{{ $setting }}, value: /etc/handshaker/secrets/{{ $key }}}
{{- end }}
{{- if .facts.database }}
- {name: HANDSHAKER_DATABASE_URL_FILE, value: /etc/handshaker/database/url}
{{- end }}
{{- if .facts.redis }}
- name: HANDSHAKER_REDIS_URL
  valueFrom: {secretKeyRef: {name: {{ include "handshaker.secret.redis" $root }}, key: url}}
{{- end }}
{{- if and .facts.mqtt $root.Values.mqtt.url }}
- {name: HANDSHAKER_MQTT_URL, value: {{ $root.Values.mqtt.url | quote }}}
- {name: HANDSHAKER_MQTT_USERNAME, value: {{ $root.Values.mqtt.username | quote }}}
{{- if $root.Values.mqtt.existingSecret }}
- {name: HANDSHAKER_MQTT_PASSWORD_FILE, value: /etc/handshaker/mqtt/password}
{{- end }}
{{- end }}
{{- if eq $service "signaling" }}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
- {name: HANDSHAKER_PEER_ADDRESS, value: "$(POD_IP):50051"}
{{- end }}
{{- if eq $service "gateway" }}
- {name: HANDSHAKER_LISTEN, value: "0.0.0.0:8080"}
- {name: HANDSHAKER_UNREADY_SECONDS, value: {{ $values.unreadySeconds | quote }}}
- {name: HANDSHAKER_FORWARDED_HOPS, value: {{ $values.forwardedHops | quote }}}
{{- with $values.hosts }}
- {name: HANDSHAKER_HOSTS, value: {{ join "," . | quote }}}
{{- end }}
{{- if $values.publicTls.secret }}
- {name: HANDSHAKER_PUBLIC_CERTIFICATE_FILE, value: /etc/handshaker/public-tls/tls.crt}
- {name: HANDSHAKER_PUBLIC_KEY_FILE, value: /etc/handshaker/public-tls/tls.key}
{{- else }}
- {name: HANDSHAKER_PLAIN_HTTP, value: "true"}
{{- end }}
{{- end }}
{{- range $name, $value := $values.settings }}
- {name: {{ printf "HANDSHAKER_%s" (upper $name) }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
