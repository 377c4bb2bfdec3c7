"""Answers `GET /<n>` with n bytes, on kept connections. Run in a guest: byte_server.py PORT; says `ready` when it listens."""

import http.server
import socketserver
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or its two writes wait for a delayed acknowledgement

    def do_GET(self):
        count = int(self.path[1:])
        self.send_response(200)
        self.send_header("content-length", str(count))
        self.end_headers()
        block = bytes(65536)
        while count > 0:
            self.wfile.write(block[:count])
            count -= len(block)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
print("ready", flush=True)
server.serve_forever()
