"""The toolkit version that this copy behaves like; the package build writes this file anew."""

VERSION = "1.20.0"
