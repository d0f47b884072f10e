"""Folds, slides and explanations on a cluster of several Ray nodes, here on one machine; one node is killed."""

import os
import signal
import sys
import threading
import time

import pytest

from prognoscope.core.errors import InputError
from prognoscope.core.parallel import Cluster, run_many
from prognoscope.study.study import Study
from tests.run_files import contents

ray = pytest.importorskip("ray", reason="Ray has no wheel here") if sys.version_info >= (3, 14) else __import__("ray")
pytestmark = [pytest.mark.processes, pytest.mark.skipif(sys.platform != "linux", reason="nodes are killed by /proc")]
SETTINGS = ["methods=[snn, abmil]", "splits.folds=2", "training.epochs=6", "evaluation.surgery=true"]


@pytest.fixture(scope="module")
def nodes():
    """The address of a cluster of three nodes with a core each, and the two that may be killed."""
    from ray.cluster_utils import Cluster as Nodes

    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "RAY_USAGE_STATS_ENABLED")}
    os.environ |= {"PYTHONPATH": os.pathsep.join(sys.path), "RAY_USAGE_STATS_ENABLED": "0"}
    found = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    others = [found.add_node(num_cpus=1) for _ in range(2)]
    yield found.address, others
    found.shutdown()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


def place_of(item):
    time.sleep(0.3)
    return ray.get_runtime_context().get_node_id(), os.getpid()


def test_items_go_to_other_nodes_and_what_stops_one_is_raised_here(nodes, tmp_path):
    address, _ = nodes
    there = Cluster(address, tmp_path)
    found = dict(run_many(place_of, list(range(9)), cluster=there))
    assert sorted(found) == list(range(9))
    assert len({node for node, _ in found.values()}) > 1 and os.getpid() not in {pid for _, pid in found.values()}
    with pytest.raises(InputError, match="does not see .*/nowhere. The study's files and the run must lie where"):
        list(run_many(place_of, [0], cluster=Cluster(address, tmp_path / "nowhere")))
    with pytest.raises(InputError, match="has no machine with 4 CPU and 1 GPU for an item"):
        list(run_many(place_of, [0], threads=4, cluster=Cluster(address, tmp_path, gpus=1)))


def die(item):
    if item == "bad":
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_an_item_beside_which_processes_die_is_lost_and_the_others_are_finished(nodes, tmp_path):
    there = Cluster(nodes[0], tmp_path)
    found = dict(run_many(die, ["good", "bad", "better"], retries=0, lost=lambda item: "lost", cluster=there))
    assert found == {"good": "good", "bad": "lost", "better": "better"}


def test_a_run_on_a_cluster_of_which_a_node_is_killed_has_the_bytes_of_one_here(nodes, simulated, tmp_path):
    address, others = nodes
    study = Study.load(simulated / "study.yaml", SETTINGS)
    whole = study.run(tmp_path / "here").folder
    killed = []

    def kill_once_it_works():
        while not list((tmp_path / "there").glob("*/fold_*/epochs.txt")):
            time.sleep(0.01)
        raylet = others[0].all_processes["raylet"][0].process
        raylet.send_signal(signal.SIGKILL)
        killed.append(raylet.wait())

    killer = threading.Thread(target=kill_once_it_works)
    killer.start()
    standings = []
    finished = study.run(tmp_path / "there", cluster=address, progress=standings.append)
    killer.join()
    assert killed == [-signal.SIGKILL] and finished.failures == ()
    assert contents(tmp_path / "there") == contents(whole)
    assert standings[-1].share == 1.0 and any("epoch" in each.doing for each in standings)


def test_where_no_cluster_answers_that_is_said_before_anything_is_trained(simulated, tmp_path):
    study = Study.load(simulated / "study.yaml", SETTINGS)
    with pytest.raises(InputError, match="No Ray cluster answers at 127.0.0.1:1 .*ray start --head"):
        study.run(tmp_path / "run", cluster="127.0.0.1:1")
