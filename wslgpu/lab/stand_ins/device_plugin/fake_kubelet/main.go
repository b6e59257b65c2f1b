// A fake kubelet for tests of device plugins: it takes a registration, follows the plugin's devices, and asks for what
// its standard input says. Each answer is one line of JSON on standard output; {"event": ...} says what it is.
//
//	allocate N    a preferred choice of N healthy devices, and their allocation
//	take ID,ID    an allocation of exactly these
//	restart       the socket is removed and made anew, as by a kubelet that starts again
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

type kubelet struct {
	folder string
	server *grpc.Server

	lock    sync.Mutex
	client  pluginapi.DevicePluginClient
	healthy []string
}

type line map[string]interface{}

var printing sync.Mutex

func say(body line) {
	printing.Lock()
	defer printing.Unlock()
	text, _ := json.Marshal(body)
	fmt.Println(string(text))
}

// Register is called by the plugin.
func (k *kubelet) Register(_ context.Context, request *pluginapi.RegisterRequest) (*pluginapi.Empty, error) {
	say(line{"event": "registered", "resource": request.ResourceName, "endpoint": request.Endpoint, "version": request.Version})
	go k.follow(filepath.Join(k.folder, request.Endpoint))
	return &pluginapi.Empty{}, nil
}

func (k *kubelet) follow(socket string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	dialer := func(ctx context.Context, address string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", address)
	}
	connection, err := grpc.DialContext(ctx, socket, grpc.WithInsecure(), grpc.WithBlock(), grpc.WithContextDialer(dialer))
	if err != nil {
		say(line{"event": "error", "text": err.Error()})
		return
	}
	client := pluginapi.NewDevicePluginClient(connection)
	stream, err := client.ListAndWatch(context.Background(), &pluginapi.Empty{})
	if err != nil {
		say(line{"event": "error", "text": err.Error()})
		return
	}
	k.lock.Lock()
	k.client = client
	k.lock.Unlock()
	for {
		answer, err := stream.Recv()
		if err != nil {
			say(line{"event": "gone"})
			return
		}
		devices := map[string]string{}
		var healthy []string
		for _, one := range answer.Devices {
			devices[one.ID] = one.Health
			if one.Health == pluginapi.Healthy {
				healthy = append(healthy, one.ID)
			}
		}
		sort.Strings(healthy)
		k.lock.Lock()
		k.healthy = healthy
		k.lock.Unlock()
		say(line{"event": "devices", "devices": devices})
	}
}

func (k *kubelet) allocate(count int) {
	k.lock.Lock()
	client, healthy := k.client, k.healthy
	k.lock.Unlock()
	if count > len(healthy) {
		say(line{"event": "insufficient", "allocatable": len(healthy)})
		return
	}
	preferred, err := client.GetPreferredAllocation(context.Background(), &pluginapi.PreferredAllocationRequest{
		ContainerRequests: []*pluginapi.ContainerPreferredAllocationRequest{
			{AvailableDeviceIDs: healthy, AllocationSize: int32(count)},
		},
	})
	if err != nil {
		say(line{"event": "refused", "text": err.Error()})
		return
	}
	k.take(preferred.ContainerResponses[0].DeviceIDs)
}

func (k *kubelet) take(ids []string) {
	k.lock.Lock()
	client := k.client
	k.lock.Unlock()
	answer, err := client.Allocate(context.Background(), &pluginapi.AllocateRequest{
		ContainerRequests: []*pluginapi.ContainerAllocateRequest{{DevicesIDs: ids}},
	})
	if err != nil {
		say(line{"event": "refused", "text": err.Error()})
		return
	}
	given := answer.ContainerResponses[0]
	nodes := []string{}
	for _, one := range given.Devices {
		nodes = append(nodes, one.HostPath)
	}
	say(line{"event": "allocated", "env": given.Envs, "device_nodes": nodes, "mounts": len(given.Mounts)})
}

func (k *kubelet) serve() error {
	socket := filepath.Join(k.folder, "kubelet.sock")
	if k.server != nil {
		k.server.Stop()
	}
	os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	k.server = grpc.NewServer()
	pluginapi.RegisterRegistrationServer(k.server, k)
	go k.server.Serve(listener)
	say(line{"event": "serving"})
	return nil
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: fake-kubelet FOLDER")
		os.Exit(2)
	}
	k := &kubelet{folder: os.Args[1]}
	if err := k.serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	words := bufio.NewScanner(os.Stdin)
	for words.Scan() {
		asked := strings.Fields(words.Text())
		switch {
		case len(asked) == 2 && asked[0] == "allocate":
			count, _ := strconv.Atoi(asked[1])
			k.allocate(count)
		case len(asked) == 2 && asked[0] == "take":
			k.take(strings.Split(asked[1], ","))
		case len(asked) == 1 && asked[0] == "restart":
			if err := k.serve(); err != nil {
				say(line{"event": "error", "text": err.Error()})
			}
		default:
			say(line{"event": "error", "text": "unknown command: " + words.Text()})
		}
	}
}
