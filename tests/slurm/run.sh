#!/usr/bin/env bash
# Run a sweep on a SLURM of one node, as a job array and by Dask, and compare the tables.
#
#   sudo apt-get install --no-install-recommends slurmctld slurmd slurm-client munge
#   sudo make slurm            (or: tests/slurm/run.sh PYTHON, as root)
#
# Starts munged, slurmctld and slurmd in a temporary folder and stops them by their process ids;
# nothing else on the machine is touched.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=$(realpath -s "${1:-python3}")
dir=$(mktemp -d -t gapless-slurm.XXXXXX)
mkdir "$dir"/{state,spool,log,munge}
chmod 755 "$dir"
sed "s#@DIR@#$dir#g; s#@HOST@#$(hostname -s)#g" "$here/slurm.conf" > "$dir/slurm.conf"
export SLURM_CONF=$dir/slurm.conf

stop() {
    for file in scheduler worker d ctld munge/munged; do
        if [ -s "$dir/$file.pid" ]; then kill "$(cat "$dir/$file.pid")" 2> /dev/null || true; fi
    done
}
trap stop EXIT

dd if=/dev/urandom of="$dir/munge/key" bs=1024 count=1 status=none
chmod 700 "$dir/munge"
chmod 600 "$dir/munge/key"
setsid munged --force --key-file="$dir/munge/key" --socket="$dir/munge.sock" \
    --pid-file="$dir/munge/munged.pid" --log-file="$dir/munge/munged.log" \
    --seed-file="$dir/munge/seed"
setsid slurmctld
setsid slurmd
wait_for() { # seconds, then a command that succeeds when there is no more to wait for
    local left=$1
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || { echo "waited in vain for: $*" >&2; exit 1; }
        sleep 1
    done
}
idle() { sinfo -h -o %t | grep -q idle; }
no_jobs() { [ -z "$(squeue -h)" ]; }
wait_for 30 idle
sinfo

gapless=("$python" -m gapless)
sweep=(reproduce fig3 --scale smoke --seed 0)

# alone, a job array of three tasks, and a Dask cluster whose worker is a job
"${gapless[@]}" "${sweep[@]}" --out "$dir/alone"
"${gapless[@]}" "${sweep[@]}" --out "$dir/array" --print-slurm 3 > "$dir/array.sh"
cat "$dir/array.sh"
(cd "$dir/log" && sbatch "$dir/array.sh")
wait_for 600 no_jobs

"$python" -m distributed.cli.dask_scheduler --host 127.0.0.1 --port 0 --no-dashboard \
    --scheduler-file "$dir/scheduler.json" 2> "$dir/log/scheduler.log" &
echo $! > "$dir/scheduler.pid"
wait_for 60 test -s "$dir/scheduler.json"
(cd "$dir/log" && sbatch --job-name=dask-worker --wrap \
    "exec $python -m distributed.cli.dask_worker --scheduler-file $dir/scheduler.json --nworkers 1 --nthreads 1 --no-dashboard --local-directory $dir/spool")
address=$("$python" -c "import json, sys; print(json.load(open(sys.argv[1]))['address'])" "$dir/scheduler.json")
"${gapless[@]}" "${sweep[@]}" --out "$dir/dask" --scheduler "$address"
scancel --name=dask-worker
wait_for 60 no_jobs

"$python" - "$dir" << 'END'
import sys
from pathlib import Path
from gapless.store import Store, status

alone, *others = [Store.at(Path(sys.argv[1]) / name / "fig3") for name in ("alone", "array", "dask")]
expected = alone.read().drop_columns(["wall_s", "written_at"])
for store in others:
    found = status(store)
    assert (found.missing, found.failed, found.damaged) == (0, 0, ()), found
    assert store.read().drop_columns(["wall_s", "written_at"]).equals(expected), store.path
print(f"{expected.num_rows} records: alone, by job array and by Dask the same")
END
stop
trap - EXIT
rm -rf "$dir"
