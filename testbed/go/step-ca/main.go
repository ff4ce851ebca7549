// Command step-ca is the CA of smallstep's step-ca, without its command line and cloud key stores, and what
// the testbed needs of `step ca init` and `step crypto jwe`.
//
//	step-ca init NAME ADDRESS DNS,DNS PROVISIONER PASSWORD-FILE   makes the CA in $STEPPATH
//	step-ca serve CONFIG PASSWORD-FILE                            runs it; SIGHUP reloads the configuration
//	step-ca key PASSWORD-FILE                                     a new provisioner key: {"key", "encryptedKey"}
//	step-ca encrypt OLD-PASSWORD-FILE NEW-PASSWORD-FILE           an encrypted key of stdin, under another password
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"unicode"

	"github.com/smallstep/certificates/authority/config"
	"github.com/smallstep/certificates/ca"
	"github.com/smallstep/certificates/cas/apiv1"
	"github.com/smallstep/certificates/pki"
	"github.com/smallstep/cli-utils/step"
	"go.step.sm/crypto/jose"

	_ "github.com/smallstep/certificates/cas/softcas"
	_ "go.step.sm/crypto/kms/softkms"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if err := step.Init(); err != nil {
		return err
	}
	switch {
	case len(args) == 6 && args[0] == "init":
		return initialise(args[1], args[2], strings.Split(args[3], ","), args[4], args[5])
	case len(args) == 3 && args[0] == "serve":
		return serve(args[1], args[2])
	case len(args) == 2 && args[0] == "key":
		return key(args[1])
	case len(args) == 3 && args[0] == "encrypt":
		return encrypt(args[1], args[2])
	}
	return errors.New("usage: step-ca init|serve|key|encrypt ...")
}

// password reads a file as step-ca does: without the white space at its end.
func password(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	return bytes.TrimRightFunc(text, unicode.IsSpace), err
}

func initialise(name, address string, dns []string, provisioner, file string) error {
	pass, err := password(file)
	if err != nil {
		return err
	}
	made, err := pki.New(apiv1.Options{Type: apiv1.SoftCAS, IsCreator: true},
		pki.WithAddress(address), pki.WithDNSNames(dns), pki.WithProvisioner(provisioner))
	if err != nil {
		return err
	}
	root, err := made.GenerateRootCertificate(name, name, name, pass)
	if err != nil {
		return err
	}
	if err := made.GenerateIntermediateCertificate(name, name, name, root, pass); err != nil {
		return err
	}
	if err := made.GenerateKeyPairs(pass); err != nil {
		return err
	}
	return made.Save()
}

func serve(file, passwordFile string) error {
	pass, err := password(passwordFile)
	if err != nil {
		return err
	}
	cfg, err := config.LoadConfiguration(file)
	if err != nil {
		return err
	}
	server, err := ca.New(cfg, ca.WithConfigFile(file), ca.WithPassword(pass))
	if err != nil {
		return err
	}
	go ca.StopReloaderHandler(server)
	if err := server.Run(); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func key(file string) error {
	pass, err := password(file)
	if err != nil {
		return err
	}
	public, private, err := jose.GenerateDefaultKeyPair(pass)
	if err != nil {
		return err
	}
	encrypted, err := private.CompactSerialize()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"key": public, "encryptedKey": encrypted})
}

func encrypt(oldFile, newFile string) error {
	old, err := password(oldFile)
	if err != nil {
		return err
	}
	pass, err := password(newFile)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	plain, err := jose.Decrypt(bytes.TrimSpace(text), jose.WithPassword(old))
	if err != nil {
		return err
	}
	private := new(jose.JSONWebKey)
	if err := json.Unmarshal(plain, private); err != nil {
		return err
	}
	again, err := jose.EncryptJWK(private, pass)
	if err != nil {
		return err
	}
	compact, err := again.CompactSerialize()
	if err != nil {
		return err
	}
	fmt.Println(compact)
	return nil
}
