// Command lab is every program of a Kubernetes cluster in one: the base name of argv[0], or else the
// first argument, says which one it is -> that program with the rest of the arguments. Hard links named
// like the programs therefore make a folder that other tools take for one of separate binaries.
//
// One binary instead of eight: they share almost all their code, so one link replaces eight and the
// folder stays at the size of the largest.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// programs holds constructors, not commands: a constructor registers flags and metrics of its program,
// and two programs in one process may register the same ones.
var programs = map[string]func() *cobra.Command{
	"enforcer":                newEnforcerCommand,
	"etcd":                    newEtcdCommand,
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllers.NewControllerManagerCommand,
	"kube-proxy":              proxy.NewProxyCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubectl":                 kubectl.NewDefaultKubectlCommand,
	// Not a context that ends on a signal: the command installs its own handler, and the second one of
	// a process panics.
	"kubelet": func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
}

func main() {
	name := filepath.Base(os.Args[0])
	if programs[name] == nil && len(os.Args) > 1 {
		name = os.Args[1]
		os.Args = os.Args[1:]
	}
	construct := programs[name]
	if construct == nil {
		fmt.Fprintf(os.Stderr, "lab: no program %q: the programs are %s\n", name, strings.Join(names(), ", "))
		os.Exit(2)
	}
	os.Args[0] = name
	os.Exit(cli.Run(construct()))
}

// names lists the programs in the order in which they are printed.
func names() []string {
	var list []string
	for name := range programs {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}
