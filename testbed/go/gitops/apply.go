package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	kustomization "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/normalize"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// A Kustomization of Flux, what its path builds now, and what it built at the revision before.
type revision struct {
	Kubeconfig    string
	Kustomization kustomization.Kustomization
	Objects       []map[string]any
	Before        []map[string]any
}

// The options are those of kustomize-controller's reconciler.
func fluxApply() error {
	var question revision
	if err := json.NewDecoder(os.Stdin).Decode(&question); err != nil {
		return err
	}
	ctx := context.Background()
	manager, err := managerOf(question.Kubeconfig)
	if err != nil {
		return err
	}
	owner := &question.Kustomization
	objects := unstructuredOf(question.Objects)
	if err := normalize.UnstructuredList(objects); err != nil {
		return err
	}
	manager.SetOwnerLabels(objects, owner.Name, owner.Namespace)
	group := kustomization.GroupVersion.Group
	options := ssa.DefaultApplyOptions()
	options.Force = owner.Spec.Force
	options.ForceSelector = map[string]string{group + "/force": kustomization.EnabledValue}
	options.ExclusionSelector = map[string]string{group + "/reconcile": kustomization.DisabledValue}
	applied, err := manager.ApplyAllStaged(ctx, objects, options)
	if err != nil {
		return err
	}
	fmt.Println(applied.String())
	if err := prune(ctx, manager, &question); err != nil || !owner.Spec.Wait {
		return err
	}
	return manager.WaitForSet(applied.ToObjMetadataSet(), ssa.WaitOptions{Interval: time.Second, Timeout: owner.GetTimeout()})
}

func prune(ctx context.Context, manager *ssa.ResourceManager, question *revision) error {
	owner := &question.Kustomization
	stale := gone(unstructuredOf(question.Before), unstructuredOf(question.Objects))
	if !owner.Spec.Prune || len(stale) == 0 {
		return nil
	}
	group := kustomization.GroupVersion.Group
	options := ssa.DefaultDeleteOptions()
	options.Inclusions = manager.GetOwnerLabels(owner.Name, owner.Namespace)
	options.Exclusions = map[string]string{
		group + "/prune":     kustomization.DisabledValue,
		group + "/reconcile": kustomization.DisabledValue,
	}
	deleted, err := manager.DeleteAll(ctx, stale, options)
	if err == nil {
		fmt.Println(deleted.String())
	}
	return err
}

func managerOf(kubeconfig string) (*ssa.ResourceManager, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	http, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	mapper, err := apiutil.NewDynamicRESTMapper(config, http)
	if err != nil {
		return nil, err
	}
	kube, err := client.New(config, client.Options{HTTPClient: http, Mapper: mapper})
	if err != nil {
		return nil, err
	}
	owner := ssa.Owner{Field: "kustomize-controller", Group: kustomization.GroupVersion.Group}
	return ssa.NewResourceManager(kube, polling.NewStatusPoller(kube, mapper, polling.Options{}), owner), nil
}

func unstructuredOf(objects []map[string]any) []*unstructured.Unstructured {
	var found []*unstructured.Unstructured
	for _, object := range objects {
		found = append(found, &unstructured.Unstructured{Object: object})
	}
	return found
}

// Objects of the revision before that this one hasn't.
func gone(before, now []*unstructured.Unstructured) []*unstructured.Unstructured {
	there := map[string]bool{}
	for _, object := range now {
		there[identity(object)] = true
	}
	var found []*unstructured.Unstructured
	for _, object := range before {
		if !there[identity(object)] {
			found = append(found, object)
		}
	}
	return found
}

func identity(object *unstructured.Unstructured) string {
	return object.GroupVersionKind().GroupKind().String() + " " + object.GetNamespace() + "/" + object.GetName()
}
