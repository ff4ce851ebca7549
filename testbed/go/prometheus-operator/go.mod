// The CRDs of the monitors and rules that the chart makes; nothing of it is built.
module vault-issuer.io/testbed/prometheus-operator

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
