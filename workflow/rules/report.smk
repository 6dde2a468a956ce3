# Figures and the report page.


rule figure:
    input:
        lambda wildcards: drawn_from(wildcards.figure),
    output:
        image=report(
            figure_file("{figure}", ".png"),
            caption="../report/figure.rst",
            category=lambda wildcards: FIGURES[wildcards.figure].category,
            labels=lambda wildcards: {"figure": FIGURES[wildcards.figure].title},
        ),
        data=figure_file("{figure}", ".csv"),
    log:
        log_of("figure", "{figure}"),
    benchmark:
        benchmark_of("figure", "{figure}")
    conda:
        "../../envs/report.yaml"
    threads: STUDY.compute["report"]["threads"]
    resources:
        **compute("report"),
    params:
        study=study_file,
        digest=lambda wildcards: STUDY.figure_digest(wildcards.figure),
    message:
        "Drawing the figure {wildcards.figure}"
    shell:
        "weiss figure {params.study:q} {wildcards.figure} --digest {params.digest} > {log} 2>&1"


rule report:
    input:
        figures=[figure_file(figure, suffix) for figure in STUDY.figures for suffix in (".png", ".csv")],
        datasets=[str(paths.dataset_summary(RESULTS, STUDY.name, group)) for group in STUDY.groups],
        pretrainings=files_of("pretrainings"),
        trainings=files_of("trainings"),
        maps=[map_file(training, "metrics.json") for training in STUDY.maps],
    output:
        str(paths.report(RESULTS, STUDY.name)),
    log:
        log_of("report", "report"),
    benchmark:
        benchmark_of("report", "report")
    conda:
        "../../envs/report.yaml"
    threads: STUDY.compute["report"]["threads"]
    resources:
        **compute("report"),
    params:
        study=study_file,
        digest=STUDY.report_digest(),
    message:
        "Writing the report"
    shell:
        "weiss report {params.study:q} --digest {params.digest} > {log} 2>&1"
