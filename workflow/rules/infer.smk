# Parameter maps. A trained network slid over films it has not seen.


def maps_from(wildcards) -> list[str]:
    """The films of a map, and the job of trainings that made its network."""
    job, record = STUDY.maps[wildcards.training], map_file(wildcards.training, "metrics.json")
    files = [dataset(job.films), training_job(STUDY.job_of[job.training.id].id)]
    return [needed_by(path, record, job.digest) for path in files]


rule map:
    input:
        maps_from,
    output:
        maps=map_file("{training}", "maps.h5"),
        metrics=map_file("{training}", "metrics.json"),
    log:
        log_of("map", "{training}"),
    benchmark:
        benchmark_of("map", "{training}")
    conda:
        "../../envs/train.yaml"
    threads: STUDY.compute["map"]["threads"]
    resources:
        **compute("map"),
    params:
        study=study_file,
        digest=lambda wildcards: STUDY.maps[wildcards.training].digest,
    message:
        "Mapping parameters with {wildcards.training}"
    shell:
        "weiss map {params.study:q} {wildcards.training} --digest {params.digest} --threads {threads} > {log} 2>&1"
