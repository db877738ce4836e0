"""The simulator: plays kcm 0.1.0, Sveltos 0.45, the promxy operator and the Grafana operator on real API servers.

It knows those programs' behaviour and nothing of the collection: it never imports from `plugins/`, or a mistake there
would prove itself right here.
"""
