package main

import (
	"os"
	"strings"
)

const waitMilliseconds = 5000

// Errors of applications, which say nothing of the GPU (https://docs.nvidia.com/deploy/xid-errors/).
var applicationXids = map[uint64]bool{13: true, 31: true, 43: true, 45: true, 68: true, 109: true}

// watchHealth registers for the GPUs' events and marks those unhealthy whose registration or health fails, as long as
// the plugin serves. The single device "all" is not watched.
func (p *plugin) watchHealth(b behaviour) {
	disabled := strings.ToLower(os.Getenv("DP_DISABLE_HEALTHCHECKS"))
	if disabled == "all" || strings.Contains(disabled, "xids") {
		return
	}
	byGPU := map[*gpu][]*device{}
	for _, one := range p.devices {
		if one.gpu != nil {
			byGPU[one.gpu] = append(byGPU[one.gpu], one)
		}
	}
	if len(byGPU) == 0 {
		return
	}
	library, problem := openNvml()
	if library == nil {
		info("Failed to start health check: failed to initialize NVML: %s; continuing with health checks disabled", problem)
		return
	}
	defer library.close()
	set, err := library.newEventSet()
	if err != nil {
		info("Failed to start health check: %v; continuing with health checks disabled", err)
		return
	}
	defer set.free()
	gpus, err := library.gpus()
	if err != nil {
		info("Failed to start health check: %v; continuing with health checks disabled", err)
		return
	}
	current := map[string]gpu{}
	for _, one := range gpus {
		current[one.uuid] = one
	}
	for one, devices := range byGPU {
		result := set.register(current[one.uuid])
		if result == nvmlNotSupported {
			warning("Device %v is too old to support healthchecking.", one.uuid)
			if !b.refusalIsUnhealthy {
				continue
			}
		}
		if result != nvmlSuccess {
			info("Marking device %v as unhealthy: %v", one.uuid, library.text(result))
			p.mark(devices)
		}
	}
	p.waitForEvents(library, set, current, byGPU)
}

func (p *plugin) mark(devices []*device) {
	for _, one := range devices {
		p.unhealthy(one)
	}
}

func (p *plugin) waitForEvents(library *nvml, set *eventSet, current map[string]gpu, byGPU map[*gpu][]*device) {
	for {
		select {
		case <-p.stop:
			return
		default:
		}
		happened, result := set.wait(waitMilliseconds)
		if result == nvmlTimeout {
			continue
		}
		if result != nvmlSuccess {
			info("Error waiting for event: %v; Marking all devices as unhealthy", library.text(result))
			for _, devices := range byGPU {
				p.mark(devices)
			}
			return
		}
		if happened.kind != eventXidCritical || applicationXids[happened.data] {
			info("Skipping event of type %d, data %d", happened.kind, happened.data)
			continue
		}
		for one, devices := range byGPU {
			if current[one.uuid].handle == happened.device {
				info("XidCriticalError: Xid=%d on Device=%s; marking device as unhealthy.", happened.data, one.uuid)
				p.mark(devices)
			}
		}
	}
}
