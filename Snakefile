# One study, end to end:  films -> datasets -> trainings -> maps -> figures -> report
#
#     snakemake --profile profiles/local --configfile config/demo.yaml
#
# The study file is read by weiss.study, which turns it into jobs; the rules below only say which files each job makes.

from snakemake.utils import min_version

min_version("9.27")


include: "workflow/rules/common.smk"


report: "workflow/report/workflow.rst"


rule all:
    default_target: True
    input:
        targets("report"),
    localrule: True


# Stop earlier: `snakemake films`, `datasets`, `pretrainings`, `trainings`, `maps` or `figures`.
rule films:
    input:
        targets("films"),
    localrule: True


rule datasets:
    input:
        targets("datasets"),
    localrule: True


rule pretrainings:
    input:
        targets("pretrainings"),
    localrule: True


rule trainings:
    input:
        targets("trainings"),
    localrule: True


rule maps:
    input:
        targets("maps"),
    localrule: True


rule figures:
    input:
        targets("figures"),
    localrule: True


include: "workflow/rules/simulate.smk"
include: "workflow/rules/gather.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/infer.smk"
include: "workflow/rules/report.smk"
