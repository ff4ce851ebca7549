// What Flux and Argo CD make of our manifests, by Flux's own types, health evaluation and server-side apply, and Argo CD's Lua engine.
//
//	gitops decode < OBJECTS          strictly, into Flux's types; prints one line for each trouble
//	gitops flux-health < QUESTION    {"exprs": {"current": "..."}, "object": {...}}; prints the status, without exprs
//	                                 that which Flux takes from conditions alone
//	gitops lua-health < QUESTION     {"script": "...", "object": {...}}; prints {"status": ..., "message": ...}
//	gitops flux-apply < QUESTION     {"kubeconfig": "...", "kustomization": {...}, "objects": [...], "before": [...]};
//	                                 applies, prunes and waits, and prints what was done to each object
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"

	kstatus "github.com/fluxcd/cli-utils/pkg/kstatus/status"
	helm "github.com/fluxcd/helm-controller/api/v2"
	kustomization "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	source "github.com/fluxcd/source-controller/api/v1"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := run(os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(command string) error {
	switch command {
	case "decode":
		return decode()
	case "flux-health":
		return fluxHealth()
	case "lua-health":
		return luaHealth()
	case "flux-apply":
		return fluxApply()
	}
	return fmt.Errorf("unknown command %q", command)
}

func decode() error {
	var objects []json.RawMessage
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		return err
	}
	kinds := map[string]func() any{
		"kustomize.toolkit.fluxcd.io/v1 Kustomization": func() any { return &kustomization.Kustomization{} },
		"source.toolkit.fluxcd.io/v1 GitRepository":    func() any { return &source.GitRepository{} },
		"source.toolkit.fluxcd.io/v1 HelmRepository":   func() any { return &source.HelmRepository{} },
		"source.toolkit.fluxcd.io/v1 OCIRepository":    func() any { return &source.OCIRepository{} },
		"helm.toolkit.fluxcd.io/v2 HelmRelease":        func() any { return &helm.HelmRelease{} },
	}
	for _, object := range objects {
		var kind struct{ APIVersion, Kind string }
		if err := json.Unmarshal(object, &kind); err != nil {
			return err
		}
		name := kind.APIVersion + " " + kind.Kind
		if make, known := kinds[name]; !known {
			fmt.Printf("%s: not a kind of Flux\n", name)
		} else if err := yaml.UnmarshalStrict(object, make()); err != nil {
			fmt.Printf("%s: %v\n", name, err)
		}
	}
	return nil
}

func fluxHealth() error {
	var question struct {
		Exprs  kustomize.HealthCheckExpressions
		Object json.RawMessage
	}
	if err := json.NewDecoder(os.Stdin).Decode(&question); err != nil {
		return err
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(question.Object); err != nil {
		return err
	}
	if question.Exprs.Current == "" {
		result, err := kstatus.Compute(object)
		if err != nil {
			return err
		}
		fmt.Println(result.Status)
		return nil
	}
	evaluator, err := cel.NewStatusEvaluator(&question.Exprs)
	if err != nil {
		return err
	}
	result, err := evaluator.Evaluate(context.Background(), object)
	if err != nil {
		fmt.Printf("error: %v\n", err) // Flux asks again until its timeout
		return nil
	}
	fmt.Println(result.Status)
	return nil
}

func luaHealth() error {
	var question struct {
		Script string
		Object map[string]any
	}
	decoder := json.NewDecoder(os.Stdin)
	if err := decoder.Decode(&question); err != nil {
		return err
	}
	// As Argo CD does it: no library but these, and the object as `obj`.
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return err
		}
	}
	state.SetGlobal("obj", value(state, question.Object))
	if err := state.DoString(question.Script); err != nil {
		return err
	}
	answer, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return fmt.Errorf("the script returned no table")
	}
	out := &bytes.Buffer{}
	told := map[string]string{"status": answer.RawGetString("status").String(), "message": answer.RawGetString("message").String()}
	if err := json.NewEncoder(out).Encode(told); err != nil {
		return err
	}
	fmt.Print(out)
	return nil
}

func value(state *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, one := range from {
			table.RawSetString(key, value(state, one))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, one := range from {
			table.Append(value(state, one))
		}
		return table
	case string:
		return lua.LString(from)
	case float64:
		return lua.LNumber(from)
	case bool:
		return lua.LBool(from)
	}
	return lua.LNil
}
