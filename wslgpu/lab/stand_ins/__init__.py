"""Stand-ins for what a lab cannot have. Only ``wslgpu.lab`` imports this package: no user's run reaches it.

===================  =========================================  ===============================================
module               stands in for                              because, and held against
===================  =========================================  ===============================================
``driver``           /usr/lib/wsl/lib, /usr/lib/wsl/drivers:    The driver comes with Windows and needs a GPU.
                     libcuda, NVML, dxcore, nvidia-smi, the     File lists: WSL2 machines in public reports and
                     codec libraries, the driver store          the first lines of the cdi-generate captures.
                                                                Declarations: NVIDIA's own headers, in a test.
``scenarios``        what a driver answers, well or not:        No GPU fails on demand. Sources: beside each
                     scenarios.yml                              scenario. Where it says so, nobody knows.
``toolkit``          NVIDIA's four container toolkit packages   NVIDIA's repository is not in the test
                     in 1.18.1, 1.18.2, 1.19.1 and 1.20.0,      environment. Dependencies, units and scripts:
                     and nvidia-cdi-refresh                     NVIDIA's public packaging sources.
``node``             the programs in them: nvidia-ctk,          As above. Output: every nvidia-ctk capture, byte
                     nvidia-cdi-hook, the container runtime     by byte (tests/unit/test_stand_in_toolkit.py).
``device_plugin``    NVIDIA's device plugin for Kubernetes, in  Its registry is not in the test environment.
                     seven versions; with a fake kubelet that   The plugin's capture, by a fake kubelet and by a
                     its tests ask                              genuine one (tests/lab/test_device_plugin.py).
``src/vllm_server``  ``vllm serve``: start, failures, probes,   vLLM needs a GPU. Texts: public reports. No
                     the list of models, the key                captures.
``src/pause``        registry.k8s.io/pause                      As the first. No captures.
``windows``          .wslconfig, wslinfo, wslpath               There is no Windows. wslinfo's answers: the
                                                                public WSL sources. No captures.
===================  =========================================  ===============================================

The genuine packages can take the place of ``toolkit``'s: ``wslgpu lab up --toolkit-debs DIR``; a genuine device plugin
that of the stand-in: ``wslgpu lab up --kubernetes --device-plugin FILE``.

Honest: every program says "stand-in" when asked for its version or help, every library carries the text
"wslgpu lab stand-in", every GPU's name ends in "(stand-in)", and nothing here can run a CUDA kernel: the
three of wslgpu's own probe are known by name and done on the CPU, so that the probe's judgement can be tried.

Known to differ from the genuine ones, or not known to be alike:

- Mode ``legacy`` of the container runtime is refused; so are the modes that are not WSL's.
- 1.18.2 has no captures: it is taken to be as 1.18.1. So is the default config.toml of 1.18.x (seen: 1.19.1).
- What the genuine program makes of an integrated adapter alone (no store with libcuda) was not seen.
- The refresh unit's restart figures are our own.
- Of the device plugin, 0.17.1 and 0.19.3 were seen; the others follow NVIDIA's release notes. From which version on it
  says the platform that it detected is not known. MIG, MPS and device lists other than by environment are refused.
- What a refused event registration does to the single device of 0.19.1 and later was not seen: here, nothing.
"""
