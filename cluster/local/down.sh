#!/usr/bin/env bash
# Take down what up.sh started, and nothing else; logs, MLflow's database and the token stay.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
stack="$(realpath -m "${ITPORTRAIT_RUNS:-runs}")/stack"
[[ -e "$stack/pids" ]] || { echo "nothing to take down: no $stack/pids"; exit 0; }

# Last started first: workers leave before their head. Each is the leader of its own session.
while read -r pid name; do
  kill -TERM "$pid" 2>/dev/null || true
  for _ in $(seq 40); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.25
  done
  pkill -KILL --session "$pid" 2>/dev/null || true
  echo "$name is down"
done < <(tac "$stack/pids")
rm -f "$stack/pids"
