"""A real Zabbix 6.0 from Debian's packages: server and frontend on loopback with a private
PostgreSQL. `missing()` says what this machine lacks."""

import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import urllib.request

from .ports import free_port, wait_until

POSTGRES = pathlib.Path("/usr/lib/postgresql/15/bin")
FRONTEND = pathlib.Path("/usr/share/zabbix")
SCHEMA = pathlib.Path("/usr/share/zabbix-server-pgsql")
PACKAGES = "zabbix-server-pgsql zabbix-frontend-php zabbix-agent php-cli php-pgsql php-xml"
NEEDED = [
    POSTGRES / "initdb",
    FRONTEND / "api_jsonrpc.php",
    SCHEMA / "schema.sql.gz",
    pathlib.Path("/usr/sbin/zabbix_server"),
    pathlib.Path("/usr/bin/zabbix_sender"),
    pathlib.Path("/usr/bin/php"),
]
# What comes with data.sql for hundreds of products, and nothing here needs: users, roles, settings
# and media types stay.
KEPT = {
    "config", "dbversion", "hstgrp", "ids", "media_type", "media_type_message", "media_type_param",
    "regexps", "expressions", "role", "role_rule", "rights", "users", "users_groups", "usrgrp",
}  # fmt: skip


def missing():
    gone = [str(path) for path in NEEDED if not path.exists()]
    return f"{', '.join(gone)} not there (packages {PACKAGES})" if gone else ""


def trapper_port():
    """Zabbix takes ports up to 32767 only."""
    while True:
        port = random.randint(20000, 32767)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


class Zabbix:
    """Use as a context: `with Zabbix(directory) as zabbix`."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.web_port, self.trapper_port = free_port(), trapper_port()
        self.url = f"http://127.0.0.1:{self.web_port}"
        self.children = []
        self.session = None

    def __enter__(self):
        try:
            self._database()
            self._frontend()
            self._server()
            wait_until(self._log_in, 60, what="Zabbix's frontend")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for child in reversed(self.children):
            with contextlib.suppress(OSError):  # with its workers, at once
                os.killpg(child.pid, signal.SIGINT)
        for child in reversed(self.children):
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(10)
            with contextlib.suppress(OSError):  # Zabbix's "ha manager" stays behind
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()

    def _start(self, name, command, **more):
        with open(self.directory / f"{name}.log", "ab") as log:
            child = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, **more,
            )  # fmt: skip
        self.children.append(child)
        return child

    def _database(self):
        # PostgreSQL does not run as root.
        self.someone = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        data = self.directory / "pg"
        data.mkdir()
        if self.someone:
            shutil.chown(data, "postgres", "postgres")
            shutil.chown(self.directory, "postgres")
        run = dict(check=True, capture_output=True, cwd="/", **self.someone)
        subprocess.run(
            [POSTGRES / "initdb", "-D", data, "-U", "zabbix", "-A", "trust", "-E", "UTF8", "-N"],
            **run,
        )
        options = {
            "listen_addresses": "", "unix_socket_directories": self.directory, "fsync": "off",
            "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "60",
        }  # fmt: skip
        words = [word for k, v in options.items() for word in ("-c", f"{k}={v}")]
        self._start("pg", [POSTGRES / "postgres", "-D", data, *words], cwd="/", **self.someone)
        wait_until(
            lambda: subprocess.run(
                [POSTGRES / "pg_isready", "-h", self.directory, "-q"], check=False
            ).returncode == 0,
            30, 0.1, "Zabbix's database",
        )  # fmt: skip
        self._psql("postgres", "CREATE DATABASE zabbix;")
        schema = subprocess.check_output(["zcat", SCHEMA / "schema.sql.gz"], text=True)
        self._psql("zabbix", "\\set ON_ERROR_STOP 1\n" + schema + self._data())

    def _psql(self, database, text):
        subprocess.run(
            [POSTGRES / "psql", "-h", self.directory, "-U", "zabbix", "-X", "-q", "-d", database],
            input=text, text=True, check=True, capture_output=True,
        )  # fmt: skip

    @staticmethod
    def _data():
        text = subprocess.check_output(["zcat", SCHEMA / "data.sql.gz"], text=True)
        out = []
        # A statement begins at a line's start; scripts within one never begin so.
        for statement in text.split("\nINSERT INTO "):
            table = statement.split(" ", 1)[0]
            if table in KEPT:
                out.append("INSERT INTO " + statement.replace("COMMIT;", ""))
        return "SET session_replication_role = replica;\n" + "\n".join(out)

    def _frontend(self):
        copy = self.directory / "web"
        shutil.copytree(
            FRONTEND, copy, ignore=shutil.ignore_patterns("assets", "locale", "audio", "fonts"),
            ignore_dangling_symlinks=True,
        )  # fmt: skip
        settings = self.directory / "zabbix.conf.php"
        settings.write_text(
            "<?php\n$DB = ['TYPE' => 'POSTGRESQL', 'SERVER' => '" + str(self.directory) + "', "
            "'PORT' => '0', 'DATABASE' => 'zabbix', 'USER' => 'zabbix', 'PASSWORD' => '', "
            "'SCHEMA' => '', 'ENCRYPTION' => false, 'KEY_FILE' => '', 'CERT_FILE' => '', "
            "'CA_FILE' => '', 'VERIFY_HOST' => false, 'CIPHER_LIST' => '', 'VAULT_URL' => '', "
            "'VAULT_DB_PATH' => '', 'VAULT_TOKEN' => '', 'DOUBLE_IEEE754' => true];\n"
            "$ZBX_SERVER = '127.0.0.1';\n"
            f"$ZBX_SERVER_PORT = '{self.trapper_port}';\n"
            "$ZBX_SERVER_NAME = '';\n$IMAGE_FORMAT_DEFAULT = IMAGE_FORMAT_PNG;\n"
        )
        path = copy / "include" / "classes" / "core" / "CConfigFile.php"
        path.write_text(path.read_text().replace("/etc/zabbix/zabbix.conf.php", str(settings)))
        self._start(
            "web",
            ["php", "-d", "max_execution_time=300", "-d", "memory_limit=256M", "-d",
             "opcache.enable=0", "-S", f"127.0.0.1:{self.web_port}", "-t", copy],
            env={**os.environ, "PHP_CLI_SERVER_WORKERS": "2"},
        )  # fmt: skip

    def _server(self):
        settings = self.directory / "server.conf"
        few = ["Pollers", "PollersUnreachable", "Trappers", "Alerters", "Preprocessors",
               "HistoryPollers", "DBSyncers"]  # fmt: skip
        none = ["Pingers", "Discoverers", "HTTPPollers"]
        lines = [
            f"ListenPort={self.trapper_port}", "ListenIP=127.0.0.1", "LogType=console",
            f"PidFile={self.directory}/server.pid", f"SocketDir={self.directory}",
            f"DBHost={self.directory}", "DBName=zabbix", "DBUser=zabbix", "AllowRoot=1",
            "CacheUpdateFrequency=1", "Timeout=5", "VMwareFrequency=60",
            *[f"Start{name}=1" for name in few], *[f"Start{name}=0" for name in none],
        ]  # fmt: skip
        settings.write_text("\n".join(lines) + "\n")
        self._start("server", ["/usr/sbin/zabbix_server", "-f", "-c", settings])

    # The API
    def _log_in(self):
        try:
            self.session = self.api("user.login", {"user": "Admin", "password": "zabbix"})
        except (OSError, ValueError):
            return False
        return True

    def api(self, method, params):
        body = {"jsonrpc": "2.0", "method": method, "params": params, "id": 1}
        if self.session:
            body["auth"] = self.session
        request = urllib.request.Request(
            self.url + "/api_jsonrpc.php", json.dumps(body).encode(),
            {"Content-Type": "application/json-rpc"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=60) as answer:
            out = json.loads(answer.read())
        assert "result" in out, (method, out)
        return out["result"]

    def send(self, host, key, value):
        """True when the server took it (it must know the item first)."""
        done = subprocess.run(
            ["zabbix_sender", "-z", "127.0.0.1", "-p", str(self.trapper_port), "-s", host,
             "-k", key, "-o", str(value)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode == 0

    def tail(self, name="server", characters=4000):
        return (self.directory / f"{name}.log").read_text(errors="replace")[-characters:]
