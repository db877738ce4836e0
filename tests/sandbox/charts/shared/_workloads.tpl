{{/*
Pieces that the stand-in charts share; copied into each chart's templates/ when it is packaged.
Holds names, labels and the plain shapes of workloads. What a chart makes and under which key is decided in the chart.
kwok runs the pods, so an image is a name and nothing else, and nothing here needs a probe or a mounted file to be right.
*/}}

{{/* The usual full name: the release's name when it contains the chart's, else both. */}}
{{- define "fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Not empty in kof's own charts of line 0.0, which were all published as 0.1.0. */}}
{{- define "line-0.0" -}}
{{- if eq .Chart.Version "0.1.0" -}}yes{{- end -}}
{{- end -}}

{{/* Labels of an object. Call with a dict: root (the chart's context), name; subchart (name, version) where the real chart has it from one. */}}
{{- define "labels" -}}
{{- $chart := .subchart | default (dict "name" .root.Chart.Name "version" .root.Chart.Version) -}}
app.kubernetes.io/name: {{ ternary $chart.name .name (hasKey . "subchart") }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $chart.name $chart.version }}
{{- end -}}

{{- define "selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end -}}

{{/* The pod template. Keys: root, name, image; optional args, env, volumes, mounts, waits (for a Secret that it mounts), init, sidecars, account, resources, port, annotations, secrets (to pull images). */}}
{{- define "pod" -}}
metadata:
  labels:
    {{- include "selector" . | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .account }}
  serviceAccountName: {{ . }}
  {{- end }}
  {{- with .secrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .waits }}
  schedulingGates:
    - name: mounts.sandbox/{{ . }}
  {{- end }}
  {{- with .init }}
  initContainers:
    {{- . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .container | default .name }}
      image: {{ .image | quote }}
      {{- with .args }}
      args:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .env }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .port }}
      ports:
        - name: http
          containerPort: {{ . }}
      {{- end }}
      {{- with .resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .mounts }}
      volumeMounts:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- with .sidecars }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .volumes }}
  volumes:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* A variable in the environment of an operator that comes with the chart, else the default. Keys: root, of (the subchart), name, default. */}}
{{- define "environment" -}}
{{- $found := .default -}}
{{- $name := .name -}}
{{- range dig .of "env" list .root.Values.AsMap -}}
{{- if eq .name $name -}}{{- $found = .value -}}{{- end -}}
{{- end -}}
{{- $found -}}
{{- end -}}

{{/* The registry of what the VictoriaMetrics operator runs. */}}
{{- define "vmRegistry" -}}
{{- include "environment" (dict "root" . "of" "victoria-metrics-operator" "name" "VM_CONTAINERREGISTRY" "default" "docker.io") -}}
{{- end -}}

{{/* What Grafana's pod does first at line 0.0: it asks GitHub which plugins are the latest, and fetches them. */}}
{{- define "grafanaPlugins" -}}
- name: load-vm-ds-plugin
  image: curlimages/curl:latest
  command: [/bin/sh, -c]
  args:
    - set -ex; curl -s https://api.github.com/repos/VictoriaMetrics/victoriametrics-datasource/releases/latest
  volumeMounts:
    - name: grafana-data
      mountPath: /var/lib/grafana
{{- end -}}

{{/* Keys: as for "pod", and replicas (default 1), namespace. */}}
{{- define "deployment" }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  namespace: {{ .namespace | default .root.Release.Namespace }}
  labels:
    {{- include "labels" . | nindent 4 }}
spec:
  replicas: {{ .replicas | default 1 }}
  selector:
    matchLabels:
      {{- include "selector" . | nindent 6 }}
  template:
    {{- include "pod" . | nindent 4 }}
{{- end -}}

{{- define "daemonset" }}
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: {{ .name }}
  namespace: {{ .namespace | default .root.Release.Namespace }}
  labels:
    {{- include "labels" . | nindent 4 }}
spec:
  selector:
    matchLabels:
      {{- include "selector" . | nindent 6 }}
  template:
    {{- include "pod" . | nindent 4 }}
{{- end -}}

{{/* Keys: as for "deployment", and claim (name, size, storageClass): without a claim the data is on the node. */}}
{{- define "statefulset" }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .name }}
  namespace: {{ .namespace | default .root.Release.Namespace }}
  labels:
    {{- include "labels" . | nindent 4 }}
spec:
  serviceName: {{ .name }}
  replicas: {{ .replicas | default 1 }}
  podManagementPolicy: Parallel
  selector:
    matchLabels:
      {{- include "selector" . | nindent 6 }}
  template:
    {{- include "pod" . | nindent 4 }}
  {{- with .claim }}
  volumeClaimTemplates:
    - apiVersion: v1
      kind: PersistentVolumeClaim
      metadata:
        name: {{ .name }}
      spec:
        {{- include "claim" . | nindent 8 }}
  {{- end }}
{{- end -}}

{{/* The spec of a PersistentVolumeClaim; an unset storage class leaves the cluster's default one. Keys: size, storageClass. */}}
{{- define "claim" -}}
accessModes:
  - ReadWriteOnce
resources:
  requests:
    storage: {{ .size }}
{{- with .storageClass }}
storageClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* Keys: root, name, port; optional selects (whose pods; default the same name), type, portName, targetPort, headless. */}}
{{- define "service" }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ .namespace | default .root.Release.Namespace }}
  labels:
    {{- include "labels" . | nindent 4 }}
spec:
  type: {{ .type | default "ClusterIP" }}
  {{- if .headless }}
  clusterIP: None
  {{- end }}
  selector:
    {{- include "selector" (dict "root" .root "name" (.selects | default .name)) | nindent 4 }}
  ports:
    - name: {{ .portName | default "http" }}
      port: {{ .port }}
      targetPort: {{ .targetPort | default .port }}
    {{- with .morePorts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Keys: root, name, rules; optional account (default the name): ServiceAccount, ClusterRole and its binding. */}}
{{- define "account" }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .account | default .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "labels" . | nindent 4 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ .name }}
  labels:
    {{- include "labels" . | nindent 4 }}
rules:
  {{- toYaml .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ .name }}
  labels:
    {{- include "labels" . | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .account | default .name }}
    namespace: {{ .root.Release.Namespace }}
{{- end -}}

{{/* A TLS Ingress of class nginx whose certificate letsencrypt-prod signs. Keys: root, name, host, service, port, tlsSecret. */}}
{{- define "ingress" }}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "labels" . | nindent 4 }}
  annotations:
    cert-manager.io/cluster-issuer: letsencrypt-prod
spec:
  ingressClassName: nginx
  tls:
    - hosts:
        - {{ .host | quote }}
      secretName: {{ .tlsSecret }}
  rules:
    - host: {{ .host | quote }}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: {{ .service }}
                port:
                  number: {{ .port }}
{{- end -}}

{{/*
The Secret grafana-admin-credentials' data: what the cluster holds is kept, else drawn anew. Letters only, as in the real charts.
Call with a dict: root, existing (the live Secret or an empty dict).
*/}}
{{- define "grafanaAdminData" -}}
{{- $lengths := .root.Values.global }}
{{- $held := get .existing "data" | default dict }}
GF_SECURITY_ADMIN_USER: {{ get $held "GF_SECURITY_ADMIN_USER" | default (randAlpha (int $lengths.random_username_length) | b64enc) | quote }}
GF_SECURITY_ADMIN_PASSWORD: {{ get $held "GF_SECURITY_ADMIN_PASSWORD" | default (randAlpha (int $lengths.random_password_length) | b64enc) | quote }}
{{- end -}}

{{/*
The VictoriaMetrics cluster as its operator would lay it out. Keys: root, replicas, retention, values (victoriametrics.vmcluster), storageClass.
At line 0.0 retention and sizes are written into the charts.
*/}}
{{- define "vmcluster" -}}
{{- $root := .root -}}
{{- $values := .values -}}
{{- if include "line-0.0" $root -}}
{{- $values = dict "retentionPeriod" "1" "vmselect" (dict "storage" (dict "size" "2Gi")) "vmstorage" (dict "storage" (dict "size" "10Gi")) -}}
{{- end -}}
{{- $image := printf "%s/victoriametrics" (include "vmRegistry" $root) -}}
{{- include "deployment" (dict "root" $root "name" "vminsert-cluster" "replicas" .replicas "port" 8480 "image" (printf "%s/vminsert:v1.105.0-cluster" $image)
      "args" (list (printf "-replicationFactor=%v" .replicationFactor))) }}
{{- include "service" (dict "root" $root "name" "vminsert-cluster" "port" 8480) }}
{{- include "statefulset" (dict "root" $root "name" "vmselect-cluster" "replicas" .replicas "port" 8481 "image" (printf "%s/vmselect:v1.105.0-cluster" $image)
      "claim" (dict "name" "vmselect-cachedir" "size" $values.vmselect.storage.size "storageClass" .storageClass)) }}
{{- include "service" (dict "root" $root "name" "vmselect-cluster" "port" 8481 "headless" true) }}
{{- include "statefulset" (dict "root" $root "name" "vmstorage-cluster" "replicas" .replicas "port" 8482 "image" (printf "%s/vmstorage:v1.105.0-cluster" $image)
      "args" (list (printf "-retentionPeriod=%v" $values.retentionPeriod))
      "claim" (dict "name" "vmstorage-db" "size" $values.vmstorage.storage.size "storageClass" .storageClass)) }}
{{- include "service" (dict "root" $root "name" "vmstorage-cluster" "port" 8482 "headless" true) }}
{{- end -}}
