#!/usr/bin/env bash
# The whole stack on this machine, without Docker: MLflow, a Ray head, workers, an object store.
#   cluster/local/up.sh [--workers N] [--cpus N] [--no-store]     then: source runs/stack/env.sh
# Dashboard, jobs API, MLflow and store listen on 127.0.0.1. Ray's own ports (GCS, raylets) listen on all
# interfaces, as always, and ask for the token. Token and keys are made here, in runs/stack, mode 0600.
# The object store is MinIO where `minio` is installed (it keeps its data), else moto (it does not).
# Ports: ITPORTRAIT_RAY_PORT, ITPORTRAIT_DASHBOARD_PORT, ITPORTRAIT_MLFLOW_PORT, ITPORTRAIT_STORE_PORT.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

workers=1 cpus=2 store=yes
while (($#)); do
  case "$1" in
    --workers) workers="$2"; shift 2 ;;
    --cpus) cpus="$2"; shift 2 ;;
    --no-store) store=no; shift ;;
    *) echo "unknown option $1; known: --workers N, --cpus N, --no-store" >&2; exit 2 ;;
  esac
done

ray_port="${ITPORTRAIT_RAY_PORT:-6380}"  # Ray gives 10002-19999 to its workers: stay outside
dashboard_port="${ITPORTRAIT_DASHBOARD_PORT:-8265}"
mlflow_port="${ITPORTRAIT_MLFLOW_PORT:-5000}"
store_port="${ITPORTRAIT_STORE_PORT:-9000}"
runs="$(realpath -m "${ITPORTRAIT_RUNS:-runs}")"
stack="$runs/stack"
bin="${ITPORTRAIT_BIN:-$PWD/.venv/bin}"
PATH="$bin:$PATH"

if [[ -e "$stack/pids" ]]; then
  echo "the stack is up already, or was not taken down ($stack/pids): run cluster/local/down.sh" >&2
  exit 1
fi
umask 077
mkdir -p "$stack/logs" "$stack/store/portraits"
: >"$stack/pids"

# start NAME COMMAND...: in a session of its own, so that down.sh ends exactly these processes.
start() {
  local name="$1"
  shift
  setsid "$@" >"$stack/logs/$name.log" 2>&1 </dev/null &
  echo "$! $name" >>"$stack/pids"
}

# wait_for NAME SECONDS COMMAND...: poll until COMMAND succeeds.
wait_for() {
  local name="$1" seconds="$2"
  shift 2
  local end=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= end)); then
      echo "$name did not come up within $seconds s; the end of $stack/logs/$name.log:" >&2
      tail -n 20 "$stack/logs/$name.log" >&2 || true
      cluster/local/down.sh || true
      exit 1
    fi
    sleep 0.5
  done
  echo "$name is up"
}

random_key() { python -c 'import secrets; print(secrets.token_hex(24))'; }
listens() { python -c 'import socket,sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 2)' "$1"; }

export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$stack/ray_token" RAY_USAGE_STATS_ENABLED=0
[[ -s "$RAY_AUTH_TOKEN_PATH" ]] || random_key >"$RAY_AUTH_TOKEN_PATH"

# Variables that clients source; the keys in it are why its mode is 0600.
cat >"$stack/env.sh" <<ENV
export RAY_ADDRESS=127.0.0.1:$ray_port
export RAY_API_SERVER_ADDRESS=http://127.0.0.1:$dashboard_port
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$RAY_AUTH_TOKEN_PATH
export MLFLOW_TRACKING_URI=http://127.0.0.1:$mlflow_port
ENV

if [[ "$store" == yes ]]; then
  access_key="$(random_key)" secret_key="$(random_key)"
  cat >>"$stack/env.sh" <<ENV
export AWS_ENDPOINT_URL=http://127.0.0.1:$store_port AWS_DEFAULT_REGION=us-east-1
export AWS_ACCESS_KEY_ID=$access_key AWS_SECRET_ACCESS_KEY=$secret_key
export ITPORTRAIT_BANK=s3://portraits/bank
ENV
  if command -v minio >/dev/null; then
    MINIO_ROOT_USER="$access_key" MINIO_ROOT_PASSWORD="$secret_key" \
      start store minio server "$stack/store" --address "127.0.0.1:$store_port"
    wait_for store 30 listens "$store_port"  # a folder under the store's root is a bucket
  else
    start store moto_server --host 127.0.0.1 --port "$store_port"
    wait_for store 60 listens "$store_port"
    curl --silent --fail --request PUT "http://127.0.0.1:$store_port/portraits" >/dev/null
  fi
fi
# shellcheck disable=SC1091
source "$stack/env.sh"  # head and workers inherit the store's address and keys

# Job execution starts eight more processes, for features that nothing here uses.
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
start mlflow mlflow server --backend-store-uri "sqlite:///$stack/mlflow.db" \
  --artifacts-destination "$stack/artifacts" --host 127.0.0.1 --port "$mlflow_port" --workers 1

# Unix sockets admit 107 characters: the session lives in /tmp, not under the runs.
session="/tmp/itportrait-ray-$(id -u)-$ray_port"
unset RAY_ADDRESS  # `ray start --head` refuses to start where it is set
start head ray start --head --block --port "$ray_port" --node-ip-address 127.0.0.1 \
  --dashboard-host 127.0.0.1 --dashboard-port "$dashboard_port" --num-cpus "$cpus" \
  --temp-dir "$session" --disable-usage-stats
wait_for head 90 ray health-check --address "127.0.0.1:$ray_port"
wait_for head 90 listens "$dashboard_port"
# A folder for each node: in a shared one, a node that unpacks a job's code takes the working folder
# from under a driver that another node has started there.
for ((worker = 1; worker <= workers; worker++)); do
  start "worker-$worker" ray start --block --address "127.0.0.1:$ray_port" \
    --node-ip-address 127.0.0.1 --num-cpus "$cpus" --temp-dir "$session-$worker" \
    --dashboard-agent-listen-port "$((52370 + worker))" --disable-usage-stats
done
wait_for mlflow 120 curl --silent --fail "http://127.0.0.1:$mlflow_port/health"
wait_for "worker-$workers" 90 python cluster/local/nodes.py "127.0.0.1:$ray_port" "$((workers + 1))"

cat <<DONE
ready: source $stack/env.sh
  Ray     $RAY_API_SERVER_ADDRESS  (token: $RAY_AUTH_TOKEN_PATH)
  MLflow  $MLFLOW_TRACKING_URI
  submit  ray job submit --runtime-env cluster/runtime_env.yaml -- python workflows/build_style_bank.py \\
            --config configs/bank.yaml --bank "\$ITPORTRAIT_BANK" --address auto
  end     cluster/local/down.sh
DONE
