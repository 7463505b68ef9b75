"""nginx and HAProxy as a good operator sets them up, each with one worker. What differs between the proxies in one case
is said in the report (Proxy.remarks)."""

import os
import pathlib

import processes as ps

USER = "user root;" if os.getuid() == 0 else ""

NGINX = """
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile {files};
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 16384; multi_accept on; }}
http {{
  access_log {folder}/access.log combined buffer=64k flush=1s;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  tcp_nodelay on; keepalive_timeout 75s; keepalive_requests 1000000000; client_max_body_size 0;
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 128; keepalive_requests 1000000000; keepalive_timeout 60s; }}
  server {{
    listen 127.0.0.1:{http} backlog=4096;
    listen 127.0.0.1:{https} ssl http2 backlog=4096;
    server_name _;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3; ssl_prefer_server_ciphers on; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
    ssl_ecdh_curve X25519; ssl_session_cache off; ssl_session_tickets on; ssl_buffer_size 16k;
    http2_max_concurrent_streams 128; http2_max_requests 1000000000;
    location / {{
      proxy_pass http://origin; proxy_http_version 1.1;
      proxy_buffers 16 16k; proxy_buffer_size 16k; proxy_busy_buffers_size 64k; proxy_max_temp_file_size 0;
      proxy_request_buffering off; client_body_buffer_size 64k;
      proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Port $server_port;
    }}
  }}
}}
"""

HAPROXY = """
global
  nbthread 1
  maxconn {connections}
  ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
  ssl-default-bind-curves X25519
  ssl-default-bind-options ssl-min-ver TLSv1.2
  tune.h2.max-concurrent-streams 128
defaults
  mode http
  option http-keep-alive
  http-reuse always
  timeout connect 1s
  timeout client 75s
  timeout server 60s
  timeout http-keep-alive 75s
frontend bench
  bind 127.0.0.1:{http} backlog 4096
  bind 127.0.0.1:{https} backlog 4096 ssl crt {pair} alpn h2,http/1.1
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
  http-request set-header X-Forwarded-Proto http unless {{ ssl_fc }}
  default_backend origin
backend origin
  server origin 127.0.0.1:{origin} pool-max-conn 128
"""


class Peer:
    """One proxy of others, between its ports and the origin."""

    def __init__(self, bench, name):
        self.http, self.https = ps.free_port(), ps.free_port()
        self.folder = bench.folder(name)
        self.log = self.folder / "log"
        self.process = ps.start(self.command(bench), self.log, {ps.PROXY_CORE})
        ps.eventually(lambda: self.up() and ps.answers(self.https), f"{name} is up (its log: {self.log})")

    def up(self):
        if self.process.poll() is not None:
            raise ps.Failed(f"{self.name} has ended: {self.log.read_text()[-2000:]}")
        return True

    def pids(self):
        """All processes whose time counts as the proxy's."""
        return [self.process.pid, *ps.descendants(self.process.pid)]

    def worker_pids(self):
        return ps.descendants(self.process.pid) or [self.process.pid]

    def forget_logs(self):
        for log in self.folder.glob("*.log"):
            os.truncate(log, 0)

    def stop(self):
        ps.stop(self.process)


class Nginx(Peer):
    name = "nginx"
    remarks = "access log to a file, buffered; no metrics"

    def command(self, bench):
        config = self.folder / "nginx.conf"
        config.write_text(NGINX.format(
            user=USER, files=ps.OPEN_FILES, folder=self.folder, http=self.http, https=self.https,
            origin=bench.origin_port, certificate=bench.certificate, key=bench.key))
        return ["nginx", "-p", self.folder, "-c", config]


class Haproxy(Peer):
    name = "haproxy"
    remarks = "no access log (it would go to a syslog socket); counters as built in"

    def command(self, bench):
        config = self.folder / "haproxy.cfg"
        pair = self.folder / "pair.pem"
        pair.write_text(pathlib.Path(bench.certificate).read_text() + pathlib.Path(bench.key).read_text())
        config.write_text(HAPROXY.format(http=self.http, https=self.https, origin=bench.origin_port, pair=pair,
            connections=min(20000, ps.OPEN_FILES // 2 - 100)))
        return ["haproxy", "-db", "-f", config]
