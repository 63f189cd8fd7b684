#!/usr/bin/env bash
# A MySQL server for the tests, in .deps/mysql: Debian 12 has only MariaDB, Debian's unstable suite
# has MySQL.
# Promises: nothing is installed on the machine. apt fetches the packages and checks their
# signatures, with lists and settings of its own; they are unpacked, and run with libraries of their
# own.
# Not pinned, since unstable keeps one version at a time: .deps/mysql/packages says which it was.
# Where it cannot be had, the tests that need it are skipped, and say so.

setup_mysql() {
  local root=$PWD/.deps/mysql new mirror apt packages
  [ -x "$root/mysqld" ] && return 0
  command -v apt-get >/dev/null || return 1
  # The machine's own mirror, whichever that is.
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Codename: bookworm' |
    head -n 1)
  [ -n "$mirror" ] || mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' |
    grep -v security | head -n 1)
  [ -n "$mirror" ] || return 1
  say "apt: a MySQL server for tests"
  new=$(realpath -m "$root").new
  rm -rf "$new" && mkdir -p "$new"/apt/{lists/partial,cache/archives/partial,sources} "$new/root"
  touch "$new/apt/status"
  printf '%s\n' 'Types: deb' "URIs: $mirror" 'Suites: sid' 'Components: main' \
    'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg' >"$new/apt/sources/sid.sources"
  apt=(-q -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$new/apt/sources"
    -o "Dir::State::Lists=$new/apt/lists" -o "Dir::State::status=$new/apt/status"
    -o "Dir::Cache=$new/apt/cache" -o APT::Sandbox::User="$(id -un)"
    -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
  apt-get "${apt[@]}" update >/dev/null || return 1
  # With an empty list of installed packages this is all that the server needs; its scripts in Perl
  # are not run here.
  packages=$(apt-get "${apt[@]}" -s --no-install-recommends install mysql-server-core |
    awk '$1 == "Inst" && $2 !~ /perl/ { print $2 }')
  [ -n "$packages" ] || return 1
  # shellcheck disable=SC2086
  (cd "$new/apt/cache" && apt-get "${apt[@]}" download $packages >/dev/null) || return 1
  local package
  for package in "$new"/apt/cache/*.deb; do
    dpkg-deb -x "$package" "$new/root" || return 1
    basename "$package" .deb >>"$new/packages"
  done
  rm -rf "$new/apt"
  mysql_wrapper >"$new/mysqld" && chmod +x "$new/mysqld"
  "$new/mysqld" --version >/dev/null || return 1
  rm -rf "$(realpath -m "$root")" && mv "$new" "$(realpath -m "$root")"
}

# Quick runs (--fast) go without.
setup_mysql_for_tests() {
  [[ " $* " == *" --fast "* ]] || setup_mysql ||
    say "a MySQL server is not to be had here (above is why): the tests that need one are skipped"
}

# The server with the loader and libraries that it was built with.
mysql_wrapper() {
  cat <<'END'
#!/bin/sh
# Made by tools/mysql.sh.
root=$(dirname "$(readlink -f "$0")")/root
loader=$(ls "$root"/usr/lib*/ld-linux-*.so.* | head -n 1)
libraries=$(dirname "$(ls "$root"/usr/lib/*-linux-gnu/libc.so.6)")
exec "$loader" --library-path "$libraries" "$root/usr/sbin/mysqld" --no-defaults \
  --basedir="$root/usr" --lc-messages-dir="$root/usr/share/mysql" \
  --plugin-dir="$root/usr/lib/mysql/plugin" "$@"
END
}
