#!/bin/sh
# Prints the path of promtool: the installed one, or the one in Debian's package prometheus, which is
# unpacked into .cache/ without installing the server. Ends with 77 if there is none.
set -eu
if command -v promtool; then
    exit 0
fi
cache=$(cd "$(dirname "$0")/../.." && pwd)/.cache/prometheus
if [ ! -x "$cache/usr/bin/promtool" ]; then
    command -v apt-get >/dev/null 2>&1 || exit 77
    mkdir -p "$cache"
    cd "$cache"
    apt-get download -qq prometheus >&2 || exit 77
    dpkg-deb -x prometheus_*.deb new
    rm -f prometheus_*.deb
    mkdir -p usr/bin
    mv new/usr/bin/promtool usr/bin/promtool
    rm -rf new
fi
echo "$cache/usr/bin/promtool"
