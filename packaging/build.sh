#!/usr/bin/env bash
# `./dev package`: build/minato_VERSION_ARCHITECTURE.deb, tried out in a temporary root before it
# counts. Installs below /usr, creates the user minato and an empty /var/lib/minato; starts nothing.
set -euo pipefail
. tools/lib.sh

version=$(sed -n 's/^project(minato VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
architecture=$(dpkg --print-architecture)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
root=$stage/root
mkdir -m 0755 "$root" "$root/DEBIAN"

DESTDIR=$root cmake --install build --prefix /usr --strip >/dev/null
install -Dm644 packaging/minato.service "$root/lib/systemd/system/minato.service"
doc=$root/usr/share/doc/minato
install -Dm644 packaging/README.Debian "$doc/README.Debian"
install -Dm644 LICENSE "$doc/copyright"
cat .deps/duckdb/LICENSE >>"$doc/copyright" 2>/dev/null || true
[ -f "$root/usr/lib/minato/voice/mei_normal.htsvoice" ] ||
  die "the voice of Japanese speech is missing: run ./dev setup"
cat .deps/voice/LICENSE* >>"$doc/copyright"
install -Dm644 packaging/zabbix/media_minato.yaml "$root/usr/share/minato/zabbix/media_minato.yaml"
gzip -9nc CHANGELOG.md >"$doc/changelog.gz"
# The sample configuration is what `minato init` writes: one text to keep right.
build/minato init "$stage/sample" >/dev/null
install -Dm644 "$stage/sample/minato.toml" "$doc/examples/minato.toml"

# Libraries that the program is linked with, as Debian packages; libduckdb is our own.
mkdir -p "$stage/debian" && : >"$stage/debian/control"
depends=$(cd "$stage" && dpkg-shlibdeps -O --ignore-missing-info -l"$root/usr/lib/minato" \
  -e"$root/usr/bin/minato" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
[ -n "$depends" ] || die "dpkg-shlibdeps found no libraries of build/minato"
cat >"$root/DEBIAN/control" <<END
Package: minato
Version: $version
Architecture: $architecture
Maintainer: Minato maintainers <maintainers@minato.invalid>
Installed-Size: $(du -ks "$root/usr" | cut -f1)
Depends: $depends, adduser, postgresql-15 | postgresql, util-linux
Recommends: postgresql-client, open-jtalk, open-jtalk-mecab-naist-jdic, espeak-ng, baresip-core
Section: database
Priority: optional
Description: data platform in one program
 Captures every change of MySQL and MariaDB databases, keeps them in a lake of open files,
 keeps SQL marts up to date by itself and serves them over the PostgreSQL protocol.
END
install -m755 packaging/postinst packaging/postrm "$root/DEBIAN/"
deb=build/minato_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zxz -z1 --build "$root" "$deb" >/dev/null

# What was built must run from where it will be: unpacked, without the build tree's libraries.
mkdir "$stage/try"
dpkg -x "$deb" "$stage/try"
"$stage/try/usr/bin/minato" --help >/dev/null || die "the packaged program does not start: $deb"
readelf -d "$stage/try/usr/bin/minato" | grep -q 'RUNPATH.*\$ORIGIN/../lib/minato' ||
  die "the packaged program would look for libduckdb.so in the build tree"
say "$deb ($(du -h "$deb" | cut -f1)): apt install ./$deb"
