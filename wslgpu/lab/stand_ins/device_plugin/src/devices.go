package main

import (
	"fmt"
	"strconv"
	"strings"

	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// device is what the kubelet is told of; several may be replicas of one GPU.
type device struct {
	id      string
	visible string
	gpu     *gpu
	health  string
}

// replicaMark stands between a GPU's id and the number of its replica, as in the genuine plugin.
const replicaMark = "::"

// discover lists the devices. None without an error: there is nothing to serve, and the program may wait.
func discover(c *config, b behaviour) ([]*device, error) {
	dxcore, nvmlThere := present("libdxcore.so"), present("libnvidia-ml.so.1")
	platform := "unknown"
	if dxcore {
		platform = "wsl"
	} else if nvmlThere {
		platform = "nvml"
	}
	if b.saysPlatform && platform != "unknown" {
		info("Detected platform: %s", platform)
	}
	if c.discoveryStrategy == "auto" && platform == "unknown" {
		advise("Incompatible strategy detected auto")
		if c.failOnInitError {
			return nil, fmt.Errorf("error creating plugin manager: unable to create plugin manager: invalid device discovery strategy")
		}
		return nil, nil
	}
	if b.saysPlatform {
		info("Using device discovery strategy: nvml")
	}
	library, failure := openNvml()
	if library == nil {
		advise("Failed to initialize NVML: " + failure)
		if c.failOnInitError {
			return nil, fmt.Errorf("error creating plugin manager: unable to create plugin manager: nvml init failed: %s", failure)
		}
		return nil, nil
	}
	defer library.close()
	gpus, err := library.gpus()
	if err != nil {
		return nil, fmt.Errorf("error getting plugins: unable to get plugins: failed to construct NVML resource managers: %v", err)
	}
	return c.replicated(advertised(gpus, b.single && platform == "wsl", c.idStrategy)), nil
}

// advise is what the genuine plugin adds to a failure to find the driver.
func advise(problem string) {
	failure("%s", problem)
	failure("If this is a GPU node, did you configure the NVIDIA Container Toolkit?")
	failure("You can check the prerequisites at: https://github.com/NVIDIA/k8s-device-plugin#prerequisites")
	failure("You can learn how to set the runtime at: https://github.com/NVIDIA/k8s-device-plugin#quick-start")
	failure("If this is not a GPU node, you should set up a toleration or nodeSelector to only deploy this plugin on GPU nodes")
}

func advertised(gpus []gpu, single bool, idStrategy string) []*device {
	if single {
		if len(gpus) == 0 {
			return nil
		}
		return []*device{{id: "all", visible: "all", health: pluginapi.Healthy}}
	}
	var found []*device
	for i := range gpus {
		visible := gpus[i].uuid
		if idStrategy == "index" {
			visible = strconv.Itoa(i)
		}
		found = append(found, &device{id: gpus[i].uuid, visible: visible, gpu: &gpus[i], health: pluginapi.Healthy})
	}
	return found
}

func (c *config) replicated(devices []*device) []*device {
	if c.replicas == 0 {
		return devices
	}
	var found []*device
	for _, one := range devices {
		for i := 0; i < c.replicas; i++ {
			copied := *one
			copied.id = one.id + replicaMark + strconv.Itoa(i)
			found = append(found, &copied)
		}
	}
	return found
}

// visible joins what NVIDIA_VISIBLE_DEVICES has to name for these devices, each GPU once, in the devices' order.
func visible(devices []*device, ids []string) (string, error) {
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	var names []string
	seen := map[string]bool{}
	for _, one := range devices {
		if wanted[one.id] {
			delete(wanted, one.id)
			if !seen[one.visible] {
				names = append(names, one.visible)
			}
			seen[one.visible] = true
		}
	}
	for id := range wanted {
		return "", fmt.Errorf("invalid request: unknown device: %s", id)
	}
	return strings.Join(names, ","), nil
}
