// The CRD of Argo CD's Applications, for those in config/gitops; nothing of it is built.
module vault-issuer.io/testbed/argo-cd

go 1.26.0

require github.com/argoproj/argo-cd/v3 v3.5.7
