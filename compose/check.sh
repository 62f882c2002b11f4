#!/usr/bin/env bash
# Proves a composed project that is up: `docker compose up --build --detach --wait && compose/check.sh`.
# It shoots a worker, Redis and a supervisor, scales to two supervisors and stops them: not for one in use.
# Needs bash and curl. COMPOSE says how Compose is called, if not as `docker compose`.
set -euo pipefail
COMPOSE=${COMPOSE:-docker compose}
API=http://127.0.0.1:8080
PATIENCE_SECONDS=60

say() { printf '%s\n' "$*"; }
fail() { say "FAILED: $*" >&2; exit 1; }

# post BODY: submit a job; print the answer.
post() { curl -sS -m 10 "$API/jobs" -H 'Content-Type: application/json' -d "$1"; }
# field NAME: print the first text or number of this name in the JSON on stdin.
field() { grep -oE "\"$1\":\"?[^\",}]+" | sed -n '1s/.*[:"]//p'; }
submit() { post "$1" | field id; }
job() { curl -sS -m 10 "$API/jobs/$1"; }
# holds ID REGEX: whether the job, as the API shows it, matches.
holds() { [[ $(job "$1") =~ $2 ]]; }

# until_true WHAT COMMAND…: wait until the command succeeds.
until_true() {
  local what=$1 end=$((SECONDS + PATIENCE_SECONDS)); shift
  until "$@"; do
    ((SECONDS < end)) || fail "in vain waited until $what"
    sleep 0.1
  done
}
is() { [ "$(job "$1" | field status)" = "$2" ]; }
succeeds() { until_true "job $1 has succeeded" is "$1" succeeded; }
ready() { curl -sSf -m 5 -o /dev/null "$API/readyz" 2>/dev/null; }
unavailable() { [ "$(curl -s -m 10 -o /dev/null -w '%{http_code}' "$API/jobs" -H 'Content-Type: application/json' -d '{}')" = 503 ]; }

containers() { $COMPOSE ps --all --format '{{.Name}} {{.Service}} {{.ExitCode}}' | awk -v s="$1" '$2 == s'; }
stopped_cleanly() { ! containers "$1" | awk '$3 != 0 && $3 != 143' | grep .; }

say '1. a job by curl, as in the README; by the name of the service, and by no other'
answer=$(post '{"type": "echo", "payload": {"hello": "world"}, "priority": 10}')
[ "$(field status <<<"$answer")" = pending ] || fail "the answer is $answer"
succeeds "$(field id <<<"$answer")"
id=$(submit '{}') && succeeds "$id"
$COMPOSE exec -T supervisor python -c 'import urllib.request; urllib.request.urlopen("http://api:8080/jobs", timeout=10)'
foreign=$(curl -sS -m 10 -o /dev/null -w '%{http_code}' "$API/jobs" -H 'Host: pages.example:8080')
[ "$foreign" = 403 ] || fail "a page that has a name of its own for this API gets $foreign"

say '2. the handlers of the mounted folder'
file=$($COMPOSE exec -T supervisor python -c 'import ast; print(ast.__file__)')
ids=()
for _ in $(seq 20); do ids+=("$(submit "{\"type\": \"metrics.file\", \"payload\": {\"path\": \"$file\"}}")"); done
for id in "${ids[@]}"; do succeeds "$id"; done

say '3. a worker is shot; its job runs again'
id=$(submit '{"type": "sleep", "payload": 2}')
until_true 'it runs' is "$id" running
$COMPOSE exec -T supervisor python -c "import os; os.kill($(job "$id" | field worker), 9)"
succeeds "$id"
holds "$id" '"outcome":"crashed"' || fail 'no crash in its history'

say '4. Redis is killed while jobs run and wait; nothing is lost'
ids=()
for _ in $(seq 40); do ids+=("$(submit '{"type": "sleep", "payload": 0.3}')"); done
$COMPOSE kill --signal KILL redis
until_true 'the API says 503' unavailable
$COMPOSE exec -T supervisor jobworker healthcheck supervisor || fail 'without Redis the supervisor is unhealthy'
$COMPOSE start redis
until_true 'the API is ready again' ready
for id in "${ids[@]}"; do succeeds "$id"; done

say '5. two supervisors share the work'
$COMPOSE up --detach --no-build --no-recreate --wait --scale supervisor=2 supervisor
ids=()
for _ in $(seq 30); do ids+=("$(submit '{"type": "sleep", "payload": 0.3}')"); done
for id in "${ids[@]}"; do succeeds "$id"; done
workers=$(for id in "${ids[@]}"; do job "$id" | field supervisor; done | sort | uniq -c)
[ "$(wc -l <<<"$workers")" = 2 ] || fail "not both have worked: $workers"

say '6. supervisors stop while jobs run and wait; nothing is lost'
ids=()
for _ in $(seq 40); do ids+=("$(submit '{"type": "sleep", "payload": 1}')"); done
succeeds "${ids[0]}"
$COMPOSE stop supervisor
stopped_cleanly supervisor || fail 'a supervisor did not stop cleanly'
for id in "${ids[@]}"; do holds "$id" '"status":"(succeeded|pending)"' || fail "job $id is neither done nor back"; done

say '7. everything stops and comes back'
$COMPOSE stop
for service in redis api supervisor; do stopped_cleanly "$service" || fail "$service did not stop cleanly"; done
$COMPOSE up --detach --no-build --no-recreate --wait --scale supervisor=2
for id in "${ids[@]}"; do
  succeeds "$id"
  holds "$id" '"failures":0,"crashes":0,' || fail "the stops have cost job $id an attempt"
done
say 'all is well'
