"""Downloads are whole and verified, or not there."""

import hashlib
import os
import socket
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from paddlex.errors import DownloadError
from paddlex.utils.downloads import _HttpOnlyRedirects, download, fetch_bytes

CONTENT = bytes(range(256)) * 4000  # about 1 MB: several chunks
MD5 = hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.requested.append(self.path)
        respond = getattr(self, "on_" + self.path.partition("?")[0].strip("/").replace("/", "_"), self.on_absent)
        respond()

    def on_file(self, content=CONTENT):
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(content)

    def on_truncated(self):
        self.on_file(content=CONTENT[:1000])
        self.close_connection = True

    def on_chunked(self, last=b"0\r\n\r\n"):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"3\r\nabc\r\n" + last)

    def on_chunked_truncated(self):
        self.on_chunked(last=b"")
        self.close_connection = True

    def on_slow(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b".")
            time.sleep(0.05)

    def on_redirect(self, location="/file"):
        self.send_response(302)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def on_redirect_file(self):
        self.on_redirect("file:///etc/passwd")

    def on_redirect_ftp(self):
        self.on_redirect("ftp://127.0.0.1/file")

    def on_redirect_loop(self):
        self.on_redirect("/redirect/loop")

    def on_absent(self):
        self.send_error(404)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def running_server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # clients that hang up are part of the tests
    server.requested = []
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(running_server, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running_server.requested.clear()
    return running_server


@pytest.fixture
def url(server):
    return f"http://127.0.0.1:{server.server_address[1]}"


@pytest.fixture
def closed_url():
    """A URL at which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}/file"


# fetch_bytes


def test_fetch_bytes_returns_the_content(url):
    assert fetch_bytes(f"{url}/file") == CONTENT


def test_fetch_bytes_follows_redirects(url):
    assert fetch_bytes(f"{url}/redirect") == CONTENT


def test_fetch_bytes_reads_chunked_answers(url):
    assert fetch_bytes(f"{url}/chunked") == b"abc"


def test_an_answer_of_unknown_length_that_breaks_off_is_refused(url):
    with pytest.raises(DownloadError):
        fetch_bytes(f"{url}/chunked/truncated")


def test_fetch_bytes_refuses_what_is_too_large(url):
    with pytest.raises(DownloadError, match="larger than 1000 bytes"):
        fetch_bytes(f"{url}/file", max_bytes=1000)


def test_fetch_bytes_gives_up_on_a_server_that_trickles(url):
    with pytest.raises(DownloadError, match="too slow"):
        fetch_bytes(f"{url}/slow", max_seconds=0.2)


@pytest.mark.parametrize("path", ["redirect/file", "redirect/ftp"])
def test_a_redirect_to_another_scheme_is_refused(url, path):
    with pytest.raises(DownloadError, match=r"only http|not allowed"):
        fetch_bytes(f"{url}/{path}")


def test_a_redirect_without_end_is_refused(url):
    with pytest.raises(DownloadError):
        fetch_bytes(f"{url}/redirect/loop")


@pytest.mark.parametrize("bad", ["file:///etc/passwd", "ftp://host/file", "data:,hello", "/etc/passwd", ""])
def test_only_http_is_fetched(bad):
    with pytest.raises(DownloadError, match="only http"):
        fetch_bytes(bad)


@pytest.mark.parametrize("bad", ["http://", "http://[::1", "http://host:port/", "http://\x00/"])
def test_a_malformed_url_is_a_download_error(bad):
    with pytest.raises(DownloadError):
        fetch_bytes(bad)


def test_letters_beyond_ascii_and_spaces_are_quoted_as_a_browser_does(server, url):
    with pytest.raises(DownloadError, match="404"):
        fetch_bytes(f"{url}/图 1.png?key=a%20b&name=é#top")
    assert server.requested == ["/%E5%9B%BE%201.png?key=a%20b&name=%C3%A9"]


def test_a_missing_file_says_404_and_where(url):
    with pytest.raises(DownloadError, match="404") as caught:
        fetch_bytes(f"{url}/absent")
    assert caught.value.where == f"{url}/absent"


def test_a_refused_connection_is_a_download_error_with_a_remedy(closed_url):
    with pytest.raises(DownloadError, match=r"cannot be reached.*Check the URL"):
        fetch_bytes(closed_url)


# download


def test_download_writes_the_file_and_makes_folders(url, tmp_path):
    path = tmp_path / "new" / "folder" / "file.bin"
    assert download(f"{url}/file", path) == path
    assert path.read_bytes() == CONTENT
    assert os.listdir(path.parent) == ["file.bin"]


@pytest.mark.parametrize("checksum", [{}, {"md5": MD5}, {"sha256": SHA256.upper()}, {"md5": MD5, "sha256": SHA256}])
def test_a_second_download_does_not_ask_the_server(server, url, tmp_path, checksum):
    for _ in range(2):
        download(f"{url}/file", tmp_path / "file", **checksum)
    assert server.requested == ["/file"]


def test_a_file_with_the_wrong_checksum_is_downloaded_again(url, tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    download(f"{url}/file", tmp_path / "file", md5=MD5)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_wrong_checksum_is_an_error_that_names_both_and_keeps_what_was_there(url, tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(DownloadError, match=f"md5 {MD5}, but {'0' * 32} was expected"):
        download(f"{url}/file", tmp_path / "file", md5="0" * 32)
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_both_checksums_must_be_right(url, tmp_path):
    with pytest.raises(DownloadError, match="sha256"):
        download(f"{url}/file", tmp_path / "file", md5=MD5, sha256="0" * 64)


@pytest.mark.parametrize("path", ["truncated", "absent", "chunked/truncated"])
def test_a_download_that_fails_leaves_nothing(url, tmp_path, path):
    with pytest.raises(DownloadError):
        download(f"{url}/{path}", tmp_path / "file")
    assert os.listdir(tmp_path) == []


def test_a_truncated_download_says_how_much_came(url, tmp_path):
    with pytest.raises(DownloadError, match=f"broke off after 1000 of {len(CONTENT)} bytes"):
        download(f"{url}/truncated", tmp_path / "file")


def test_offline_the_error_says_where_to_put_the_file(closed_url, tmp_path):
    with pytest.raises(DownloadError) as caught:
        download(closed_url, tmp_path / "file")
    assert closed_url in str(caught.value)
    assert f"put it at {tmp_path / 'file'}" in str(caught.value)


def test_many_downloads_of_one_file_at_once_do_not_clash(url, tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: download(f"{url}/file", tmp_path / "file", sha256=SHA256), range(8)))
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert os.listdir(tmp_path) == ["file"]


def test_a_redirect_from_https_to_http_is_refused():
    request = urllib.request.Request("https://host/file")
    with pytest.raises(ValueError, match="leads from https:// to http://host/file"):
        _HttpOnlyRedirects().redirect_request(request, None, 302, "Found", {}, "http://host/file")


def test_a_file_that_is_larger_than_expected_is_refused_and_leaves_nothing(url, tmp_path):
    with pytest.raises(DownloadError, match="larger than 1000 bytes"):
        download(f"{url}/file", tmp_path / "file", max_bytes=1000)
    assert os.listdir(tmp_path) == []
