"""HTTP that the controller serves beside the status page, and the parts that both listen with.

Bottom-up: `tls` (a certificate that is read again when it changes), `listener` (a bound on connections),
`auth` (who may read, by the API server's word), `health` (what kubelet and Prometheus ask for).
"""
