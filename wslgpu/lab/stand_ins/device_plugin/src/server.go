package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const dialTimeout = 5 * time.Second

// plugin serves one resource to one kubelet; a restart of the kubelet gets a new one.
type plugin struct {
	config  *config
	folder  string
	socket  string
	devices []*device
	server  *grpc.Server
	stop    chan struct{}

	lock    sync.Mutex
	changed chan struct{}
}

func newPlugin(c *config, folder string, devices []*device) *plugin {
	name := strings.ReplaceAll(c.resource[strings.Index(c.resource, "/")+1:], ".", "-")
	return &plugin{
		config:  c,
		folder:  folder,
		socket:  filepath.Join(folder, "nvidia-"+name+".sock"),
		devices: devices,
		server:  grpc.NewServer(),
		stop:    make(chan struct{}),
		changed: make(chan struct{}),
	}
}

// start serves and registers. It returns when the kubelet knows the resource.
func (p *plugin) start() error {
	if err := os.Remove(p.socket); err != nil && !os.IsNotExist(err) {
		return err
	}
	listener, err := net.Listen("unix", p.socket)
	if err != nil {
		return err
	}
	pluginapi.RegisterDevicePluginServer(p.server, p)
	info("Starting GRPC server for '%s'", p.config.resource)
	go p.server.Serve(listener)
	info("Starting to serve '%s' on %s", p.config.resource, p.socket)
	if err := p.register(); err != nil {
		info("Could not register device plugin: %v", err)
		p.halt()
		return err
	}
	info("Registered device plugin for '%s' with Kubelet", p.config.resource)
	return nil
}

func (p *plugin) halt() {
	info("Stopping to serve '%s' on %s", p.config.resource, p.socket)
	close(p.stop)
	p.server.Stop()
	os.Remove(p.socket)
}

func (p *plugin) register() error {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	dialer := func(ctx context.Context, address string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", address)
	}
	connection, err := grpc.DialContext(ctx, filepath.Join(p.folder, kubeletSocket), grpc.WithInsecure(), grpc.WithBlock(),
		grpc.WithContextDialer(dialer))
	if err != nil {
		return err
	}
	defer connection.Close()
	_, err = pluginapi.NewRegistrationClient(connection).Register(ctx, &pluginapi.RegisterRequest{
		Version:      pluginapi.Version,
		Endpoint:     filepath.Base(p.socket),
		ResourceName: p.config.resource,
		Options:      &pluginapi.DevicePluginOptions{GetPreferredAllocationAvailable: true},
	})
	return err
}

// unhealthy marks a device, with its replicas, and wakes every watcher. Nothing makes it healthy again.
func (p *plugin) unhealthy(one *device) {
	p.lock.Lock()
	defer p.lock.Unlock()
	one.health = pluginapi.Unhealthy
	info("'%s' device marked unhealthy: %s", p.config.resource, one.id)
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *plugin) listed() (*pluginapi.ListAndWatchResponse, chan struct{}) {
	p.lock.Lock()
	defer p.lock.Unlock()
	answer := &pluginapi.ListAndWatchResponse{}
	for _, one := range p.devices {
		answer.Devices = append(answer.Devices, &pluginapi.Device{ID: one.id, Health: one.health})
	}
	return answer, p.changed
}

// GetDevicePluginOptions tells the kubelet to ask for a preferred allocation.
func (p *plugin) GetDevicePluginOptions(context.Context, *pluginapi.Empty) (*pluginapi.DevicePluginOptions, error) {
	return &pluginapi.DevicePluginOptions{GetPreferredAllocationAvailable: true}, nil
}

// ListAndWatch sends the devices now and whenever one of them changes.
func (p *plugin) ListAndWatch(_ *pluginapi.Empty, stream pluginapi.DevicePlugin_ListAndWatchServer) error {
	for {
		answer, changed := p.listed()
		if err := stream.Send(answer); err != nil {
			return err
		}
		select {
		case <-p.stop:
			return nil
		case <-stream.Context().Done():
			return nil
		case <-changed:
		}
	}
}

// GetPreferredAllocation takes what is required and fills up in order: WSL2 has no alignment to prefer.
func (p *plugin) GetPreferredAllocation(
	_ context.Context, request *pluginapi.PreferredAllocationRequest,
) (*pluginapi.PreferredAllocationResponse, error) {
	answer := &pluginapi.PreferredAllocationResponse{}
	for _, one := range request.ContainerRequests {
		chosen := append([]string{}, one.MustIncludeDeviceIDs...)
		taken := map[string]bool{}
		for _, id := range chosen {
			taken[id] = true
		}
		available := append([]string{}, one.AvailableDeviceIDs...)
		sort.Strings(available)
		for _, id := range available {
			if len(chosen) < int(one.AllocationSize) && !taken[id] {
				chosen = append(chosen, id)
			}
		}
		if len(chosen) < int(one.AllocationSize) {
			return nil, fmt.Errorf("error getting list of preferred allocation devices: not enough available devices")
		}
		answer.ContainerResponses = append(answer.ContainerResponses,
			&pluginapi.ContainerPreferredAllocationResponse{DeviceIDs: chosen})
	}
	return answer, nil
}

// Allocate names the GPUs in the container's environment; device nodes only where they were asked for.
func (p *plugin) Allocate(_ context.Context, request *pluginapi.AllocateRequest) (*pluginapi.AllocateResponse, error) {
	answer := &pluginapi.AllocateResponse{}
	for _, one := range request.ContainerRequests {
		if p.config.onlyOne && len(one.DevicesIDs) > 1 {
			return nil, fmt.Errorf("invalid allocation request for '%s': invalid request: maximum request size for shared resources is 1; found %d",
				p.config.resource, len(one.DevicesIDs))
		}
		names, err := visible(p.devices, one.DevicesIDs)
		if err != nil {
			return nil, fmt.Errorf("invalid allocation request for '%s': %v", p.config.resource, err)
		}
		container := &pluginapi.ContainerAllocateResponse{Envs: map[string]string{"NVIDIA_VISIBLE_DEVICES": names}}
		if p.config.passDeviceSpecs {
			container.Devices = []*pluginapi.DeviceSpec{
				{ContainerPath: dxg, HostPath: filepath.Join(p.config.driverRoot, dxg), Permissions: "rw"},
			}
		}
		answer.ContainerResponses = append(answer.ContainerResponses, container)
	}
	return answer, nil
}

// PreStartContainer has nothing to do.
func (p *plugin) PreStartContainer(
	context.Context, *pluginapi.PreStartContainerRequest,
) (*pluginapi.PreStartContainerResponse, error) {
	return &pluginapi.PreStartContainerResponse{}, nil
}
