package main

import (
	"flag"
	"fmt"
	"io/ioutil"
	"os"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// config is the part of the genuine plugin's configuration that the stand-in follows.
type config struct {
	failOnInitError   bool
	passDeviceSpecs   bool
	discoveryStrategy string
	idStrategy        string
	driverRoot        string
	resource          string
	replicas          int
	onlyOne           bool
	showVersion       bool
}

// sharing is the configuration file's part about time-slicing.
type sharing struct {
	Version string `json:"version"`
	Sharing struct {
		TimeSlicing struct {
			RenameByDefault            bool `json:"renameByDefault"`
			FailRequestsGreaterThanOne bool `json:"failRequestsGreaterThanOne"`
			Resources                  []struct {
				Name     string `json:"name"`
				Replicas int    `json:"replicas"`
			} `json:"resources"`
		} `json:"timeSlicing"`
	} `json:"sharing"`
}

// readConfig takes flags over the environment, as the genuine plugin does.
func readConfig(arguments []string) (*config, error) {
	c := &config{resource: "nvidia.com/gpu"}
	flags := flag.NewFlagSet(program, flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "%s: wslgpu lab stand-in of NVIDIA's device plugin for Kubernetes\n", program)
		flags.PrintDefaults()
	}
	fail := flags.String("fail-on-init-error", environment("FAIL_ON_INIT_ERROR", "true"), "end when there is no driver, or wait")
	pass := flags.String("pass-device-specs", environment("PASS_DEVICE_SPECS", "false"), "give device nodes to the kubelet")
	list := flags.String("device-list-strategy", environment("DEVICE_LIST_STRATEGY", "envvar"), "envvar is all the stand-in has")
	flags.StringVar(&c.discoveryStrategy, "device-discovery-strategy", environment("DEVICE_DISCOVERY_STRATEGY", "auto"), "auto or nvml")
	flags.StringVar(&c.idStrategy, "device-id-strategy", environment("DEVICE_ID_STRATEGY", "uuid"), "uuid or index")
	flags.StringVar(&c.driverRoot, "nvidia-driver-root", environment("NVIDIA_DRIVER_ROOT", "/"), "where device nodes are on the node")
	mig := flags.String("mig-strategy", environment("MIG_STRATEGY", "none"), "none is all that WSL2 has")
	file := flags.String("config-file", environment("CONFIG_FILE", ""), "a configuration file")
	flags.BoolVar(&c.showVersion, "version", false, "say which version it stands in for")
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	var err error
	if c.failOnInitError, err = strconv.ParseBool(*fail); err != nil {
		return nil, fmt.Errorf("invalid --fail-on-init-error option: %s", *fail)
	}
	if c.passDeviceSpecs, err = strconv.ParseBool(*pass); err != nil {
		return nil, fmt.Errorf("invalid --pass-device-specs option: %s", *pass)
	}
	if *list != "envvar" {
		return nil, fmt.Errorf("invalid --device-list-strategy option: the stand-in knows envvar only, not %s", *list)
	}
	if c.idStrategy != "uuid" && c.idStrategy != "index" {
		return nil, fmt.Errorf("invalid --device-id-strategy option: %v", c.idStrategy)
	}
	if c.discoveryStrategy != "auto" && c.discoveryStrategy != "nvml" {
		return nil, fmt.Errorf("invalid --device-discovery-strategy option %v", c.discoveryStrategy)
	}
	if *mig != "none" {
		return nil, fmt.Errorf("invalid --mig-strategy option: the stand-in knows none only, not %s", *mig)
	}
	if *file != "" {
		return c, c.readFile(*file)
	}
	return c, nil
}

func (c *config) readFile(path string) error {
	text, err := ioutil.ReadFile(path)
	if err != nil {
		return fmt.Errorf("unable to load config: %v", err)
	}
	var read sharing
	if err := yaml.Unmarshal(text, &read); err != nil {
		return fmt.Errorf("unable to load config: %s: %v", path, err)
	}
	if read.Version != "v1" {
		return fmt.Errorf("unable to load config: %s: unknown version: %v", path, read.Version)
	}
	slicing := read.Sharing.TimeSlicing
	for _, one := range slicing.Resources {
		if one.Name != c.resource || one.Replicas < 2 {
			return fmt.Errorf("unable to load config: %s: the stand-in shares %s among two or more only", path, c.resource)
		}
		c.replicas = one.Replicas
		c.onlyOne = slicing.FailRequestsGreaterThanOne
	}
	if c.replicas > 0 && slicing.RenameByDefault {
		c.resource += ".shared"
	}
	return nil
}

func environment(name, otherwise string) string {
	if value := strings.TrimSpace(os.Getenv(name)); value != "" {
		return value
	}
	return otherwise
}
