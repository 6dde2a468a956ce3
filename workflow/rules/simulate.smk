# Films. A shard is a block of films simulated together: one job. Its manifest names the films and their checksums.


rule simulate:
    output:
        str(paths.manifest(RESULTS, STUDY.name, "{shard}")),
    log:
        log_of("simulate", "{shard}"),
    benchmark:
        benchmark_of("simulate", "{shard}")
    conda:
        "../../envs/sim.yaml"
    threads: STUDY.compute["simulate"]["threads"]
    resources:
        **compute("simulate"),
    params:
        study=study_file,
        digest=lambda wildcards: STUDY.shards[wildcards.shard].digest,
    message:
        "Simulating the films of shard {wildcards.shard}"
    shell:
        "weiss simulate {params.study:q} {wildcards.shard} --digest {params.digest} --threads {threads} > {log} 2>&1"
