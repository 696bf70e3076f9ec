#!/bin/sh
# Runs the tests inside another release of Debian, in a root of its own under build/.
#
#   sh tests/debian.sh make 13          makes build/debian-13 (or 12) by debootstrap; once, as root
#   sh tests/debian.sh run 13 [ARG...]  installs what is missing there, copies the sources into it
#                                       and runs `sh tests/run.sh --quick` (or ARGs) there by chroot
#
# Packages come from the mirror that this machine's apt uses. Ends with 77, and a word on standard
# error, where such a root cannot be made or has not been made.
set -eu
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8

fail() {
    echo "debian.sh: $1" >&2
    exit "${2:-1}"
}

usage() {
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

make_root() {
    [ ! -d "$root" ] || return 0
    command -v debootstrap >/dev/null 2>&1 ||
        fail "debootstrap is missing: as root, apt-get install debootstrap" 77
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Origin: Debian' |
        head -n 1)
    [ -n "$mirror" ] || fail "this machine's apt knows no mirror of Debian" 77
    mkdir -p build
    rm -rf "$root.new"
    debootstrap --variant=minbase "$suite" "$root.new" "$mirror" >"$root.log" 2>&1 ||
        fail "$suite cannot be made: see $root.log"
    mv "$root.new" "$root" # a root that is there is whole
}

# The build folder inside the root stays, so that a second run compiles only what has changed. Not
# a mount of the sources: both releases would build in the same folder.
copy_sources() {
    mkdir -p "$root/src"
    find "$root/src" -mindepth 1 -maxdepth 1 -not -name build -exec rm -rf {} +
    tar -c --exclude=./build --exclude=./.git --exclude=./.cache . | tar -x -C "$root/src"
}

# In a mount namespace of its own: /proc and /dev are gone when the command ends, however it ends.
run_inside() {
    rm -f "$root/etc/resolv.conf"
    cp /etc/resolv.conf /etc/hosts "$root/etc/"
    for file in /etc/apt/apt.conf.d/*proxy*; do
        [ ! -f "$file" ] || cp "$file" "$root/etc/apt/apt.conf.d/"
    done
    # shellcheck disable=SC2016 # the inner shell's $root and $@
    root=$root unshare --mount sh -eu -c '
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
            LC_ALL=C.UTF-8 ${http_proxy:+"http_proxy=$http_proxy"} ${TB_JOBS:+"TB_JOBS=$TB_JOBS"} \
            sh -c "cd /src && exec sh tests/run.sh \"\$@\"" run.sh "$@"' run_inside "$@"
}

[ $# -ge 2 ] || usage
action=$1 version=$2
shift 2
case $version in
12) suite=bookworm ;;
13) suite=trixie ;;
*) usage ;;
esac
root=build/debian-$version
[ "$(id -u)" = 0 ] || fail "only root can make and enter another root" 77
case $action in
make) make_root ;;
run)
    [ -d "$root" ] || fail "there is no $root: make it with 'sh tests/debian.sh make $version'" 77
    copy_sources
    [ $# -gt 0 ] || set -- --quick
    run_inside "$@"
    ;;
*) usage ;;
esac
