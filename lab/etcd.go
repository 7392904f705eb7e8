package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
)

// readyWithin is generous: a crowded machine needs seconds, a wrong address never gets there.
const readyWithin = 60 * time.Second

// etcdFlags are those of the real etcd that the lab uses, with their names.
type etcdFlags struct {
	config          *embed.Config
	listenClient    string
	advertiseClient string
	listenPeer      string
	advertisePeer   string
}

// newEtcdCommand is a single etcd member. Its values are gone with the lab, so nothing waits for a disk.
func newEtcdCommand() *cobra.Command {
	f := etcdFlags{config: embed.NewConfig()}
	c := &cobra.Command{
		Use:          "etcd",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE:         func(*cobra.Command, []string) error { return f.run() },
	}
	flags := c.Flags()
	flags.StringVar(&f.config.Name, "name", f.config.Name, "name of this member")
	flags.StringVar(&f.config.Dir, "data-dir", "default.etcd", "folder of the values")
	flags.StringVar(&f.listenClient, "listen-client-urls", embed.DefaultListenClientURLs, "where clients connect")
	flags.StringVar(&f.advertiseClient, "advertise-client-urls", embed.DefaultAdvertiseClientURLs, "what clients are told")
	flags.StringVar(&f.listenPeer, "listen-peer-urls", embed.DefaultListenPeerURLs, "where members connect")
	flags.StringVar(&f.advertisePeer, "initial-advertise-peer-urls", embed.DefaultInitialAdvertisePeerURLs, "what members are told")
	flags.StringVar(&f.config.InitialCluster, "initial-cluster", "default="+embed.DefaultInitialAdvertisePeerURLs, "members as NAME=URL")
	flags.BoolVar(&f.config.UnsafeNoFsync, "unsafe-no-fsync", false, "never wait for the disk")
	flags.StringVar(&f.config.LogLevel, "log-level", "error", "debug, info, warn or error")
	return c
}

// run returns when the process is told to stop, or when the member fails.
func (f *etcdFlags) run() error {
	for _, address := range []struct {
		list string
		into *[]url.URL
	}{
		{f.listenClient, &f.config.ListenClientUrls},
		{f.advertiseClient, &f.config.AdvertiseClientUrls},
		{f.listenPeer, &f.config.ListenPeerUrls},
		{f.advertisePeer, &f.config.AdvertisePeerUrls},
	} {
		urls, err := parseURLs(address.list)
		if err != nil {
			return err
		}
		*address.into = urls
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	member, err := embed.StartEtcd(f.config)
	if err != nil {
		return err
	}
	defer member.Close()
	select {
	case <-member.Server.ReadyNotify():
	case err := <-member.Err():
		return err
	case <-ctx.Done():
		return nil
	case <-time.After(readyWithin):
		return errors.New("not ready after " + readyWithin.String())
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-member.Err():
		return err
	}
}

// parseURLs reads a comma-separated list.
func parseURLs(list string) ([]url.URL, error) {
	var urls []url.URL
	for _, text := range strings.Split(list, ",") {
		one, err := url.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("address %q: %w", text, err)
		}
		urls = append(urls, *one)
	}
	return urls, nil
}
