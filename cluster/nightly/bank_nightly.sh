#!/usr/bin/env bash
# One nightly build on this machine, for systemd or cron: `bank_nightly.sh [YYYY-MM-DD]`.
# Settings come from the environment (see bank.env.example). Exit code: that of the build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

date="${1:-$(date +%F)}"
runs="${ITPORTRAIT_RUNS:-runs}"
spec="${ITPORTRAIT_SPEC:-configs/bank.yaml}"
bank="${ITPORTRAIT_BANK:-$runs/bank}"
python="${ITPORTRAIT_PYTHON:-.venv/bin/python}"
# Where the build's own Ray starts, its dashboard and jobs API need the token.
export RAY_AUTH_MODE="${RAY_AUTH_MODE:-token}"
export RAY_USAGE_STATS_ENABLED=0

mkdir -p "$runs/nightly"
log="$runs/nightly/$date.log"
echo "bank build of $date: $spec -> $bank, log $log"
# A second build on the same bank leaves by itself: the lease is in the bank, not in a local lock.
"$python" workflows/build_style_bank.py --config "$spec" --bank "$bank" --date "$date" 2>&1 | tee -a "$log"
