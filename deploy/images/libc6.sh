#!/bin/sh
# libc6.sh FILE ARCH: fetches Debian's libc6 for ARCH, the version that libc6.txt pins, by
# apt-get with lists of its own: nothing is installed, and no right is needed. When Debian
# has replaced that version it takes the one that there is, which `images build` refuses.
set -eu
file=$1 arch=$2 here=$(cd "$(dirname "$0")" && pwd)
version=$(awk -v arch="$arch" '$1 == "libc6" && $3 == arch { v = $2 } END { print v }' "$here/libc6.txt")
command -v apt-get > /dev/null || {
	echo "libc6 $version for $arch is fetched by apt-get, on Debian 12; elsewhere give the file: make images LIBC=/path/to/libc6_${version}_$arch.deb" >&2
	exit 1
}
mkdir -p "$(dirname "$file")"
dir=$(mktemp -d "$(dirname "$file")/fetch.XXXXXX")
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
get() {
	(cd "$dir" && apt-get -qq -o Dir::State::Lists="$dir/lists" -o Dir::State::Status=/dev/null -o Dir::Cache="$dir/cache" \
		-o APT::Architecture="$arch" -o APT::Architectures="$arch" -o Acquire::Languages=none -o APT::Sandbox::User="" "$@")
}
get update
get download "libc6=$version" || {
	echo "Debian has replaced libc6 $version: put the new one's line into deploy/images/libc6.txt" >&2
	get download libc6
}
mv -f "$dir"/libc6_*.deb "$file"
