#!/bin/sh
# Stand-in of the wslgpu lab, not WSL's /init, whose presence is one of the signals of WSL. As that one is the interpreter
# of Windows programs, it runs what it is given, here the lab's other stand-ins.
[ $# = 0 ] || exec "$@"
