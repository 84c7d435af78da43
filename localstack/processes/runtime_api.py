"""The Lambda runtime API for one process of a function, which handles one invocation at a time.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import http.server
import queue
import sys
import threading
import time
from concurrent.futures import Future, InvalidStateError

# The time in which a function may write log lines after its response.
LOG_SECONDS = 0.1


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        # A function that ends closes its connection while it waits for an invocation.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class RuntimeApi:
    def __init__(self):
        # The function waits for an invocation.
        self.ready = threading.Event()
        self.invocations = queue.Queue()
        # The response of the current invocation: its body, and whether it is an error.
        self.response = Future()
        self.server = Server(("127.0.0.1", 0), self.handler())
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def invoke(self, payload, seconds):
        """Passes an invocation to the function and returns the body of the response, and whether it is an error."""
        self.response = Future()
        self.ready.clear()
        deadline = int((time.time() + seconds) * 1000)
        self.invocations.put(payload | {"deadline": str(deadline)})
        response = self.response.result(seconds)
        # Until the function waits again, it may write log lines.
        self.ready.wait(LOG_SECONDS)
        return response

    def respond(self, body, is_error):
        """Ends the current invocation, unless it has ended."""
        try:
            self.response.set_result((body, is_error))
        except InvalidStateError:
            pass

    def close(self):
        self.invocations.put(None)
        self.server.shutdown()
        self.server.server_close()

    def handler(api):  # noqa: N805
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # With Nagle's algorithm, the second half of a response waits for the acknowledgement of the first.
            disable_nagle_algorithm = True

            def do_GET(self):
                """Responds with the next invocation."""
                api.ready.set()
                invocation = api.invocations.get()
                if invocation is None:
                    return self.respond(410)
                headers = {
                    "Content-Type": "application/json",
                    "Lambda-Runtime-Aws-Request-Id": invocation["invoke-id"],
                    "Lambda-Runtime-Deadline-Ms": invocation["deadline"],
                    "Lambda-Runtime-Invoked-Function-Arn": invocation["invoked-function-arn"],
                    "Lambda-Runtime-Trace-Id": invocation.get("trace-id") or "",
                }
                self.respond(200, invocation["payload"].encode(), headers)

            def do_POST(self):
                """Receives /invocation/ID/response, /invocation/ID/error or /init/error."""
                api.respond(self.read_body(), self.path.endswith("/error"))
                self.respond(202)

            def read_body(self):
                if length := self.headers.get("Content-Length"):
                    return self.rfile.read(int(length))
                chunks = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    chunks.append(self.rfile.read(size))
                    self.rfile.readline()
                # The empty line, or the trailers before it.
                while self.rfile.readline().strip():
                    pass
                return b"".join(chunks)

            def respond(self, status, body=b"", headers=None):
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler
