#!/bin/sh
# What a machine can tell of style: banned calls, the folders' one-way includes, formatting.
# Prints each fault as file:line and ends with 1 if there is any.
set -u
# Characters are counted, not bytes, whatever the caller has set.
export LC_ALL=C.UTF-8
cd "$(dirname "$0")/.."
report=$(mktemp)
trap 'rm -f "$report"' EXIT

# complain TEXT < lines found (a pipe's end is a process of its own: faults are kept in a file)
complain() {
    lines=$(cat)
    [ -z "$lines" ] || printf '%s:\n%s\n' "$1" "$lines" >>"$report"
}

sources() { find src tests bench -name '*.[ch]' -not -path '*/golden/*' | sort; }

# shellcheck disable=SC2046 # file names of ours have no blanks
{
    grep -nE '\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atoll|strtok|alloca)\(' \
        $(find src bench -name '*.[ch]') |
        complain "banned call"
    grep -nE '\bsqlite3_exec\(' $(find src -name '*.c' -not -path src/base/sqlite/db.c) |
        complain "sqlite3_exec outside base/sqlite/db.c"
    grep -nE 'include <sqlite3.h>' $(find src -name '*.[ch]' -not -path 'src/base/*') |
        complain "SQLite outside base/"
    grep -nE 'include <microhttpd.h>' $(find src -name '*.[ch]' -not -path 'src/api/http/mhd*') |
        complain "libmicrohttpd outside api/http/mhd*"
    grep -nE 'include <cjson/' $(find src -name '*.[ch]' -not -path 'src/cli/http/cjson.h') |
        complain "cJSON outside cli/http/cjson.h: events and commands need the strict reader"
    grep -nE '\b(clock_gettime|gettimeofday|getrandom|getenv|time)\(' \
        $(find src -name '*.c' -not -path 'src/base/*' -not -path 'src/cli/*') |
        complain "clock, chance or environment below the mains"
    grep -nE '\b(TODO|FIXME|XXX)\b' $(sources) CMakeLists.txt examples -r | complain "left open"
    grep -nE '^.{100,}$' $(find src -name '*.[ch]') | cut -c1-120 | complain "line of 100 or more"
    wc -l $(find src -name '*.[ch]') | awk '$2 != "total" && $1 > 500 {print $2 ": " $1 " lines"}' |
        complain "file that holds more than one idea"
}

# Which folder may include which.
{ python3 tests/includes.py 2>&1 || echo "includes.py ended with $?"; } | complain "includes"

# Each release of clang-format breaks some lines in another way: one release decides. Debian 12 has
# it as clang-format, others have it as clang-format-14 or not at all.
FORMATTER=14
if command -v "clang-format-$FORMATTER" >/dev/null 2>&1; then
    formatter=clang-format-$FORMATTER
else
    formatter=clang-format
fi
found=$("$formatter" --version 2>/dev/null | sed -n 's/.*clang-format version \([0-9]*\).*/\1/p')
if [ "$found" = "$FORMATTER" ]; then
    # shellcheck disable=SC2046
    "$formatter" --dry-run $(sources) 2>&1 | grep -E 'warning' | complain "not formatted"
else
    echo "Formatting was not checked: clang-format $FORMATTER decides, here is ${found:-none}."
fi
if [ -s "$report" ]; then
    cat "$report"
    exit 1
fi
echo "tidy"
