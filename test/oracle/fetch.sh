#!/bin/sh
# fetch.sh FOLDER VERSION puts into a folder what test/oracle runs: ingress-nginx of that
# version, built from the Go module proxy; its template and Lua modules; and Debian's nginx
# with the modules that it needs. On Debian 12 and what comes from it. Nothing is installed.
set -eu
to=$1 version=$2
packages='nginx libnginx-mod-http-lua libnginx-mod-http-ndk libnginx-mod-http-headers-more-filter libnginx-mod-http-set-misc
libluajit2-5.1-2 libpcre3 lua-resty-core lua-resty-lrucache lua-cjson'

rm -rf "$to" "$to.new"
mkdir -p "$to.new/debian" "$to.new/lib/lua"
cd "$to.new"
(cd debian && apt-get -qq download $packages && for package in *.deb; do dpkg -x "$package" .; done)
cp debian/usr/sbin/nginx .
cp -R debian/usr/lib/nginx/modules debian/usr/share/lua/5.1 .
mv 5.1 lua
find debian -name 'libluajit-5.1.so.2*' -exec cp -P {} lib/ \;
find debian -name 'libpcre.so.3*' -exec cp -P {} lib/ \;
cp "$(find debian -name 'liblua5.1-cjson.so.*' -type f)" lib/lua/cjson.so
rm -r debian

# It has a go.work of modules that it does not contain.
source=$(GOFLAGS=-mod=mod go mod download -json "k8s.io/ingress-nginx@$version" | sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p')
cp -R "$source/rootfs/etc/nginx" etc
chmod -R u+w etc
(cd "$source" && GOWORK=off CGO_ENABLED=0 nice -n 19 go build -ldflags '-s -w' -o "$to.new/controller" ./cmd/nginx)
mv "$to.new" "$to"
