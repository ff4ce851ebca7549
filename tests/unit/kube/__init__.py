"""Tests of `issuer.kube` against a scripted API server on loopback (`fake_api`)."""
