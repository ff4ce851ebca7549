// Verifies a leaf up to a root, and a CRL: go run revocation.go root.pem ca.pem leaf.pem root.crl
package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"time"
)

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func certificate(path string) *x509.Certificate {
	text, err := os.ReadFile(path)
	fail(err)
	block, _ := pem.Decode(text)
	read, err := x509.ParseCertificate(block.Bytes)
	fail(err)
	return read
}

func main() {
	root, ca, leaf := certificate(os.Args[1]), certificate(os.Args[2]), certificate(os.Args[3])
	der, err := os.ReadFile(os.Args[4])
	fail(err)
	list, err := x509.ParseRevocationList(der)
	fail(err)
	fail(list.CheckSignatureFrom(root))
	if time.Now().After(list.NextUpdate) {
		fail(fmt.Errorf("the CRL is stale"))
	}
	for _, one := range list.RevokedCertificateEntries {
		if one.SerialNumber.Cmp(ca.SerialNumber) == 0 {
			fail(fmt.Errorf("revoked, reason %d, by CRL %d", one.ReasonCode, list.Number))
		}
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root)
	between.AddCert(ca)
	_, err = leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: leaf.DNSNames[0]})
	fail(err)
}
