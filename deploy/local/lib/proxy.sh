# shellcheck shell=bash
# proxy.sh: TLS in front of ingest (up --tls): nginx with deploy/proxy/nginx.conf, and a certificate for
# localhost from a CA of the stack's own.
#
# The program is the machine's, or Debian's package unpacked into build/nginx: installed, the package
# would start a server of its own. That there is a proxy is kept with the stack: ingest's public
# address follows from it.

readonly TLS_DAYS=365
readonly TLS_RENEW_SECONDS=$((30 * 24 * 3600))

proxy_is_wanted() {
    [ -n "$(conf_get tls)" ]
}

proxy_needs() {
    ! proxy_is_wanted || echo "$NEEDS_TLS"
}

proxy_url() {
    echo "https://localhost:$(port_of proxy)"
}

proxy_ca() {
    echo "$STATE/tls/ca.pem"
}

# From now on this stack has one; an ingest that runs without is started again.
proxy_decide() {
    if ! proxy_is_wanted; then
        conf_set tls yes
        process_stop ingest
    fi
}

proxy_program() {
    PATH=$PATH:/usr/sbin command -v nginx || echo "$CHECKOUT/build/nginx/usr/sbin/nginx"
}

# The CA's key is thrown away: the certificate is the only one it will ever have signed.
proxy_make_certificate() {
    local folder=$STATE/tls.new log=$STATE/log/tls.log
    rm -rf -- "$folder"
    mkdir -m 0700 -- "$folder"
    {
        openssl req -x509 -newkey rsa:2048 -nodes -days "$TLS_DAYS" -subj '/CN=Backstitch local CA' \
            -keyout "$folder/ca.key" -out "$folder/ca.pem" &&
            openssl req -newkey rsa:2048 -nodes -subj '/CN=localhost' \
                -keyout "$folder/events.key" -out "$folder/events.csr" &&
            openssl x509 -req -in "$folder/events.csr" -CA "$folder/ca.pem" -CAkey "$folder/ca.key" -CAcreateserial \
                -days "$TLS_DAYS" -out "$folder/events.pem" \
                -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1')
    } >"$log" 2>&1 || die_with_log proxy "its certificate could not be made" "$log"
    rm -f -- "$folder/ca.key" "$folder/ca.srl" "$folder/events.csr"
    rm -rf -- "$STATE/tls"
    mv -T -- "$folder" "$STATE/tls"
}

proxy_certificate() {
    openssl x509 -checkend "$TLS_RENEW_SECONDS" -noout -in "$STATE/tls/events.pem" >/dev/null 2>&1 || proxy_make_certificate
}

# deploy/proxy/nginx.conf with this stack's ports and paths: one process, without a daemon, with nothing
# outside of the state folder.
proxy_write_config() {
    local folder=$STATE/proxy path=${STATE//&/\\&} paths='' name
    mkdir -p -- "$folder"
    for name in client_body proxy fastcgi uwsgi scgi; do
        paths+="    ${name}_temp_path \"$path/proxy/$name\";"
    done
    {
        echo '# Written by deploy/local/up at each start, from deploy/proxy/nginx.conf.'
        echo "master_process off; daemon off; pid \"$folder/nginx.pid\"; error_log stderr;"
        sed -E -e "s#listen 443 ssl#listen 127.0.0.1:$(port_of proxy) ssl#" -e "s#127\.0\.0\.1:8080#127.0.0.1:$(port_of ingest)#" \
            -e "s#/etc/nginx/events\.(pem|key)#\"$path/tls/events.\1\"#" -e 's#events\.example\.org#localhost#' \
            -e "s#^http \{#http {\n    access_log off;\n$paths#" "$CHECKOUT/deploy/proxy/nginx.conf"
    } >"$folder/nginx.conf"
}

# proxy_up: started, or left alone when it runs.
proxy_up() {
    if ! process_runs proxy; then
        [ -x "$(proxy_program)" ] || package_unpack proxy nginx
        port_require_free proxy "$(port_of proxy)"
        proxy_certificate
        proxy_write_config
        process_start proxy "$(proxy_program)" -p "$STATE/proxy" -c "$STATE/proxy/nginx.conf" -e stderr
    fi
    process_await_ready proxy proxy_answers
    say proxy "TLS on $(proxy_url) (pid $(process_pid proxy), CA $(proxy_ca))"
}

# Through to ingest, which knows nothing of this path.
proxy_answers() {
    [ "$(curl --noproxy '*' -s -o /dev/null -m 2 -w '%{http_code}' --cacert "$(proxy_ca)" "$(proxy_url)/")" = 404 ]
}
