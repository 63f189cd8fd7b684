"""What the fakes of calling services share: a threaded HTTP server on a loopback port that records
every request with its time, and faults that a test orders (an answer that is lost, an error)."""

import http.server
import json
import socket
import threading
import time


class Recorded(dict):
    """One request: at (monotonic), method, path, query, headers, body, api, status."""

    __getattr__ = dict.__getitem__


class Refused(Exception):
    """An error answer."""

    def __init__(self, status, headers=None, body=b""):
        super().__init__(status)
        self.status, self.headers, self.body = status, headers or {}, body


class FakeServer:
    """`handle(request)` of the subclass answers (status, headers, body); `api_of(request)` names
    the call for `requests` and `fail_next`."""

    def __init__(self, port=0):
        self.requests = []
        self.lock = threading.RLock()
        self._faults = {}
        self._stopping = threading.Event()
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                fake._serve(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = handle_any

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):  # a client that went away
                pass

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def fail_next(self, api, *faults):
        """Faults for the next requests of the API, in order: "lose" (acts, then breaks off without
        an answer), "drop" (breaks off, does not act), "hang" (acts, never answers), an int: that
        status without acting, None: as usual."""
        with self.lock:
            self._faults.setdefault(api, []).extend(faults)

    def of(self, api):
        """The requests of one API."""
        with self.lock:
            return [request for request in self.requests if request["api"] == api]

    def error(self, status):
        """The answer for an ordered error status."""
        return status, {}, b""

    def sleep(self, seconds):
        """False when the fake is being stopped."""
        return not self._stopping.wait(max(0, seconds))

    def _serve(self, handler):
        length = int(handler.headers.get("Content-Length") or 0)
        path, _, query = handler.path.partition("?")
        request = Recorded(
            at=time.monotonic(),
            method=handler.command,
            path=path,
            query=query,
            headers=dict(handler.headers.items()),
            body=handler.rfile.read(length),
            api=None,
            status=None,
        )
        if path == "/_fake":
            return self._answer(handler, 200, {}, self.control(json.loads(request["body"])))
        request["api"] = self.api_of(request)
        with self.lock:
            self.requests.append(request)
            faults = self._faults.get(request.api)
            fault = faults.pop(0) if faults else None
        if fault == "drop":
            request["status"] = "dropped"
            return self._break(handler)
        if isinstance(fault, int):
            status, headers, body = self.error(fault)
        else:
            try:
                status, headers, body = self.handle(request)
            except Refused as refused:
                status, headers, body = refused.status, refused.headers, refused.body
        request["status"] = status
        if fault == "lose":
            return self._break(handler)
        if fault == "hang":
            self._stopping.wait(60)
            return self._break(handler)
        self._answer(handler, status, headers, body)

    def control(self, order):
        """For tests in another process: {"set": {attribute: value}, "fail_next": [api, fault…]};
        answers how often each API was asked and with what status."""
        for name, value in order.get("set", {}).items():
            setattr(self, name, value)
        if "fail_next" in order:
            self.fail_next(*order["fail_next"])
        with self.lock:
            asked = [[request["api"], request["status"]] for request in self.requests]
        return json.dumps({"requests": asked}).encode()

    @staticmethod
    def _answer(handler, status, headers, body):
        handler.send_response_only(status)  # the Date is the fake's
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    @staticmethod
    def _break(handler):
        handler.close_connection = True
        try:
            handler.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
