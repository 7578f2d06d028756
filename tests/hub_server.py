"""As much of the Hugging Face hub's interface as downloads and commits need, over HTTP on this machine."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "89abcdef0123456789abcdef0123456789abcdef"


class Hub:
    """Repositories of files, in memory, and what was asked of them."""

    def __init__(self):
        self.repositories = {}
        self.sent = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                hub._answer(self)

            do_HEAD = do_POST = do_GET  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        path = request.path.partition("?")[0]
        parts = path.strip("/").split("/")
        if path == "/api/repos/create":
            wanted = json.loads(body)
            name = f"{wanted['organization']}/{wanted['name']}" if wanted.get("organization") else wanted["name"]
            self.repositories.setdefault(name, {})
            return self._json(request, {"url": f"{self.url}/{name}", "id": name})
        if path == "/api/validate-yaml":
            return self._json(request, {"errors": [], "warnings": []})
        if parts[:2] == ["api", "models"] and len(parts) >= 4:
            return self._repository(request, "/".join(parts[2:4]), parts[4:], body)
        name, file = "/".join(parts[:2]), "/".join(parts[4:])
        data = self.repositories.get(name, {}).get(file)
        if data is None:
            return self._missing(request, "EntryNotFound" if name in self.repositories else "RepoNotFound")
        self.sent.append((request.command, file))
        first = int((request.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(data).hexdigest()}"', "Accept-Ranges": "bytes"}
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
        return self._send(request, 206 if first else 200, data[first:], headers)

    def _repository(self, request, name, what, body):
        files = self.repositories.get(name)
        if files is None:
            return self._missing(request, "RepoNotFound")
        if what[:1] == ["preupload"]:
            asked = json.loads(body)["files"]
            modes = [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in asked]
            return self._json(request, {"files": modes})
        if what[:1] == ["commit"]:
            for line in body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            url = f"{self.url}/{name}/commit/{COMMIT}"
            return self._json(request, {"success": True, "commitOid": COMMIT, "commitUrl": url})
        if what[:1] == ["tree"]:
            listed = [
                {"type": "file", "path": file, "size": len(data), "oid": "0" * 40} for file, data in files.items()
            ]
            return self._json(request, listed)
        return self._json(request, {"id": name, "sha": COMMIT, "siblings": [{"rfilename": file} for file in files]})

    def _json(self, request, value):
        self._send(request, 200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _missing(self, request, code):
        self._send(request, 404, b"{}", {"X-Error-Code": code, "Content-Type": "application/json"})

    def _send(self, request, status, data, headers):
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(data)
