// Command cert-manager-testbed runs the parts of the oldest cert-manager that
// the chart asks for, as testbed/go/cert-manager does of today's: the certificate controllers, the approver, what makes
// Certificates of Ingresses and Gateways, and (for comparison) the Vault
// issuer, or the admission webhook. cert-manager's own
// commands are separate modules that Go proxies don't serve, and its full
// controller pulls in DNS providers that aren't needed here.
//
// The module path lies under cert-manager's so that Go allows the import of
// its internal webhook packages.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/cert-manager/cert-manager/internal/apis/config/shared"
	config "github.com/cert-manager/cert-manager/internal/apis/config/webhook"
	"github.com/cert-manager/cert-manager/internal/webhook"
	"github.com/cert-manager/cert-manager/pkg/controller"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificate-shim/gateways"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificate-shim/ingresses"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/vault"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	_ "github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	_ "github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/vault"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/metrics"
)

const workers = 5 // cert-manager's default number of concurrent workers

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("usage: %s controller|webhook [flags]", os.Args[0]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := klog.NewKlogr()
	ctrl.SetLogger(log)
	var err error
	switch os.Args[1] {
	case "controller":
		err = runControllers(logf.NewContext(ctx, log), os.Args[2:])
	case "webhook":
		err = runWebhook(ctx, log, os.Args[2:])
	default:
		err = fmt.Errorf("unknown command %q", os.Args[1])
	}
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(1)
}

func runControllers(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("controller", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "kubeconfig file")
	namespace := flags.String("cluster-resource-namespace", "cert-manager", "namespace of ClusterIssuers' Secrets")
	only := flags.String("controllers", "", "comma-separated names; empty means all")
	flags.Duration("minimum-backoff", time.Hour, "taken and not used: this version waits an hour")
	gateways := flags.Bool("enable-gateway-api", false, "look for the Gateway API's kinds; gateway-shim needs it")
	flags.String("gateway-api-extra-protocols", "", "taken and not used: this version has no such option")
	if err := flags.Parse(args); err != nil {
		return err
	}
	factory, err := controller.NewContextFactory(ctx, controller.ContextOptions{
		Kubeconfig:         *kubeconfig,
		KubernetesAPIQPS:   20,
		KubernetesAPIBurst: 50,
		Clock:              clock.RealClock{},
		Metrics:            metrics.New(klog.NewKlogr(), clock.RealClock{}),
		ConfigOptions:      controller.ConfigOptions{EnableGatewayAPI: *gateways},
		IssuerOptions:      controller.IssuerOptions{ClusterResourceNamespace: *namespace},
		CertificateOptions: controller.CertificateOptions{
			CopiedAnnotationPrefixes: []string{"*", "-kubectl.kubernetes.io/", "-fluxcd.io/", "-argocd.argoproj.io/"},
		},
	})
	if err != nil {
		return err
	}
	names, err := chosen(*only)
	if err != nil {
		return err
	}
	return startAll(ctx, factory, names)
}

func chosen(only string) ([]string, error) {
	known := controller.Known()
	var names []string
	if only != "" {
		names = strings.Split(only, ",")
	} else {
		for name := range known {
			names = append(names, name)
		}
		sort.Strings(names)
	}
	for _, name := range names {
		if known[name] == nil {
			return nil, fmt.Errorf("no controller %q is built in", name)
		}
	}
	return names, nil
}

func startAll(ctx context.Context, factory *controller.ContextFactory, names []string) error {
	var running []controller.Interface
	for _, name := range names {
		one, err := controller.Known()[name](factory)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		running = append(running, one)
	}
	shared, err := factory.Build()
	if err != nil {
		return err
	}
	shared.SharedInformerFactory.Start(ctx.Done())
	shared.KubeSharedInformerFactory.Start(ctx.Done())
	shared.GWShared.Start(ctx.Done())
	fmt.Println("started:", strings.Join(names, " "))

	failures := make(chan error, len(running))
	var group sync.WaitGroup
	for i, one := range running {
		group.Add(1)
		go func() {
			defer group.Done()
			if err := one.Run(workers, ctx); err != nil {
				failures <- fmt.Errorf("%s: %w", names[i], err)
			}
		}()
	}
	go func() { group.Wait(); close(failures) }()
	return <-failures
}

func runWebhook(ctx context.Context, log logr.Logger, args []string) error {
	flags := flag.NewFlagSet("webhook", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "kubeconfig file")
	port := flags.Int("port", 0, "HTTPS port")
	healthz := flags.Int("healthz-port", 0, "health port")
	cert := flags.String("cert", "", "server certificate file")
	key := flags.String("key", "", "server key file")
	if err := flags.Parse(args); err != nil {
		return err
	}
	server, err := webhook.NewCertManagerWebhookServer(log, config.WebhookConfiguration{
		KubeConfig:  *kubeconfig,
		SecurePort:  int32(*port),
		HealthzPort: int32(*healthz),
		TLSConfig: shared.TLSConfig{
			Filesystem: shared.FilesystemServingConfig{CertFile: *cert, KeyFile: *key},
		},
	})
	if err != nil {
		return err
	}
	return server.Run(ctx)
}
