{{/* An image: repository and tag, which the schema asks for. */}}
{{- define "backstitch.image" -}}
{{ .repository }}:{{ .tag }}
{{- end }}
