// A stand-in for NVIDIA's device plugin for Kubernetes, for a lab's WSL2 nodes only: it registers with a genuine kubelet
// and behaves there as the captures record of the genuine plugin, version by version. Which version it stands in for is
// in the environment of the image that it lies in.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"k8s.io/klog/v2"
	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const (
	program         = "nvidia-device-plugin"
	versionVariable = "WSLGPU_STAND_IN_VERSION"
	// only tests have another folder than the kubelet's
	folderVariable = "WSLGPU_STAND_IN_SOCKETS"
	kubeletSocket  = "kubelet.sock"
	dxg            = "/dev/dxg"
	retryAfter     = 30 * time.Second
)

func info(format string, values ...interface{}) { klog.InfoDepth(1, fmt.Sprintf(format, values...)) }
func warning(format string, values ...interface{}) {
	klog.WarningDepth(1, fmt.Sprintf(format, values...))
}
func failure(format string, values ...interface{}) {
	klog.ErrorDepth(1, fmt.Sprintf(format, values...))
}

func main() {
	c, err := readConfig(os.Args[1:])
	if err == flag.ErrHelp {
		os.Exit(0)
	}
	if err == nil {
		err = run(c)
	}
	if err != nil {
		failure("%v", err)
		klog.Flush()
		os.Exit(1)
	}
}

func run(c *config) error {
	version := os.Getenv(versionVariable)
	b, err := behaviourOf(version)
	if err != nil {
		return err
	}
	if c.showVersion {
		fmt.Printf("NVIDIA Device Plugin version v%s (wslgpu lab stand-in)\n", version)
		return nil
	}
	folder := environment(folderVariable, pluginapi.DevicePluginPath)
	info("Starting NVIDIA Device Plugin v%s (wslgpu lab stand-in)", version)
	info("Starting FS watcher for %s", folder)
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		err = watcher.Add(folder)
	}
	if err != nil {
		return fmt.Errorf("failed to create FS watcher for %s: %v", folder, err)
	}
	defer watcher.Close()
	info("Starting OS watcher.")
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	for {
		again, err := serve(c, b, folder, watcher, signals)
		if err != nil || !again {
			return err
		}
	}
}

// serve runs until something asks for a new start (true) or an end. What comes first after a failure to register is a
// retry; after anything else it is a kubelet that has made its socket anew, or a signal.
func serve(c *config, b behaviour, folder string, watcher *fsnotify.Watcher, signals chan os.Signal) (bool, error) {
	info("Starting Plugins.")
	info("Retrieving plugins.")
	devices, err := discover(c, b)
	if err != nil {
		return false, fmt.Errorf("error starting plugins: %v", err)
	}
	var retry <-chan time.Time
	if len(devices) == 0 {
		info("No devices found. Waiting indefinitely.")
	} else {
		p := newPlugin(c, folder, devices)
		if err := p.start(); err != nil {
			failure("Could not contact Kubelet. Did you enable the device plugin feature gate?")
			info("Failed to start one or more plugins. Retrying in 30s...")
			retry = time.After(retryAfter)
		} else {
			go p.watchHealth(b)
			defer p.halt()
		}
	}
	for {
		select {
		case <-retry:
			return true, nil
		case happened := <-watcher.Events:
			if happened.Name == filepath.Join(folder, kubeletSocket) && happened.Op&fsnotify.Create != 0 {
				info("inotify: %s created, restarting.", happened.Name)
				return true, nil
			}
		case err := <-watcher.Errors:
			info("inotify: %v", err)
		case received := <-signals:
			if received == syscall.SIGHUP {
				info("Received SIGHUP, restarting.")
				return true, nil
			}
			info("Received signal %q, shutting down.", received)
			return false, nil
		}
	}
}
