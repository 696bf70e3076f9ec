#!/bin/sh
# Installs the Debian packages that are missing: sh tests/packages.sh [build] [test]
set -eu
packages=
for group in "$@"; do
    case $group in
    build)
        packages="$packages gcc libc6-dev cmake ninja-build pkg-config libsqlite3-dev
                  libmicrohttpd-dev libwslay-dev libinih-dev libcurl4-openssl-dev
                  libcjson-dev nettle-dev librdkafka-dev libmongoc-dev"
        ;;
    test) packages="$packages check python3 strace e2fsprogs mount bindfs clang-format nodejs" ;;
    *)
        echo "packages.sh: unknown group $group" >&2
        exit 2
        ;;
    esac
done

missing=
for package in $packages; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true) in
    installed) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null 2>&1; then
    as_root=sudo
else
    echo "These packages are missing; install them as root:$missing" >&2
    exit 1
fi
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of words
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
