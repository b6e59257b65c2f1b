#!/bin/sh
# Takes the programs and the licence out of an archive that others have built. They are not stripped or changed: their
# bytes stay those that upstream published.
set -eu

[ "$1" = install ] || {
    echo "build.sh: unknown phase $1" >&2
    exit 2
}
for program in ffmpeg ffprobe; do
    install -D -m 755 "/sources/archive/bin/$program" "/out/bin/$program"
done
install -D -m 644 /sources/archive/LICENSE.txt /out/share/doc/ffmpeg/LICENSE.txt
