# shellcheck shell=sh
# artifact_roll_back.sh ARTIFACT: current and previous change places.
# include: artifact_links.sh
cd "/opt/wslgpu/$1" || fail platform "there is no /opt/wslgpu/$1" "Run it again."
before=$(readlink current)
# in this order: a run that is cut off between the two has rolled back
point current "$(readlink previous)"
point previous "$before"
