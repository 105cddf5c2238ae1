"""P1: every REST call with what it should not be given, and the documents that describe it."""
import http.client
import json
import os
import socket
import ssl

import pytest

SUITE = os.path.join(os.path.dirname(__file__), "..", "..", "..", "shared", "conformance", "json",
                     "JSONTestSuite")
BAD_BODIES = [b"", b"{", b"[]", b"null", b"1e999", b'"text"', b"\xff\xfe\x00", b"{}" * 1000,
              b'{"version": "one"}', b'{"version": 1, "nonsense": true}',
              b"[" * 100000, b'{"a":' * 5000, b'{"realms": 7, "ports": {}}']


def calls(box):
    """Every method and path the OpenAPI document names, with parameters filled in."""
    document = box.rest("GET", "/v1/openapi.json")
    assert document["openapi"].startswith("3.")
    for path, methods in document["paths"].items():
        for method in methods:
            if method in ("get", "put", "post", "delete"):
                filled = "/".join("1" if part.startswith("{") else part
                                  for part in path.split("/"))
                yield method.upper(), filled


def test_P1_every_call_survives_every_bad_body(site):
    box = site.appliance
    pids = [box.pid_of(p) for p in ("control", "agent")]
    count = 0
    for method, path in calls(box):
        if path.startswith("/v1/topology/publish"):
            continue  # takes no body; publishing forty times is another test
        for body in BAD_BODIES:
            status, headers, data = box.request(method, path, body if method != "GET" else None,
                                                {"Content-Type": "application/json",
                                                 "If-Match": "*"})
            assert 200 <= status < 500 or status == 503, (method, path, body[:20], status, data)
            if status >= 400 and data:
                assert json.loads(data), "errors are JSON"
            count += 1
    assert count > 100
    assert [box.pid_of(p) for p in ("control", "agent")] == pids, "nothing was restarted"


def test_P1_no_token_no_answer(site):
    for method, path in calls(site.appliance):
        for value in ("Bearer wrong", "Basic eDp5", "", "Bearer " + "A" * 4000):
            status, _, _ = site.appliance.request(method, path, None, {"Authorization": value})
            assert status in (401, 403, 431) or path.endswith(("/health", "/openapi.json")), (
                method, path, status)


def test_P1_all_errors_of_a_topology_at_once_with_their_paths(site):
    document = site.topology()
    document["realms"][0]["vlan"] = 70000
    document["listeners"][0]["realm"] = "nowhere"
    document["surprise"] = 1
    del document["appliance"]["fqdn"]
    status, _, data = site.appliance.request(
        "POST", "/v1/topology/validate", json.dumps(document), {"Content-Type": "application/json"})
    errors = json.loads(data)["errors"]
    paths = {e["path"] for e in errors}
    assert {"/realms/0/vlan", "/surprise"} <= paths, errors
    assert any(p.startswith("/appliance") for p in paths)
    assert all({"path", "found", "allowed"} <= set(e) for e in errors)
    assert status in (200, 422)


def test_P1_etag_guards_the_candidate(site):
    box = site.appliance
    _, headers, _ = box.request("GET", "/v1/topology/candidate")
    etag = next(v for k, v in headers.items() if k.lower() == "etag")
    document = json.dumps(site.topology())
    json_type = {"Content-Type": "application/json"}
    status, _, _ = box.request("PUT", "/v1/topology/candidate", document,
                               {**json_type, "If-Match": etag})
    assert status in (200, 204)
    status, _, _ = box.request("PUT", "/v1/topology/candidate", document,
                               {**json_type, "If-Match": '"someone-elses"'})
    assert status == 412
    status, _, _ = box.request("PUT", "/v1/topology/candidate", document, json_type)
    assert status == 428


@pytest.mark.skipif(not os.path.isdir(SUITE), reason="shared conformance material is not here")
def test_P1_JSONTestSuite_bodies(site):
    box = site.appliance
    connection = box.connection()
    for name in sorted(os.listdir(SUITE)):
        with open(os.path.join(SUITE, name), "rb") as file:
            body = file.read()
        connection.request("POST", "/v1/topology/validate", body=body, headers={
            "Authorization": f"Bearer {box.token}", "Content-Type": "application/json"})
        answer = connection.getresponse()
        data = answer.read()
        assert answer.status in (200, 400, 422), (name, answer.status, data[:200])
        if name.startswith("n_"):
            assert answer.status == 400, (name, data[:200])
        # A name that stands twice is valid JSON with two readings: refused on purpose.
        if name.startswith("y_") and "duplicated_key" not in name:
            assert answer.status != 400, (name, data[:200])
        if answer.getheader("Connection", "").lower() == "close":
            connection.close()
            connection = box.connection()
    connection.close()


RAW = [
    b"GET / HTTP/1.1\r\n\r\n", b"GET /v1/status HTTP/9.9\r\nHost: x\r\n\r\n", b"\x00" * 64,
    b"POST /v1/topology/validate HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/topology/validate HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
    b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/status HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 5000 + b"\r\n",
    b"BREW /v1/status HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/%zz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /v1/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
]


def connect(box):
    """A TLS socket at the REST interface."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    host, port = box.management.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=5) as plain:
        return context.wrap_socket(plain)


def test_P6_no_body_is_read_before_the_token(site):
    box = site.appliance
    head = ("PUT /v1/topology/candidate HTTP/1.1\r\nHost: box\r\nAuthorization: Bearer {}\r\n"
            "Content-Type: application/json\r\nContent-Length: 200000000\r\n{}\r\n")
    for expects in ("", "Expect: 100-continue\r\n"):
        with connect(box) as tls:
            tls.sendall(head.format("wrong", expects).encode())
            answer = b""
            while chunk := tls.recv(4096):  # all of it, and the end of the connection
                answer += chunk
            assert answer.startswith(b"HTTP/1.1 401 "), answer[:80]
    with connect(box) as tls:
        tls.sendall(head.format(box.token, "Expect: 100-continue\r\n").encode())
        assert tls.recv(4096).startswith(b"HTTP/1.1 100 ")


def test_P1_bytes_that_are_not_HTTP_cost_nobody_else_anything(site):
    box = site.appliance
    host, port = box.management.rsplit(":", 1)
    for raw in RAW:
        with connect(box) as tls:
            tls.sendall(raw)
            try:
                answer = tls.recv(4096)
            except (ConnectionError, ssl.SSLError, TimeoutError):
                answer = b""
            assert answer == b"" or answer.startswith(b"HTTP/1.1 4") or \
                answer.startswith(b"HTTP/1.1 5"), (raw[:40], answer[:80])
        assert box.request("GET", "/v1/status")[0] == 200
    with pytest.raises((http.client.HTTPException, OSError)):
        plain = http.client.HTTPConnection(host, int(port), timeout=3)
        plain.request("GET", "/v1/status")
        plain.getresponse()
    assert box.request("GET", "/v1/status")[0] == 200


def test_P1_answers_never_hold_a_private_key(site):
    for method, path in calls(site.appliance):
        if method == "GET":
            _, _, data = site.appliance.request("GET", path)
            assert b"PRIVATE KEY" not in data, path
    listing = site.appliance.request("GET", "/v1/certificates")[2]
    assert b"access" in listing and b"PRIVATE" not in listing
