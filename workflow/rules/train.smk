# Pretrainings and trainings. One job per pretraining; one per network, number of training seeds and block of repeats.
#
# A finished training does not care that its dataset grew; the digest names the films it does learn from.


rule pretrain:
    output:
        weights=pretraining_file("{pretraining}", "weights.pt"),
        epochs=pretraining_file("{pretraining}", "epochs.csv"),
        result=pretraining_file("{pretraining}", "result.json"),
    log:
        log_of("pretrain", "{pretraining}"),
    benchmark:
        benchmark_of("pretrain", "{pretraining}")
    conda:
        "../../envs/train.yaml"
    threads: STUDY.compute["pretrain"]["threads"]
    resources:
        **compute("pretrain"),
    params:
        study=study_file,
        digest=lambda wildcards: STUDY.pretrainings[wildcards.pretraining].digest,
    message:
        "Pretraining {wildcards.pretraining}"
    shell:
        "weiss pretrain {params.study:q} {wildcards.pretraining} --digest {params.digest} --threads {threads} > {log} 2>&1"


rule train:
    input:
        learns_from,
    output:
        training_job("{job}"),
    log:
        log_of("train", "{job}"),
    benchmark:
        benchmark_of("train", "{job}")
    conda:
        "../../envs/train.yaml"
    threads: STUDY.compute["train"]["threads"]
    resources:
        **compute("train"),
    params:
        study=study_file,
        digest=lambda wildcards: STUDY.training_jobs[wildcards.job].digest,
    message:
        "Training {wildcards.job}"
    shell:
        "weiss train {params.study:q} {wildcards.job} --digest {params.digest} --threads {threads} > {log} 2>&1"
