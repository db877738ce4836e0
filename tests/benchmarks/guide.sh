#!/usr/bin/env bash
# What a careful reader of the installation guide makes of it for a whole fleet: both charts, a manifest per cluster by
# heredoc, one apply; `guide.sh wait` is the guide's last step. The benchmarks' rival, nothing more.
#
# From the environment: KUBECTL, HELM, KUBECONFIG; CHARTS (oci://...), KOF_VERSION, OPERATORS_VALUES, MOTHERSHIP_VALUES;
# KCM_NAMESPACE and KOF_NAMESPACE of what it applies; ADMIN_EMAIL; CLUSTERS, a table with a line per cluster; OUT, a folder.
set -euo pipefail

if [ "${1:-}" = wait ]; then
    exec "$KUBECTL" wait --for=condition=Ready clusterdeployment --all -n "$KCM_NAMESPACE" --timeout=60m
fi

"$HELM" upgrade -i --create-namespace -n kof kof-operators "$CHARTS/kof-operators" \
    --version "$KOF_VERSION" --plain-http --skip-schema-validation -f "$OPERATORS_VALUES" >/dev/null
"$HELM" upgrade -i -n kof kof-mothership "$CHARTS/kof-mothership" \
    --version "$KOF_VERSION" --plain-http -f "$MOTHERSHIP_VALUES" >/dev/null

TEMPLATE=$("$KUBECTL" get clustertemplate -n "$KCM_NAMESPACE" -o name | grep aws-standalone-cp-0-1-0 | cut -d/ -f2)

regional() {
    cat <<EOF
---
apiVersion: k0rdent.mirantis.com/v1alpha1
kind: ClusterDeployment
metadata:
  name: $NAME
  namespace: $KCM_NAMESPACE
  labels:
    kof: storage
spec:
  template: $TEMPLATE
  credential: aws-cluster-identity-cred
  config:
    clusterIdentity:
      name: aws-cluster-identity
      namespace: kcm-system
    controlPlane:
      instanceType: $CONTROL_PLANE
    controlPlaneNumber: $CONTROL_PLANES
    publicIP: true
    region: $REGION
    worker:
      instanceType: $WORKER
      rootVolumeSize: $VOLUME
    workersNumber: $WORKERS
    clusterLabels:
      k0rdent.mirantis.com/kof-storage-secrets: "true"
      k0rdent.mirantis.com/kof-aws-dns-secrets: "true"
  serviceSpec:
    priority: 100
    services:
      - name: ingress-nginx
        namespace: ingress-nginx
        template: ingress-nginx-4-11-3
      - name: cert-manager
        namespace: cert-manager
        template: cert-manager-1-16-2
        values: |
          cert-manager:
            crds:
              enabled: true
      - name: kof-storage
        namespace: kof
        template: kof-storage-0-1-1
        values: |
          external-dns:
            enabled: true
          victoriametrics:
            vmauth:
              ingress:
                host: vmauth.$DOMAIN
              credentials:
                username_key: username
                password_key: password
                credentials_secret_name: storage-vmuser-credentials
          grafana:
            ingress:
              host: grafana.$DOMAIN
            security:
              credentials_secret_name: grafana-admin-credentials
          cert-manager:
            email: $ADMIN_EMAIL
---
apiVersion: kof.k0rdent.mirantis.com/v1alpha1
kind: PromxyServerGroup
metadata:
  labels:
    app.kubernetes.io/name: promxy-operator
    k0rdent.mirantis.com/promxy-secret-name: kof-mothership-promxy-config
  name: $NAME-metrics
  namespace: $KOF_NAMESPACE
spec:
  cluster_name: $NAME
  targets:
    - "vmauth.$DOMAIN:443"
  path_prefix: /vm/select/0/prometheus/
  scheme: https
  http_client:
    dial_timeout: "5s"
    tls_config:
      insecure_skip_verify: true
    basic_auth:
      credentials_secret_name: storage-vmuser-credentials
      username_key: username
      password_key: password
---
apiVersion: grafana.integreatly.org/v1beta1
kind: GrafanaDatasource
metadata:
  name: $NAME-logs
  namespace: $KOF_NAMESPACE
spec:
  valuesFrom:
    - targetPath: "basicAuthUser"
      valueFrom:
        secretKeyRef:
          key: username
          name: storage-vmuser-credentials
    - targetPath: "secureJsonData.basicAuthPassword"
      valueFrom:
        secretKeyRef:
          key: password
          name: storage-vmuser-credentials
  datasource:
    name: $NAME
    url: https://vmauth.$DOMAIN/vls
    access: proxy
    isDefault: false
    type: "victoriametrics-logs-datasource"
    basicAuth: true
    basicAuthUser: \${username}
    secureJsonData:
      basicAuthPassword: \${password}
  instanceSelector:
    matchLabels:
      dashboards: grafana
  resyncPeriod: 5m
EOF
}

child() {
    cat <<EOF
---
apiVersion: k0rdent.mirantis.com/v1alpha1
kind: ClusterDeployment
metadata:
  name: $NAME
  namespace: $KCM_NAMESPACE
  labels:
    kof: collector
spec:
  template: $TEMPLATE
  credential: aws-cluster-identity-cred
  config:
    clusterIdentity:
      name: aws-cluster-identity
      namespace: kcm-system
    controlPlane:
      instanceType: $CONTROL_PLANE
    controlPlaneNumber: $CONTROL_PLANES
    region: $REGION
    worker:
      instanceType: $WORKER
      rootVolumeSize: $VOLUME
    workersNumber: $WORKERS
    clusterLabels:
      k0rdent.mirantis.com/kof-storage-secrets: "true"
      team: $TEAM
  serviceSpec:
    priority: 100
    services:
      - name: cert-manager
        namespace: kof
        template: cert-manager-1-16-2
        values: |
          cert-manager:
            crds:
              enabled: true
      - name: kof-operators
        namespace: kof
        template: kof-operators-0-1-1
      - name: kof-collectors
        namespace: kof
        template: kof-collectors-0-1-1
        values: |
          global:
            clusterName: $NAME
          opencost:
            enabled: true
            opencost:
              prometheus:
                username_key: username
                password_key: password
                existingSecretName: storage-vmuser-credentials
                external:
                  url: https://vmauth.$DOMAIN/vm/select/0/prometheus
              exporter:
                defaultClusterId: $NAME
          kof:
            logs:
              username_key: username
              password_key: password
              credentials_secret_name: storage-vmuser-credentials
              endpoint: https://vmauth.$DOMAIN/vls/insert/opentelemetry/v1/logs
            metrics:
              username_key: username
              password_key: password
              credentials_secret_name: storage-vmuser-credentials
              endpoint: https://vmauth.$DOMAIN/vm/insert/0/prometheus/api/v1/write
EOF
}

# One cat per cluster, as the guide has it, all into one file.
: >"$OUT/clusters.yaml"
while read -r LAYER NAME DOMAIN REGION CONTROL_PLANE CONTROL_PLANES WORKER VOLUME WORKERS TEAM; do
    "$LAYER" >>"$OUT/clusters.yaml"
done <"$CLUSTERS"

"$KUBECTL" apply -f "$OUT/clusters.yaml"
