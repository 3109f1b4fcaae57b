#!/usr/bin/env bash
# Everything that only a GPU can say, in at most eight minutes: tests of the kernels, the kernels
# under the sanitizer, their speed and memory against the library, portraits inverted a second,
# seconds of one domain. Needs Python, torch, Triton, pytest, hypothesis and what the core layers
# import (pydantic, PyYAML, safetensors, fsspec, numpy, Pillow); neither Ray nor MLflow nor open_clip.
#
#   benchmarks/gpu_check.sh FOLDER            on a machine with a CUDA device
#   benchmarks/gpu_check.sh FOLDER --dry-run  on a CPU, small: shows that every part starts and ends
#
# Writes FOLDER/gpu_check.json and each part's log. A part that fails or takes too long is named there
# and in the last lines, the others go on, and the script ends with 1. A part that is left out is named
# there with its reason, and fails nothing.
set -uo pipefail
cd "$(dirname "$0")/.."
folder=${1:?"usage: benchmarks/gpu_check.sh FOLDER [--dry-run]"}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
export PYTHONPATH=$PWD PYTHONUNBUFFERED=1
python=${PYTHON:-python3}
device=cuda family=ffhq512 quick=() patience=1 interpreter=()
kernels=(tests/ops tests/generator/test_volume.py tests/generator/test_generator.py
  tests/perception/test_detector.py)
sanitized=(tests/ops/test_implementations.py -k "triton and float32")
if [ "${2:-}" = --dry-run ]; then
  device=cpu family=mini quick=(--quick) patience=10
  interpreter=(env TRITON_INTERPRET=1)  # of the tests alone: it is slow
  kernels=(tests/ops/test_implementations.py -k upfirdn2d)
fi

# part NAME SECONDS COMMAND...: runs a command with a limit; its log is NAME.log, its end NAME.end.
part() {
  local name=$1 limit=$(($2 * patience)) begin=$SECONDS
  shift 2
  timeout --kill-after=5 "$limit" "$@" >"$folder/$name.log" 2>&1
  local code=$?
  echo "$code $((SECONDS - begin)) $limit" >"$folder/$name.end"
  echo "$name: exit $code after $((SECONDS - begin)) s"
}

# leave_out NAME REASON: a part that this machine cannot run.
leave_out() {
  echo "$2" >"$folder/$1.left_out"
  echo "$1: left out, $2"
}

rm -f "$folder"/*.end "$folder"/*.left_out "$folder"/*.json
part imports 60 "$python" -m benchmarks.bare_imports
part tests 150 ${interpreter[@]+"${interpreter[@]}"} "$python" -m pytest -q -m gpu "${kernels[@]}" -p no:cacheprovider
part kernels 60 "$python" -m benchmarks.bm_kernels --device "$device" --family "$family" \
  --json "$folder/kernels.json"
part rates 150 "$python" -m benchmarks.bm_rates --device "$device" --family "$family" \
  ${quick[@]+"${quick[@]}"} --json "$folder/rates.json"
if [ "$device" != cuda ]; then
  leave_out sanitizer "a dry run has no GPU"
elif ! command -v compute-sanitizer >/dev/null; then
  leave_out sanitizer "there is no compute-sanitizer on this machine"
else
  part sanitizer 50 compute-sanitizer --error-exitcode 9 "$python" -m pytest -q -x -m gpu \
    "${sanitized[@]}" -p no:cacheprovider
fi
exec "$python" -m benchmarks.gpu_report "$folder"
