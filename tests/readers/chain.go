// Verifies a chain as crypto/x509 does for a server: chain.go ROOT CHAIN HOST, the leaf first.
package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func certificates(path string) (found []*x509.Certificate) {
	content, err := os.ReadFile(path)
	must(err)
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		one, err := x509.ParseCertificate(block.Bytes)
		must(err)
		found = append(found, one)
	}
	return
}

func main() {
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, one := range certificates(os.Args[1]) {
		roots.AddCert(one)
	}
	chain := certificates(os.Args[2])
	for _, one := range chain[1:] {
		intermediates.AddCert(one)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: os.Args[3], Roots: roots, Intermediates: intermediates})
	must(err)
}
