# The study behind this run, and what the rules share.

import sys
from pathlib import Path

from snakemake_interface_executor_plugins.settings import ExecMode

from weiss import head, paths
from weiss.errors import UserError
from weiss.figures.names import FIGURES
from weiss.figures.names import inputs as figure_inputs
from weiss.store import is_current

RESULTS = Path("results")

# Snakemake reads this file again for every job it starts; only the process the user started looks after the run.
IS_HEAD = workflow.exec_mode == ExecMode.DEFAULT


try:
    STUDY = head.read_study(
        workflow.config_settings.configfiles,
        workflow.config_settings.config,
        Path(workflow.basedir) / "config/demo.yaml",
    )
    if IS_HEAD:
        head.check_results(STUDY, RESULTS, dry_run=workflow.output_settings.dryrun)
except UserError as error:
    # a traceback through Snakemake would bury the one line that helps
    print(f"weiss: error: {error}", file=sys.stderr)
    sys.exit(2)

head.put_weiss_on_path()

# Captions for `snakemake --report`: workflow/report/figure.rst looks them up by the figure's name.
config["captions"] = {name: figure.caption for name, figure in FIGURES.items()}


wildcard_constraints:
    shard=r"[A-Za-z0-9_.-]+",
    group=r"[A-Za-z0-9_.-]+",
    training=r"[A-Za-z0-9_.-]+",
    pretraining=r"[A-Za-z0-9_.-]+",
    job=r"[A-Za-z0-9_.-]+",
    figure=r"[A-Za-z0-9_-]+",


def study_file(wildcards, output) -> str:
    """Path of the study file.

    Snakemake does not watch parameters that are computed from the output (asked for, not used), and so moving the study
    file redoes nothing. What a job takes from the study is in its digest.
    """
    return str(STUDY.path)


def compute(stage: str) -> dict:
    """Resources of a stage's jobs, in the words of Snakemake and its Slurm plugin.

    Partition and extra options are left out unless the study gives them, so that a profile's defaults apply.
    """
    wanted = STUDY.compute[stage]
    resources = {"mem_mb": wanted["mem_mb"], "runtime": wanted["runtime"]}
    if wanted["gpus"]:
        resources["gpu"] = wanted["gpus"]
    if wanted["partition"]:
        resources["slurm_partition"] = wanted["partition"]
    if wanted["extra"]:
        resources["slurm_extra"] = wanted["extra"]
    return resources


def log_of(rule: str, job: str) -> str:
    return str(paths.log(RESULTS, STUDY.name, rule, job))


def benchmark_of(rule: str, job: str) -> str:
    return str(paths.benchmark(RESULTS, STUDY.name, rule, job))


def manifests(group: str) -> list[str]:
    return [str(paths.manifest(RESULTS, STUDY.name, shard.id)) for shard in STUDY.groups[group].shards]


def dataset(group: str) -> str:
    return str(paths.dataset(RESULTS, STUDY.name, group))


def needed_by(path: str, record: str, digest: str):
    """An input of a job whose closing file is `record`: a dataset, or the networks that a job of trainings made.

    Such files grow: a dataset whenever a film is added, a job's manifest whenever one of its trainings is redone. A job that
    is up to date does not care: to it, they are `ancient`. To a job out of date they must not be. Where the file itself
    is to be made again, Snakemake 9.27 asks no job behind it for its digest, and would leave one whose only link is
    ancient for the next run.
    """
    return ancient(path) if is_current(Path(record), digest) else path


def pretraining_file(pretraining: str, name: str) -> str:
    return str(paths.pretraining(RESULTS, STUDY.name, pretraining) / name)


def pretrained(pretraining: str) -> list[str]:
    return [pretraining_file(pretraining, name) for name in ("weights.pt", "result.json")]


def training_job(job: str) -> str:
    """Manifest of a job of trainings. A training's own files are named in it, and are not the workflow's to delete."""
    return str(paths.training_job(RESULTS, STUDY.name, job))


def learns_from(wildcards) -> list[str]:
    """The datasets a job learns from, and the pretraining its networks start from."""
    job = STUDY.training_jobs[wildcards.job]
    first = job.trainings[0]
    files = [dataset(group) for group in first.groups] + (pretrained(first.pretraining) if first.pretraining else [])
    return [needed_by(path, training_job(job.id), job.digest) for path in files]


def maps_from(wildcards) -> list[str]:
    """The films of a map, and the job of trainings that made its network."""
    job, record = STUDY.maps[wildcards.training], map_file(wildcards.training, "metrics.json")
    files = [dataset(job.films), training_job(STUDY.job_of[job.training.id].id)]
    return [needed_by(path, record, job.digest) for path in files]


def drawn_from(figure: str) -> list[str]:
    """What a figure waits for: the files it reads, and for those of a training the manifest of its job."""
    files = [str(path) for path in figure_inputs(STUDY, figure, RESULTS)]
    made_by = {
        str(paths.training(RESULTS, STUDY.name, training)): training_job(job.id)
        for training, job in STUDY.job_of.items()
    }
    return list(dict.fromkeys(made_by.get(str(Path(file).parent), file) for file in files))


def map_file(training: str, name: str) -> str:
    return str(paths.maps(RESULTS, STUDY.name, training) / name)


def figure_file(figure: str, suffix: str) -> str:
    return str(paths.figure(RESULTS, STUDY.name, figure, suffix))


STAGES = ("films", "datasets", "pretrainings", "trainings", "maps", "figures", "report")


def files_of(stage: str) -> list[str]:
    if stage == "films":
        return [path for group in STUDY.groups for path in manifests(group)]
    if stage == "datasets":
        return [dataset(group) for group in STUDY.groups]
    if stage == "pretrainings":
        return [path for pretraining in STUDY.pretrainings for path in pretrained(pretraining)]
    if stage == "trainings":
        return [training_job(job) for job in STUDY.training_jobs]
    if stage == "maps":
        return [map_file(training, name) for training in STUDY.maps for name in ("metrics.json", "maps.h5")]
    if stage == "figures":
        return [figure_file(figure, ".png") for figure in STUDY.figures]
    return [str(paths.report(RESULTS, STUDY.name))]


def start(trains: bool) -> None:
    try:
        head.start(STUDY, RESULTS, workflow, trains)
    except UserError as error:
        print(f"weiss: error: {error}", file=sys.stderr)
        sys.exit(2)


def targets(last: str):
    """Return the input function of a target rule: every file of a stage and of the stages before it.

    Snakemake does not look for a file that nothing out of date needs. Naming them all lets a run notice that one is gone.
    """

    def files(wildcards) -> list[str]:
        stages = STAGES[: STAGES.index(last) + 1]
        if IS_HEAD:
            start(trains="trainings" in stages)
        return [path for stage in stages for path in files_of(stage)]

    return files
