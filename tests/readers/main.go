// Prints what crypto/x509 and net/url read in each certificate of a PEM bundle, as JSON.
package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
)

type reading struct {
	Error string      `json:"error,omitempty"`
	DNS   []string    `json:"dns"`
	IP    []string    `json:"ip"`
	Mail  []string    `json:"mail"`
	URI   [][2]string `json:"uri"`
	CN    []string    `json:"cn"`
	O     []string    `json:"o"`
}

func read(der []byte) reading {
	found, err := x509.ParseCertificate(der)
	if err != nil {
		return reading{Error: err.Error()}
	}
	out := reading{DNS: found.DNSNames, Mail: found.EmailAddresses}
	for _, ip := range found.IPAddresses {
		out.IP = append(out.IP, ip.String())
	}
	for _, uri := range found.URIs {
		out.URI = append(out.URI, [2]string{uri.Hostname(), uri.Path})
	}
	for _, name := range found.Subject.Names {
		switch name.Type.String() {
		case "2.5.4.3":
			out.CN = append(out.CN, fmt.Sprint(name.Value))
		case "2.5.4.10":
			out.O = append(out.O, fmt.Sprint(name.Value))
		}
	}
	return out
}

func main() {
	rest, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	all := []reading{}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		all = append(all, read(block.Bytes))
	}
	if err := json.NewEncoder(os.Stdout).Encode(all); err != nil {
		panic(err)
	}
}
