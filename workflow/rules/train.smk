# Trainings. One job per network, number of training seeds and repeat.
#
# A finished training does not care that its dataset grew; the digest names the films it does learn from.


rule train:
    input:
        lambda wildcards: films_of(
            STUDY.trainings[wildcards.training].data,
            training_file(wildcards.training, "result.json"),
            STUDY.trainings[wildcards.training].digest,
        ),
    output:
        epochs=training_file("{training}", "epochs.csv"),
        predictions=training_file("{training}", "predictions.csv"),
        result=training_file("{training}", "result.json"),
        best=training_file("{training}", "best.pt"),
    log:
        log_of("train", "{training}"),
    benchmark:
        benchmark_of("train", "{training}")
    conda:
        "../../envs/train.yaml"
    threads: STUDY.compute["train"]["threads"]
    resources:
        **compute("train"),
    params:
        study=study_file,
        digest=lambda wildcards: STUDY.trainings[wildcards.training].digest,
    message:
        "Training {wildcards.training}"
    shell:
        "weiss train {params.study:q} {wildcards.training} --digest {params.digest} --threads {threads} > {log} 2>&1"
