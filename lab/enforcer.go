package main

import (
	"context"
	"errors"
	"os/signal"
	"sync"
	"syscall"

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/v2/pkg/options"
	"github.com/spf13/cobra"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// newEnforcerCommand is kube-router's NetworkPolicy controller alone, with kube-router's flags: no
// routing, no service proxy, no BGP. It writes iptables rules and ipsets of the network namespace it
// runs in.
func newEnforcerCommand() *cobra.Command {
	o := options.NewKubeRouterConfig()
	c := &cobra.Command{
		Use:          "enforcer",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE:         func(*cobra.Command, []string) error { return enforce(o) },
	}
	o.AddFlags(c.Flags())
	return c
}

// enforce returns when the process is told to stop.
func enforce(o *options.KubeRouterConfig) error {
	config, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	factory := informers.NewSharedInformerFactory(client, 0)
	pods := factory.Core().V1().Pods().Informer()
	namespaces := factory.Core().V1().Namespaces().Informer()
	policies := factory.Networking().V1().NetworkPolicies().Informer()
	factory.Start(ctx.Done())
	for _, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced && ctx.Err() == nil {
			return errors.New("a list of pods, namespaces or policies did not arrive")
		}
	}
	tables, sets, err := netpol.NewIPTablesHandlers(o)
	if err != nil {
		return err
	}
	if err := repair(tables, sets); err != nil {
		return err
	}
	var sharedSets sync.Mutex
	controller, err := netpol.NewNetworkPolicyController(client, o, pods, policies, namespaces, &sharedSets, tables, sets)
	if err != nil {
		return err
	}
	for _, watched := range []struct {
		informer cache.SharedIndexInformer
		handler  cache.ResourceEventHandler
	}{
		{pods, controller.PodEventHandler},
		{namespaces, controller.NamespaceEventHandler},
		{policies, controller.NetworkPolicyEventHandler},
	} {
		if _, err := watched.informer.AddEventHandler(watched.handler); err != nil {
			return err
		}
	}

	// The controller blocks on a full channel, and nobody here asks for its health.
	heartbeats := make(chan *healthcheck.ControllerHeartbeat, 10)
	go func() {
		for range heartbeats {
		}
	}()
	var running sync.WaitGroup
	running.Add(1)
	go controller.Run(heartbeats, ctx.Done(), &running)
	running.Wait()
	return nil
}
