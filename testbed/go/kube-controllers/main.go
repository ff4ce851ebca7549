// Command kube-controllers runs three of kube-controller-manager's controllers:
// the one that finishes the deletion of namespaces, the garbage collector, and
// the one that adds labelled ClusterRoles to view, edit and admin.
// The whole of kube-controller-manager pulls in volume and cloud code that a
// test cluster without nodes has no use for.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
)

// As kube-controller-manager's defaults, but for the resync of the garbage
// collector's resources, which takes in new CRDs sooner.
const (
	namespaceWorkers  = 10
	namespaceResync   = 5 * time.Minute
	roleWorkers       = 5
	collectorWorkers  = 20
	collectorResync   = 5 * time.Second
	collectorDeadline = 30 * time.Second
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "kubeconfig file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *kubeconfig); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	// As kube-controller-manager multiplies its 20 and 30 for the namespace controller.
	config.QPS, config.Burst = 400, 3000
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	typed := informers.NewSharedInformerFactory(client, 0)
	namespaces := namespace.NewNamespaceController(ctx, client, metadataClient,
		client.Discovery().ServerPreferredNamespacedResources,
		typed.Core().V1().Namespaces(), namespaceResync, v1.FinalizerKubernetes)

	cached := memory.NewMemCacheClient(client.Discovery())
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(cached)
	untyped := metadatainformer.NewSharedInformerFactory(metadataClient, 0)
	started := make(chan struct{})
	collector, err := garbagecollector.NewGarbageCollector(ctx, client, metadataClient, resetting{mapper},
		garbagecollector.DefaultIgnoredResources(),
		informerfactory.NewInformerFactory(typed, untyped), started)
	if err != nil {
		return err
	}
	roles := clusterroleaggregation.NewClusterRoleAggregation(typed.Rbac().V1().ClusterRoles(), client.RbacV1())

	typed.Start(ctx.Done())
	untyped.Start(ctx.Done())
	close(started)
	go collector.Run(ctx, collectorWorkers, collectorDeadline)
	go collector.Sync(ctx, discovery.ServerResourcesInterface(client.Discovery()), collectorResync)
	typed.WaitForCacheSync(ctx.Done())
	go roles.Run(ctx, roleWorkers)
	fmt.Println("started: namespace, garbagecollector, clusterrole-aggregation")
	namespaces.Run(ctx, namespaceWorkers)
	return nil
}

// resetting makes the mapper look at the server again at each reset.
type resetting struct {
	*restmapper.DeferredDiscoveryRESTMapper
}

var _ meta.ResettableRESTMapper = resetting{}
