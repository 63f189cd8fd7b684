#!/usr/bin/env bash
# `./dev fuzz [SECONDS]`: each fuzzer of fuzz/*.cpp for so long (default 60), beginning with what
# earlier runs found (~/.cache/minato/fuzz/NAME) and the samples in fuzz/corpus/NAME. A crash leaves
# the input that makes it again in build-fuzz/crashes/.
set -uo pipefail
. tools/lib.sh
seconds=${1:-60}
[[ $seconds =~ ^[0-9]+$ ]] || die "fuzz takes a number of seconds, not $seconds"
./dev build-only fuzz fuzzers || exit 1
bad=0
for source in fuzz/*.cpp; do
  name=$(basename "$source" .cpp)
  corpus=${XDG_CACHE_HOME:-$HOME/.cache}/minato/fuzz/$name
  mkdir -p "$corpus" build-fuzz/crashes
  samples=()
  [ ! -d "fuzz/corpus/$name" ] || samples=("fuzz/corpus/$name")
  say "fuzz $name, $seconds s"
  if ! "build-fuzz/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="build-fuzz/crashes/$name-" \
    "$corpus" "${samples[@]}" >"build-fuzz/$name.log" 2>&1; then
    tail -40 "build-fuzz/$name.log"
    echo "Once fixed, the input belongs into fuzz/corpus/$name/ and a unit test."
    bad=1
  else
    grep -E 'number_of_executed_units|average_exec_per_sec|new_units_added' "build-fuzz/$name.log"
  fi
done
exit $bad
