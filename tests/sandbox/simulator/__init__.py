"""The simulator: plays kcm 0.1.0, Sveltos 0.45, the promxy operator and the Grafana operator on real API servers.

It knows those programs' behaviour and nothing of the collection: it never imports from `plugins/`, or a mistake there
would prove itself right here.

Played: ServiceTemplates and Credentials, the life of a ClusterDeployment with its Profile, CAPI Cluster or
SveltosCluster, kubeconfig Secret and status, kcm's validating webhooks, ClusterProfiles that copy Secrets, Helm
services, the promxy configuration, Grafana and its datasources, volumes and load balancers. What was seen on a real
chain (kcm 0.1.0, Flux, Sveltos 0.45) is played word for word, in its order, and faster by `Faults.step`. Not played:
MultiClusterServices (but for their webhook), drift detection and conflicts between profiles, Grafana's periodic resync,
and whatever the OpenTelemetry and VictoriaMetrics operators make (the stand-in charts render that themselves).
"""
