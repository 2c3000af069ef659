# common.sh - sourced by the scripts of this folder: where things go and how packages are installed.
#
# The scripts run in the repository's root. All output is in $out, nothing of it needs to be kept:
#   packages/  what pip downloaded        pythonX.Y/  a Windows interpreter with the package in it
#   c/         the C tests                wine8/, wine10/  the prefixes (700 MB each), and for Wine
#   tools/     CMake, Ninja and pip                        10 the Debian 13 root it runs in (1.1 GB)
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
here=.ci/windows
mkdir -p "${BUILD:-build}/windows"
out=$(cd "${BUILD:-build}/windows" && pwd)
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)

say() { printf 'windows: %s (%d s)\n' "$*" "$(($(date +%s) - ${WINDOWS_STARTED:=$(date +%s)}))"; }
export WINDOWS_STARTED=${WINDOWS_STARTED:-$(date +%s)}

# Everything at once, also what only another script needs: asking the index takes longest.
need_packages() {
    local compiler=/usr/bin/x86_64-w64-mingw32-gcc wine=/usr/lib/wine/wine64
    local root_maker=/usr/bin/mmdebstrap
    [ ! -e "$compiler" ] || [ ! -e "$wine" ] || [ ! -e "$root_maker" ] || return 0
    say "installing the compiler, Wine and mmdebstrap"
    {
        "${as_root[@]}" apt-get update -qq &&
            "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
                --no-install-recommends gcc-mingw-w64-x86-64 mingw-w64-x86-64-dev \
                mingw-w64-tools wine64 mmdebstrap
    } >"$out/apt.log" 2>&1 || { cat "$out/apt.log"; exit 1; }
    [ -e "$compiler" ] && [ -e "$wine" ] && [ -e "$root_maker" ] ||
        { say "the packages do not hold what they should"; exit 1; }
}
