"""The `weiss` command: one subcommand per stage, the same lines the workflow runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from weiss.errors import UserError


def _count(text: str) -> int:
    """A whole number from 1 on, or the message argparse prints."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="weiss", description=__doc__)
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")

    def stage(name: str, text: str, job: str | None = None, workers: bool = False) -> argparse.ArgumentParser:
        sub = stages.add_parser(name, help=text, description=text)
        sub.add_argument("study", type=Path, help="study file (YAML)")
        sub.add_argument("--results", type=Path, default=Path("results"), help="results folder (default: results)")
        if job:
            sub.add_argument("job", metavar=job.upper(), help=f"which {job}, as `weiss plan` names it")
            sub.add_argument("--digest", help="stop unless the study still describes this very job")
        if workers:
            sub.add_argument("--device", choices=("auto", "cpu", "gpu"), help="default: as the study says")
            sub.add_argument("--threads", type=_count, default=1, help="CPU threads (default: 1)")
        return sub

    stage("check", "Validate a study file and say nothing more than 'ok'.")
    plan = stage("plan", "Points, shards, trainings, what exists, and an estimate of hours and disk.")
    plan.add_argument("--json", action="store_true", help="print as JSON")
    stage("simulate", "Simulate the missing films of one shard.", job="shard", workers=True)
    stage("gather", "Gather the films of one group into a dataset.", job="group")
    weights = stage("weights", "ImageNet weights the study starts from: which, where, whether sound.")
    weights.add_argument("--fetch", action="store_true", help="download what is missing (on a machine with network)")
    stage("pretrain", "Pretrain one network on images made by formulas.", job="pretraining", workers=True)
    stage("train", "Do one job of trainings, or go on where it was interrupted.", job="training", workers=True)
    stage("map", "Map the parameters over films with a sliding window.", job="map", workers=True)
    stage("figure", "Draw one figure and save its data beside it.", job="figure")
    report = stage("report", "Write the HTML report.")
    report.add_argument("--digest", help="stop unless the study still describes this very page")
    status = stage("status", "What is done, running, failed, and why.")
    status.add_argument("--json", action="store_true", help="print as JSON")
    cancel = stage("cancel", "Cancel the Slurm jobs a dead run left behind.")
    cancel.add_argument("--dry-run", action="store_true", help="list them only")
    return parser


def _run(arguments: argparse.Namespace) -> None:
    from weiss.study import check_digest, load_study

    study, results, stage = load_study(arguments.study), arguments.results, arguments.stage
    if results.exists() and not results.is_dir():
        raise UserError("is a file, expected a folder", str(results), "give another folder with --results")

    def job_of(kind: str, jobs: dict) -> object:
        """Look up the named job, and stop if the study was edited since it was planned."""
        if arguments.job not in jobs:
            raise UserError(
                f"no {kind} named {arguments.job!r} in this study",
                str(arguments.study),
                "see `weiss plan` for the names",
            )
        job = jobs[arguments.job]
        check_digest(arguments.digest, job.digest, f"{kind} {arguments.job}")
        return job

    def device_of(part: str) -> str:
        from weiss.arrays import select_device

        return select_device(arguments.device or study.compute[part]["device"], part)

    if stage == "check":
        for line in study.warnings:
            print(f"weiss: warning: {line}", file=sys.stderr)
        print("ok")
    elif stage == "plan":
        from weiss import plan

        plan.run(study, results, as_json=arguments.json)
    elif stage == "simulate":
        from weiss import simulate

        job_of("shard", study.shards)
        simulate.run(study, arguments.job, results, device=device_of("simulate"), threads=arguments.threads)
    elif stage == "gather":
        from weiss import gather

        job_of("group", study.groups)
        gather.run(study, arguments.job, results)
    elif stage == "weights":
        from weiss.learn import weights

        weights.run(study, fetch=arguments.fetch)
    elif stage == "pretrain":
        from weiss.learn import pretrain

        job_of("pretraining", study.pretrainings)
        pretrain.run(study, arguments.job, results, device=device_of("pretrain"), threads=arguments.threads)
    elif stage == "train":
        from weiss import learn

        job_of("training", study.trainings | study.curve_trainings | study.training_jobs)
        learn.run(study, arguments.job, results, device=device_of("train"), threads=arguments.threads)
    elif stage == "map":
        from weiss import maps

        job_of("map", study.maps)
        maps.run(study, arguments.job, results, device=device_of("map"), threads=arguments.threads)
    elif stage == "figure":
        from weiss import figures

        figures.run(study, arguments.job, results, expected_digest=arguments.digest)
    elif stage == "report":
        from weiss import report

        report.run(study, results, expected_digest=arguments.digest)
    elif stage == "status":
        from weiss import status

        status.run(study, results, as_json=arguments.json)
    elif stage == "cancel":
        from weiss import cancel

        cancel.run(study, dry_run=arguments.dry_run)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one stage.

    Returns
    -------
    int
        0 on success; 2 after a one-line message when the user has something to put right.
    """
    arguments = _parser().parse_args(argv)
    try:
        _run(arguments)
    except UserError as error:
        print(f"weiss: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
