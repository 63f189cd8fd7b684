#!/usr/bin/env bash
# Words shared by ./dev and the scripts in tools/: messages, and packages that are installed only
# when missing.
# Sourced with the repository as the current directory.

say() { printf '\033[1m== %s\033[0m\n' "$*"; }
die() { printf '%s\n' "./dev: $*" >&2; exit 1; }

# ccache finds the same objects from any checkout.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
# The system's Python: Debian's python3-* packages belong to it, whatever else is first in PATH.
python=/usr/bin/python3
jobs=$(nproc)

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# missing_packages GROUP…: those of the groups (tools/packages.txt) that are not installed.
missing_packages() {
  local installed group package option choice known
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')
  while read -r group package option _; do
    [[ " $* " == *" $group "* ]] || continue
    [[ $option == unless=* ]] && command -v "${option#unless=}" >/dev/null && continue
    known=
    for choice in ${package//|/ }; do
      grep -qxF "$choice" <<<"$installed" && known=yes
    done
    [ -n "$known" ] || echo "$package"
  done < <(grep -v '^#' tools/packages.txt)
}

# need_packages GROUP…: installs what is missing; quick and silent when nothing is.
need_packages() {
  local missing
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null || die "this needs Debian 12 or a relative of it (apt-get).
Elsewhere, install what tools/packages.txt lists by hand."
  # One line, the first of each choice.
  local line
  line=$(sed 's/|.*//' <<<"$missing" | tr '\n' ' ')
  [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
    die "packages are missing, and neither are you root nor is there sudo. As root:
apt-get update && apt-get install --no-install-recommends $line
Then start again."
  # Lists may be absent (a fresh image) or out of date: refresh them before installing.
  say "apt: $(echo $missing)"
  as_root apt-get update -q >/dev/null ||
    die "apt-get update failed: is the network there? Then start again."
  local package choice wanted=()
  for package in $missing; do
    for choice in ${package//|/ } ''; do
      [ -n "$choice" ] || die "no package $package in the apt sources.
They must be those of Debian 12, with its security updates."
      apt-cache show "$choice" >/dev/null 2>&1 && break
    done
    wanted+=("$choice")
  done
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
    install -yq --no-install-recommends "${wanted[@]}" >/dev/null ||
    die "apt-get install failed (above is why). By hand: apt-get install ${wanted[*]}"
}
