# Datasets. All films of a group in one file, verified against the manifests.


rule gather:
    input:
        lambda wildcards: manifests(wildcards.group),
    output:
        dataset=dataset("{group}"),
        summary=str(paths.dataset_summary(RESULTS, STUDY.name, "{group}")),
    log:
        log_of("gather", "{group}"),
    benchmark:
        benchmark_of("gather", "{group}")
    conda:
        "../../envs/sim.yaml"
    threads: STUDY.compute["gather"]["threads"]
    resources:
        **compute("gather"),
    params:
        study=study_file,
        digest=lambda wildcards: STUDY.groups[wildcards.group].digest,
    message:
        "Gathering the films of group {wildcards.group}"
    shell:
        "weiss gather {params.study:q} {wildcards.group} --digest {params.digest} > {log} 2>&1"
