"""Folds, slides and explanations on a cluster of several Ray nodes, here on one machine; one node is killed."""

import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from prognoscope.core.errors import InputError
from prognoscope.core.parallel import Cluster, _room, run_many
from prognoscope.core.stopping import Stopped, stopping_when_asked
from prognoscope.features.extract import extract_slides
from prognoscope.study.explain import explain_run
from prognoscope.study.folder_extraction import extract_folder
from prognoscope.study.study import Study
from tests.features.test_extract import SPEC, write_slide
from tests.forked import begin, run_bare
from tests.run_files import contents

ray = pytest.importorskip("ray", reason="Ray is tried on Linux, up to Python 3.13: pyproject.toml")
pytestmark = pytest.mark.processes
SETTINGS = ["methods=[snn, abmil]", "splits.folds=2", "training.epochs=6", "evaluation.surgery=true"]


@pytest.fixture(scope="module")
def nodes():
    """A cluster of three nodes with a core each, and the two that may be killed."""
    from ray.cluster_utils import Cluster as Nodes

    before = {name: os.environ.get(name) for name in ("PYTHONPATH", "RAY_USAGE_STATS_ENABLED")}
    os.environ |= {"PYTHONPATH": os.pathsep.join(sys.path), "RAY_USAGE_STATS_ENABLED": "0"}
    found = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    others = [found.add_node(num_cpus=1) for _ in range(2)]
    yield found, others
    found.shutdown()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


def place_of(item):
    time.sleep(0.3)
    return ray.get_runtime_context().get_node_id(), os.getpid()


def test_a_stop_while_ray_begins_ends_as_any_stop(monkeypatch, tmp_path):
    def init(**_):
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))  # as Ray answers it
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(Stopped, match="143"), stopping_when_asked():
        list(run_many(place_of, [0], cluster=Cluster("local", tmp_path)))


def test_items_go_to_other_nodes_and_what_stops_one_is_raised_here(nodes, tmp_path):
    address = nodes[0].address
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
    there = Cluster(nodes[0].address, tmp_path)
    found = dict(run_many(die, ["good", "bad", "better"], retries=0, lost=lambda item: "lost", cluster=there))
    assert found == {"good": "good", "bad": "lost", "better": "better"}


def test_a_run_on_a_cluster_of_which_a_node_is_killed_has_the_bytes_of_one_here(nodes, simulated, tmp_path):
    found, others = nodes
    study = Study.load(simulated / "study.yaml", SETTINGS)
    whole = study.run(tmp_path / "here").folder
    killed = []

    def kill_once_it_works():
        deadline = time.monotonic() + 120
        while not list((tmp_path / "there").glob("*/fold_*/epochs.txt")) and time.monotonic() < deadline:
            time.sleep(0.01)
        raylet = others[0].all_processes["raylet"][0].process
        raylet.send_signal(signal.SIGKILL)
        killed.append(raylet.wait())

    killer = threading.Thread(target=kill_once_it_works)
    killer.start()
    standings = []
    finished = study.run(tmp_path / "there", cluster=found.address, progress=standings.append)
    killer.join()
    assert killed == [-signal.SIGKILL] and finished.failures == ()
    assert contents(tmp_path / "there") == contents(whole)
    assert standings[-1].share == 1.0 and any("epoch" in each.doing for each in standings)


def test_machines_of_a_cluster_share_a_run_with_a_process_that_is_none_of_them(nodes, simulated, tmp_path):
    command = ["run", str(simulated / "study.yaml"), *(word for each in SETTINGS for word in ("--set", each))]
    ways = {"alone": [()], "both": [("--share",), ("--share", "--cluster", nodes[0].address)]}
    for name, options in ways.items():
        processes = [begin(run_bare, *command, "--out", str(tmp_path / name), *each) for each in options]
        for process in processes:
            process.join()
        assert {process.exitcode for process in processes} == {0}
    assert contents(tmp_path / "both") == contents(tmp_path / "alone")


def test_a_machine_that_joins_while_the_work_goes_on_takes_part_in_it(nodes, tmp_path):
    found, _ = nodes
    joined, places = [], set()
    for _, (node, _) in run_many(place_of, list(range(24)), cluster=Cluster(found.address, tmp_path)):
        if not joined:
            joined.append(found.add_node(num_cpus=2).node_id)
        places.add(node)
    assert joined[0] in places


def test_slides_are_embedded_on_a_cluster(nodes, tmp_path):
    slides = {f"s{i}": write_slide(tmp_path / f"s{i}.tiff", i) for i in range(3)}
    report = extract_slides(slides, tmp_path / "there", SPEC, cluster=nodes[0].address)
    extract_slides(slides, tmp_path / "here", SPEC)
    assert sorted(report.done) == sorted(slides) and contents(tmp_path / "there") == contents(tmp_path / "here")


def test_a_folder_of_slides_is_embedded_on_a_cluster_wherever_the_command_was_started(nodes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("slides").mkdir()
    for number in range(2):
        write_slide(Path("slides") / f"s{number}.tiff", number)
    extract_folder(Path("slides"), Path("here"), ["stain"], patch_px=64)
    there = {"coords": Path("here"), "cluster": nodes[0].address}  # the same patches, by paths that are relative
    report = extract_folder(Path("slides"), Path("there"), ["stain"], **there)
    assert sorted(report.done) == ["s0", "s1"] and report.failed == {}
    with pytest.raises(InputError, match="Leave --jobs out"):
        extract_folder(Path("slides"), Path("refused"), ["stain"], workers=2, **there)
    assert not Path("refused").exists()


def test_patients_are_explained_on_a_cluster_wherever_the_command_was_started(nodes, simulated, tmp_path, monkeypatch):
    settings = ["methods=[abmil]", "splits.folds=2", "training.epochs=1", "evaluation.surgery=false"]
    run = Study.load(simulated / "study.yaml", settings).run(tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    kept = explain_run("run", most=2, pictures="none", cluster=nodes[0].address)
    there = contents(run.folder / "explanations")
    shutil.rmtree(run.folder / "explanations")
    assert len(kept) == 2 and len(explain_run("run", most=2, pictures="none")) == 2
    assert contents(run.folder / "explanations") == there


def test_a_cluster_of_this_machine_alone_is_started_by_its_name(simulated, tmp_path):
    command = ["run", str(simulated / "study.yaml"), "--out", str(tmp_path / "run"), "--cluster", "local"]
    for setting in ("methods=[snn]", "splits.folds=2", "training.epochs=2", "evaluation.surgery=false"):
        command += ["--set", setting]
    process = begin(run_bare, *command)
    process.join()
    assert process.exitcode == 0 and len(list((tmp_path / "run").glob("snn/fold_*/predictions.csv"))) == 2


def test_room_is_that_of_each_machine_not_of_all_together():
    two, gpu = {"CPU": 2.0}, {"CPU": 8.0, "GPU": 1.0}
    assert _room([two, two, two], 1, 0) == 6 and _room([two, gpu], 2, 0) == 5 and _room([two, gpu], 2, 1) == 1
    for machines, threads, gpus in (([two, two], 4, 0), ([two], 1, 1), ([], 1, 0)):
        with pytest.raises(InputError, match="has no machine with"):
            _room(machines, threads, gpus)


def test_where_no_cluster_answers_that_is_said_before_anything_is_trained(simulated, tmp_path):
    study = Study.load(simulated / "study.yaml", SETTINGS)
    with pytest.raises(InputError, match="No Ray cluster answers at 127.0.0.1:1 .*ray start --head"):
        study.run(tmp_path / "run", cluster="127.0.0.1:1")
    with pytest.raises(InputError, match="its machines decide. Leave --jobs out"):
        study.run(tmp_path / "run", cluster="127.0.0.1:1", jobs=2)
