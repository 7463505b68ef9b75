"""nginx and HAProxy as a good operator sets them up, each with one worker. The application gets the same fields from all
three."""

import os

import processes as ps

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
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 512; keepalive_requests 1000000000; keepalive_timeout 60s; }}
  server {{
    listen 127.0.0.1:{http} backlog=4096;
    listen 127.0.0.1:{https} ssl http2 backlog=4096;
    server_name _;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3; ssl_prefer_server_ciphers on; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
    ssl_ecdh_curve X25519; ssl_session_cache off; ssl_session_tickets on; ssl_buffer_size 16k;
    http2_max_concurrent_streams 128;
    location / {{
      proxy_pass http://origin; proxy_http_version 1.1;
      proxy_buffers 16 16k; proxy_buffer_size 16k; proxy_busy_buffers_size 64k; proxy_max_temp_file_size 0;
      proxy_request_buffering off; client_body_buffer_size 16k;
      proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header Forwarded 'for=$remote_addr;host="$http_host";proto=$scheme';
    }}
  }}
}}
"""

# expose-fd: at a reload the listeners pass to the new process.
HAPROXY = """
global
  nbthread 1
  maxconn {connections}
  hard-stop-after 30s
  stats socket {folder}/admin.sock mode 600 level admin expose-fd listeners
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
  http-request set-header X-Real-IP %[src]
  http-request set-header Forwarded for=%[src];host=\\"%[req.hdr(host)]\\";proto=https if {{ ssl_fc }}
  http-request set-header Forwarded for=%[src];host=\\"%[req.hdr(host)]\\";proto=http unless {{ ssl_fc }}
  http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
  http-request set-header X-Forwarded-Proto http unless {{ ssl_fc }}
  default_backend origin
backend origin
  server origin 127.0.0.1:{origin}
"""


class Peer:
    """A master process and its worker, between its ports and the origin."""

    def __init__(self, scene):
        self.http, self.https = ps.free_port(), ps.free_port()
        self.folder = scene.folder(self.name)
        self.out = self.folder / "out"
        self.origin = scene.origin
        self.process = ps.start(self.command(scene), self.out, {ps.PROXY_CORE})
        ps.eventually(self.up, f"{self.name} is up (its output: {self.out})")

    def up(self):
        if self.process.poll() is not None:
            raise ps.Failed(f"{self.name} has ended: {self.out.read_text()[-2000:]}")
        return ps.answers(self.https)

    def pids(self):
        """All processes whose time counts as the proxy's."""
        return [self.process.pid, *ps.descendants(self.process.pid)]

    def worker_pids(self):
        return ps.descendants(self.process.pid)

    def origin_pids(self):
        return [self.origin.pid]

    def forget_logs(self):
        for log in self.folder.glob("*.log"):
            os.truncate(log, 0)

    def upgrade(self):
        """A new worker takes over from the old one; returns when it runs."""
        before = set(self.worker_pids())
        self.process.send_signal(self.reload_signal)
        ps.eventually(lambda: set(self.worker_pids()) - before, f"{self.name} has a new worker")

    def stop(self):
        ps.stop(self.process)


class Nginx(Peer):
    name = "nginx"
    remarks = "access log on, buffered, to a file; it has no metrics"
    reload_signal = ps.signal.SIGHUP

    def command(self, scene):
        config = self.folder / "nginx.conf"
        config.write_text(NGINX.format(
            user="user root;" if os.getuid() == 0 else "", files=scene.open_files, folder=self.folder, http=self.http,
            https=self.https, origin=scene.origin_port, certificate=scene.certificate, key=scene.key))
        return ["nginx", "-p", self.folder, "-c", config]


class Haproxy(Peer):
    name = "haproxy"
    remarks = "access log off (it would cost a datagram a request); counters on, as built in"
    reload_signal = ps.signal.SIGUSR2

    def command(self, scene):
        config = self.folder / "haproxy.cfg"
        pair = self.folder / "pair.pem"
        pair.write_text(scene.certificate.read_text() + scene.key.read_text())
        config.write_text(HAPROXY.format(folder=self.folder, http=self.http, https=self.https, origin=scene.origin_port,
                                         pair=pair, connections=min(20000, scene.open_files // 2 - 100)))
        return ["haproxy", "-W", "-db", "-f", config]
