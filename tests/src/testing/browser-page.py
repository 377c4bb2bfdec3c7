"""A page with a script of its own and a WebSocket, served in a sandbox on port 8080."""
import base64, hashlib, http.server, socketserver

PAGE = b"""<!doctype html><title>loading</title><script src="/app.js"></script>"""
SCRIPT = b"""
const socket = new WebSocket(`ws://${location.host}/socket`);
socket.onmessage = ({ data }) => { document.title = `${data}, ${document.referrer || "no referrer"}`; };
"""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/socket":
            return self.greet()
        body, kind = (SCRIPT, "text/javascript") if self.path == "/app.js" else (PAGE, "text/html")
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def greet(self):
        key = self.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("upgrade", "websocket")
        self.send_header("connection", "upgrade")
        self.send_header("sec-websocket-accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.wfile.write(b"\x81\x05hello")
        self.rfile.read(2)
        self.close_connection = True

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", 8080), Handler)
print("ready", flush=True)
server.serve_forever()
