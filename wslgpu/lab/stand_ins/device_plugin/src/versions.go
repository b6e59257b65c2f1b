package main

import (
	"fmt"
	"sort"
	"strings"
)

// What differs between versions of the genuine plugin on WSL2. Sources: tests/fixtures/captures/k8s-device-plugin_*.txt
// for 0.17.1 and 0.19.3; for the others the release notes of NVIDIA/k8s-device-plugin: 0.19.0 has pull request 1562
// (devices that refuse event registration are skipped), 0.19.1 has 1671 and 1699 (a single device "all").
type behaviour struct {
	// one device "all" in place of one per GPU
	single bool
	// event registration that NVML does not support makes a device unhealthy
	refusalIsUnhealthy bool
	// says which platform and strategy it found; of 0.18.0 to 0.19.1 not known
	saysPlatform bool
}

var versions = map[string]behaviour{
	"0.17.1": {refusalIsUnhealthy: true},
	"0.18.0": {refusalIsUnhealthy: true},
	"0.18.2": {refusalIsUnhealthy: true},
	"0.19.0": {saysPlatform: true},
	"0.19.1": {single: true, saysPlatform: true},
	"0.19.3": {single: true, saysPlatform: true},
	"0.20.0": {single: true, saysPlatform: true},
}

// behaviourOf refuses a version that nobody has described: a stand-in must not guess.
func behaviourOf(version string) (behaviour, error) {
	found, known := versions[version]
	if !known {
		var names []string
		for name := range versions {
			names = append(names, name)
		}
		sort.Strings(names)
		return behaviour{}, fmt.Errorf("the stand-in does not know version %q of the device plugin; %s is one of %s",
			version, versionVariable, strings.Join(names, ", "))
	}
	return found, nil
}
