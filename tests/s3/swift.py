"""OpenStack Swift with its S3 API: checks signatures, presigned URLs and checksums as S3 does.

What it does not do: lifecycle rules, tags, ACLs. A part may be smaller here than S3's 5 MiB.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import tempfile
from pathlib import Path

from .process import ServerProcess

#: Every part of a multipart upload but the last; S3 has 5 MiB, which would make slow tests.
MIN_PART_BYTES = 64 * 1024

#: The end of a part's name; an upload's own mark has none.
PART = re.compile(r"/\d+$")

SWIFT_CONF = """\
[swift-hash]
swift_hash_path_prefix = worker
swift_hash_path_suffix = video

[storage-policy:0]
name = plain
default = yes
"""

STORAGE_CONF = """\
[DEFAULT]
devices = {folder}
mount_check = false
swift_dir = {folder}
log_level = ERROR

[pipeline:main]
pipeline = {name}-server

[app:{name}-server]
use = egg:swift#{name}
"""

PROXY_CONF = """\
[DEFAULT]
swift_dir = {folder}
log_level = ERROR

[pipeline:main]
pipeline = catch_errors listing_formats s3api tempauth slo proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true

[filter:catch_errors]
use = egg:swift#catch_errors

[filter:listing_formats]
use = egg:swift#listing_formats

[filter:slo]
use = egg:swift#slo

[filter:s3api]
use = egg:swift#s3api
location = us-east-1
storage_domain = localhost
min_segment_size = {min_part_bytes}
s3_acl = false
check_bucket_owner = false
allow_no_owner = true

[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
user_test_stranger = strange
"""


class Swift:
    """A Swift of one disk on loopback; takes a bucket by path, or as `<bucket>.localhost`."""

    access_key = "test:tester"
    secret_key = "testing"
    #: A known user who may do nothing here.
    stranger_key = "test:stranger"
    stranger_secret = "strange"
    region = "us-east-1"

    def __init__(self, folder: Path) -> None:
        """`folder` must be empty, and its file system must have user xattrs."""
        self._folder = folder
        self._ports: dict[str, int] = {}

    def __enter__(self) -> Swift:
        self._write_settings()
        self._process = ServerProcess(
            "serve_swift.py", str(self._folder), log=self._folder / "swift.log"
        )
        self._ports = self._process.said
        self._wait_until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """Where its S3 API listens."""
        return self._ports["proxy"]

    @property
    def pid(self) -> int:
        """The process that the servers were forked from, and end with."""
        return self._process.pid

    def log(self) -> str:
        """What its servers have complained about."""
        return self._process.log()

    def parts(self, bucket: str) -> list[str]:
        """Every part of a multipart upload that lies on the disk, whether it is in use or not.

        Asks the container server, below the S3 API, and so sees what a listing of uploads may hide.
        Each is `<key>/<upload id>/<part number>`; those of a finished object are in use. Unlike S3,
        Swift leaves the parts of a finished object that is written over or deleted.
        """
        found: list[str] = []
        for partition in (0, 1):  # the ring has two, and one of them has the container
            path = f"/disk/{partition}/AUTH_test/{bucket}+segments?format=json"
            status, body = self._get("container", path)
            if status == http.client.OK:
                found += [entry["name"] for entry in json.loads(body)]
        return sorted(name for name in found if PART.search(name))

    def _get(self, server: str, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._ports[server], timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _wait_until_ready(self) -> None:
        """The sockets were open before the servers were ready: one answer from each is enough."""
        try:
            for server in self._ports:
                self._get(server, "/")
        except OSError as error:
            self._process.stop()
            raise RuntimeError(f"Swift did not start:\n{self.log()}") from error

    def _write_settings(self) -> None:
        (self._folder / "disk").mkdir()
        (self._folder / "swift.conf").write_text(SWIFT_CONF)
        for name in ("account", "container", "object"):
            settings = STORAGE_CONF.format(folder=self._folder, name=name)
            (self._folder / f"{name}.conf").write_text(settings)
        proxy = PROXY_CONF.format(folder=self._folder, min_part_bytes=MIN_PART_BYTES)
        (self._folder / "proxy.conf").write_text(proxy)


def has_user_xattrs(folder: Path) -> bool:
    """Whether the folder's file system has user xattrs, where Swift keeps an object's metadata."""
    with tempfile.NamedTemporaryFile(dir=folder) as probe:
        try:
            os.setxattr(probe.name, "user.swift.probe", b"x" * 1024)
        except OSError:
            return False
    return True
