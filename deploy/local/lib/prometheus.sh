# shellcheck shell=bash
# prometheus.sh: a Prometheus that watches the stack, with the rules of deploy/monitoring (up --monitoring).
#
# The program is the machine's, or Debian's package unpacked into build/prometheus: installed, the package
# would start a server of its own. What it knows is in the state folder.

prometheus_program() {
    command -v prometheus || echo "$CHECKOUT/build/prometheus/usr/bin/prometheus"
}

# prometheus_write_config LOADERS
prometheus_write_config() {
    local part
    mkdir -p -- "$STATE/prometheus"
    {
        cat <<EOF
# Written by deploy/local/up at each start.
global: {scrape_interval: 5s, evaluation_interval: 5s}
rule_files: ['$CHECKOUT/deploy/monitoring/rules.yaml']
scrape_configs:
  - job_name: ingest
    static_configs: [{targets: ['127.0.0.1:$(port_of ingest-admin)']}]
  - job_name: loader
    static_configs:
EOF
        for part in $(loader_parts "$1"); do
            echo "      - {targets: ['127.0.0.1:$(port_of "$part")']}"
        done
    } >"$STATE/prometheus/prometheus.yml"
}

# prometheus_up LOADERS: started, or started again for another number of loaders.
prometheus_up() {
    [ -x "$(prometheus_program)" ] || package_unpack prometheus prometheus
    process_stop prometheus
    port_require_free prometheus "$(port_of prometheus)"
    prometheus_write_config "$1"
    process_start prometheus "$(prometheus_program)" "--config.file=$STATE/prometheus/prometheus.yml" \
        "--storage.tsdb.path=$STATE/prometheus/data" "--web.listen-address=127.0.0.1:$(port_of prometheus)"
    process_await_ready prometheus prometheus_answers
    say prometheus "ready on http://127.0.0.1:$(port_of prometheus) (pid $(process_pid prometheus))"
}

prometheus_answers() {
    [ "$(curl --noproxy '*' -s -o /dev/null -m 2 -w '%{http_code}' "http://127.0.0.1:$(port_of prometheus)/-/ready")" = 200 ]
}
