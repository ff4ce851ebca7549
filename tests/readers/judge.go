// Judges each case of a file of JSON as crypto/x509 does for a TLS server; prints "" or the objection for each.
package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"time"
)

type set struct {
	Now   time.Time
	Host  string
	Cases []struct {
		Trusted, Sent []string
		Leaf          string
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func read(text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	return x509.ParseCertificate(block.Bytes)
}

// A certificate that can't be read is left out, as servers and clients do.
func pool(texts []string) *x509.CertPool {
	found := x509.NewCertPool()
	for _, text := range texts {
		if one, err := read(text); err == nil {
			found.AddCert(one)
		}
	}
	return found
}

func main() {
	content, err := os.ReadFile(os.Args[1])
	must(err)
	var given set
	must(json.Unmarshal(content, &given))
	said := []string{}
	for _, one := range given.Cases {
		leaf, err := read(one.Leaf)
		if err == nil {
			_, err = leaf.Verify(x509.VerifyOptions{
				DNSName: given.Host, Roots: pool(one.Trusted), Intermediates: pool(one.Sent), CurrentTime: given.Now,
			})
		}
		text := ""
		if err != nil {
			text = err.Error()
		}
		said = append(said, text)
	}
	must(json.NewEncoder(os.Stdout).Encode(said))
}
