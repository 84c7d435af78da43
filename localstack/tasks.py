"""Ends the ECS tasks of MiniStack, which records tasks but runs no container.

The Migrator's calls pass through this server to the emulated ECS. The server ends each task when the task is started. The
exit code of a task is 0, or 1 if the tag of its image is in `failing`.
"""

import http.server
import json
import threading
import urllib.error
import urllib.request

import boto3

# The headers that each connection sets itself.
HOP_HEADERS = ("host", "content-length", "connection", "transfer-encoding", "accept-encoding")


class Tasks:
    def __init__(self, port, endpoint):
        self.endpoint = endpoint
        self.failing = set()
        # The tags of the images, one for each started task.
        self.started = []
        self.ecs = boto3.client("ecs")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), self.handler())
        self.server.daemon_threads = True

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def respond(self, headers, body):
        """Forwards a call to the emulated ECS and returns the status and the body of the response."""
        kept = {name: value for name, value in headers.items() if name.lower() not in HOP_HEADERS}
        request = urllib.request.Request(self.endpoint, data=body, headers=kept, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                content = json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        action = headers["X-Amz-Target"].rsplit(".", 1)[1]
        for task in content["tasks"]:
            tag = task["containers"][0]["image"].rsplit(":", 1)[1]
            if action == "RunTask":
                self.started.append(tag)
                self.ecs.stop_task(cluster=task["clusterArn"], task=task["taskArn"], reason="Essential container exited")
            elif tag in self.failing:
                task["containers"][0]["exitCode"] = 1
        return 200, json.dumps(content).encode()

    def handler(self):
        tasks = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                status, body = tasks.respond(self.headers, self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler
