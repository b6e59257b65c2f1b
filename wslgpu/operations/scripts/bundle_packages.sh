# shellcheck shell=sh
# bundle_packages.sh FOLDER SHA256,SHA256... ARGUMENT...: apt_packages.sh with its ARGUMENTs, on a node without a network.
#
# apt sees a repository of what was sent, and nothing else: configuration, lists and archives of its own are named by
# APT_CONFIG for this script alone. So everything about versions, holds and marks is as with the archives.
# include: bundle_files.sh
folder=$1 sums=$(echo "$2" | tr ',' ' ')
shift 2
repository=$folder/repository
# shellcheck disable=SC2086
take_in "$folder" $sums
rm -rf "$repository"
mkdir -p "$repository/debs" "$repository/lists/partial" "$repository/archives/partial" ||
    fail platform "cannot write in $folder" "Free space there."
for sum in $sums; do
    ln -f "$folder/files/$sum" "$repository/debs/$sum.deb" || fail platform "cannot write in $repository" "Free space there."
    {
        dpkg-deb -f "$repository/debs/$sum.deb" ||
            fail integrity "a package in the bundle cannot be read by dpkg" "Make the bundle anew."
        printf 'Filename: ./%s.deb\nSize: %s\nSHA256: %s\n\n' "$sum" "$(stat -c %s "$repository/debs/$sum.deb")" "$sum"
    } >>"$repository/debs/Packages" || fail platform "cannot write in $repository: no space, or read-only" "Free space there."
done
[ -n "$sums" ] || : >"$repository/debs/Packages"
echo "deb [trusted=yes] file:$repository/debs ./" >"$repository/sources.list"
cat >"$repository/apt.conf" <<CONF
Dir::Etc::SourceList "$repository/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$repository/lists";
Dir::Cache::Archives "$repository/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
CONF
chmod -R a+rX "$repository"
APT_CONFIG=$repository/apt.conf
export APT_CONFIG
# include: apt_packages.sh
rm -rf "$repository"
# shellcheck disable=SC2086
give_up "$folder" $sums
