"""Keep workers for radresp on a SLURM cluster, as many as there is work for.

    export DASK_CONFIG=configs/slurm.yaml
    python scripts/slurm_workers.py --dry-run                    shows the job script, asks nothing
    python scripts/slurm_workers.py -o scheduler --most-jobs 64  stays until Ctrl-C or SIGTERM

What a job asks for stands in configs/slurm.yaml. The scheduler and its workers speak TLS with a key
made for this start, because dask unpickles what reaches its ports. The folder of -o, which the
nodes have to see, holds the key, the scheduler's address and the settings a client needs; only its
owner can read it, and it is emptied at the end. Needs `pip install 'radresp[cluster]'`.
Research use only.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

import dask
from dask_jobqueue import SLURMCluster
from distributed import Security

from radresp import io

FILES = ADDRESS, SETTINGS, CERTIFICATE, KEY = ("address", "dask.json", "cert.pem", "key.pem")
ROLES = ("client", "scheduler", "worker")


def main() -> int:
    """Show the job script, or start the scheduler and stay."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("scheduler"), help="[scheduler]")
    parser.add_argument("--fewest-jobs", type=int, default=0, help="kept without work too [0]")
    parser.add_argument("--most-jobs", type=int, default=8, help="never more than these [8]")
    parser.add_argument("--dry-run", action="store_true", help="print the job script and end")
    asked = parser.parse_args()
    if dask.config.get("jobqueue.slurm.cores") is None:
        parser.error("no `jobqueue: slurm: cores:`; export DASK_CONFIG=configs/slurm.yaml")
    if asked.dry_run:
        with tempfile.TemporaryDirectory() as folder, cluster_in(Path(folder)) as cluster:
            print(cluster.job_script())
        return 0
    if " " in str(asked.output.resolve()):
        parser.error("the folder of -o stands in a job script unquoted: choose one without spaces")
    if (asked.output / ADDRESS).exists():
        parser.error(f"{asked.output} is a scheduler's that runs, or was killed: remove it then")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), cluster_in(asked.output) as cluster:
        ask_for_jobs(cluster, asked.fewest_jobs, asked.most_jobs)
        tell(cluster, asked.output)
        Event().wait()
    return 0


@contextmanager
def cluster_in(folder: Path) -> Iterator[SLURMCluster]:
    """A scheduler without workers yet; at the end its jobs are cancelled and its files removed."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with SLURMCluster(security=security_in(folder.resolve())) as cluster:
            yield cluster
    finally:
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
        with suppress(OSError):  # someone else's files are in it
            folder.rmdir()


def security_in(folder: Path) -> Security:
    """A new key with its certificate, as private files, and the settings of a client that has them.

    Files, because all workers of all jobs have to find them and a command line can be read by all.
    """
    made = Security.temporary().get_tls_config_for_role("client")
    cert, key = str(folder / CERTIFICATE), str(folder / KEY)
    io.write_bytes(folder / CERTIFICATE, made["cert"].encode(), private=True)
    io.write_bytes(folder / KEY, made["key"].encode(), private=True)
    client = {"cert": cert, "key": key}
    tls = {"require-encryption": True, "tls": {"ca-file": cert, "client": client}}
    io.write_json(folder / SETTINGS, {"distributed": {"comm": tls}})
    roles = {f"tls_{role}_{what}": client[what] for role in ROLES for what in client}
    return Security(require_encryption=True, tls_ca_file=cert, **roles)


def tell(cluster: SLURMCluster, folder: Path) -> None:
    """Leave the address in the folder, and say how it is used."""
    address = cluster.scheduler_address
    io.write_text(folder / ADDRESS, address + "\n")
    port = cluster.scheduler_info["services"]["dashboard"]
    print(f"Scheduler {address}, dashboard http://127.0.0.1:{port}/status. In another shell:")
    print(f"  export DASK_CONFIG={(folder / SETTINGS).resolve()}")
    print(f"  radresp extract COHORT.csv -o OUT --scheduler {address}", flush=True)


def ask_for_jobs(cluster: SLURMCluster, fewest: int, most: int) -> None:
    """As many jobs as there is work for; of jobs with several workers a fixed number.

    dask adapts workers, not jobs: of a job with several it would end the busy ones with the idle,
    and not see that all have ended.
    """
    if dask.config.get("jobqueue.slurm.processes") == 1:
        cluster.adapt(minimum_jobs=fewest, maximum_jobs=most)
    else:
        cluster.scale(jobs=most)


if __name__ == "__main__":
    sys.exit(main())
