#!/usr/bin/env nextflow
// Features of a cohort with Nextflow: its parts beside each other, then the tables of all of them.
//
//     nextflow run scripts/workflows/nextflow/main.nf --cohort cohort.csv --out features --parts 4
//
// --plan plan.yaml may be added, -profile slurm sends the parts to SLURM. radresp writes to --out
// itself, which all nodes have to see; what Nextflow hands on is which parts are done. A case that
// was refused does not stop the others (exit code 4; 5 where it was all of a part).
// How to: docs/how-to/workflows.md. Research use only.

params.cohort = 'cohort.csv'
params.out = 'features'
params.parts = 4
params.plan = null

process PART {
    tag "${k} of ${n}"

    input:
    tuple val(k), val(n), val(words)

    output:
    val k

    script:
    """
    export OMP_NUM_THREADS=1
    radresp extract ${words} --part ${k}/${n} --workers ${task.cpus} --progress lines || [[ \$? == [45] ]]
    """
}

process TABLES {
    input:
    tuple val(words), val(done)

    output:
    stdout

    script:
    """
    export OMP_NUM_THREADS=1
    radresp extract ${words} --workers ${task.cpus} --progress lines || [ \$? -eq 4 ]
    """
}

workflow {
    def cohort = file(params.cohort).toAbsolutePath()
    def out = file(params.out).toAbsolutePath()
    def plan = params.plan ? "--plan '${file(params.plan).toAbsolutePath()}'" : ''
    def words = "'${cohort}' -o '${out}' ${plan}".toString()
    def n = params.parts as Integer

    done = PART(channel.of(1..n).map { k -> tuple(k, n, words) }).toSortedList()
    TABLES(done.map { parts -> tuple(words, parts) }).view()
}
