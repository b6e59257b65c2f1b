# shellcheck shell=sh
# artifact_use.sh ARTIFACT FOLDER: make a version that is there the current one, and remove what is no longer needed.
# include: artifact_links.sh
cd "/opt/wslgpu/$1" || fail platform "there is no /opt/wslgpu/$1" "Run it again."
use_version "$2"
