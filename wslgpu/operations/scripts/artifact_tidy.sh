# shellcheck shell=sh
# artifact_tidy.sh ARTIFACT: remove what interrupted runs left, and versions that neither link needs.
# include: artifact_links.sh
cd "/opt/wslgpu/$1" || fail platform "there is no /opt/wslgpu/$1" "Run it again."
tidy
