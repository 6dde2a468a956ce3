# Parameter maps. A trained network slid over films it has not seen.
#
# `update` leaves finished maps in place when the job of their training runs again for the sake of another training: the
# map's own job then sees that they are current.


rule map:
    input:
        maps_from,
    output:
        maps=update(map_file("{training}", "maps.h5")),
        metrics=update(map_file("{training}", "metrics.json")),
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
