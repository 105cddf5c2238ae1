"""sipp as a real peer. Debian's build has no TLS, so socat carries it: with our certificate
towards the appliance, and with a check of the appliance's."""
import os
import subprocess

from .appliance import wait_until

# What every request of ours starts with. {method} {user} {to} {domain} {host} {serial}
REQUEST = """{method} sip:{user}@{to} SIP/2.0
Via: SIP/2.0/TLS {host}:5061;branch=[branch];rport
Max-Forwards: 70
From: <sip:sipp@{domain}>;tag=[pid]SIPpTag[call_number]
To: <sip:{user}@{to}>
Call-ID: [call_id]
CSeq: 1 {method}
Contact: <sip:sipp@{host}:5061;transport=tls>
{extra}Content-Length: [len]

"""
IN_DIALOG = """{method} [next_url] SIP/2.0
Via: SIP/2.0/TLS {host}:5061;branch=[branch];rport
Max-Forwards: 70
From: <sip:sipp@{domain}>;tag=[pid]SIPpTag[call_number]
To: <sip:{user}@{to}>[peer_tag_param]
[routes]
Call-ID: [call_id]
CSeq: {cseq} {method}
Content-Length: 0

"""
CANCEL = """CANCEL sip:{user}@{to} SIP/2.0
[last_Via:]
Max-Forwards: 70
From: <sip:sipp@{domain}>;tag=[pid]SIPpTag[call_number]
To: <sip:{user}@{to}>
Call-ID: [call_id]
CSeq: 1 CANCEL
Content-Length: 0

"""
ACK_FAILURE = """ACK sip:{user}@{to} SIP/2.0
[last_Via:]
Max-Forwards: 70
From: <sip:sipp@{domain}>;tag=[pid]SIPpTag[call_number]
To: <sip:{user}@{to}>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Content-Length: 0

"""
RESPONSE = """SIP/2.0 {status}
[last_Via:]
[last_From:]
[last_To:];tag=[pid]UasTag[call_number]
[last_Call-ID:]
{cseq}
[last_Record-Route:]
Contact: <sip:sipp@{host}:5061;transport=tls>
Content-Length: 0

"""
EXTRA = {
    "MESSAGE": "Content-Type: text/plain\n",
    "SUBSCRIBE": "Event: presence\nExpires: 3600\nAccept: application/pidf+xml\n",
    "NOTIFY": "Event: presence\nSubscription-State: active\n",
    "SERVICE": "X-Unknown: kept as it is\n",
}
BODY = {"MESSAGE": "hello from sipp"}


def send(text, **attributes):
    names = "".join(f' {k}="{v}"' for k, v in attributes.items())
    return f"<send{names}><![CDATA[\n\n{text}\n]]></send>\n"


def receive(**attributes):
    names = "".join(f' {k}="{v}"' for k, v in attributes.items())
    return f"<recv{names}/>\n"


def scenario(name, *steps):
    return (f'<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="{name}">\n'
            + "".join(steps) + "</scenario>\n")


def response(status, host, cseq="[last_CSeq:]"):
    return send(RESPONSE.format(status=status, host=host, cseq=cseq))


def request_scenario(method, **who):
    """One request outside a dialog, answered 200."""
    text = REQUEST.format(method=method, extra=EXTRA.get(method, ""), **who)
    return scenario(method, send(text + BODY.get(method, "")),
                     receive(response=100, optional="true"), receive(response=200))


def call_scenario(**who):
    return scenario(
        "call", send(REQUEST.format(method="INVITE", extra="", **who)),
        receive(response=100, optional="true"), receive(response=180),
        receive(response=200, rrs="true"),
        send(IN_DIALOG.format(method="ACK", cseq=1, **who)),
        send(IN_DIALOG.format(method="BYE", cseq=2, **who)), receive(response=200))


def cancel_scenario(**who):
    return scenario(
        "cancel", send(REQUEST.format(method="INVITE", extra="", **who)),
        receive(response=100, optional="true"), receive(response=180),
        send(CANCEL.format(**who)), receive(response=200), receive(response=487),
        send(ACK_FAILURE.format(**who)))


def answer_scenario(method, host):
    return scenario(f"answer {method}", receive(request=method), response("200 OK", host))


def answer_call_scenario(host):
    return scenario("answer calls", receive(request="INVITE"), response("180 Ringing", host),
                     response("200 OK", host), receive(request="ACK"), receive(request="BYE"),
                     response("200 OK", host))


def answer_cancel_scenario(host):
    # The last message is the CANCEL by then, which carries the proxy's Via alone: the INVITE's
    # are kept for the answer to it.
    keep_vias = """<recv request="INVITE"><action>
  <ereg regexp=".*" search_in="hdr" header="Via:" occurrence="1" assign_to="1"/>
  <ereg regexp=".*" search_in="hdr" header="Via:" occurrence="2" assign_to="2"/>
</action></recv>
"""
    terminated = RESPONSE.format(status="487 Request Terminated", host=host,
                                 cseq="CSeq: 1 INVITE").replace("[last_Via:]",
                                                                "Via:[$1]\nVia:[$2]")
    return scenario("answer CANCEL", keep_vias, response("180 Ringing", host),
                     receive(request="CANCEL"), response("200 OK", host), send(terminated),
                     receive(request="ACK"))


class Tunnel:
    """socat between plain TCP on the namespace's loopback and TLS outside it."""

    def __init__(self, namespace, listen, connect, log):
        self.log = open(log, "ab")
        self.process = namespace.popen("socat", "-d", listen, connect, stdin=subprocess.DEVNULL,
                                       stdout=self.log, stderr=self.log)

    def stop(self):
        self.process.terminate()
        self.process.wait(5)
        self.log.close()


def bracket(address):
    return f"[{address}]" if ":" in address else address


def listening(namespace, port):
    return f":{port} " in namespace.sh("ss", "-Hltn")


def to_appliance(namespace, local_port, remote, name, chain, key, trust, log):
    """Plain TCP on 127.0.0.1:local_port becomes TLS with a client certificate to remote."""
    version = "6" if ":" in remote else "4"
    listen = f"TCP4-LISTEN:{local_port},bind=127.0.0.1,fork,reuseaddr"
    connect = (f"OPENSSL:{bracket(remote)}:5061,pf=ip{version},cert={chain},key={key},"
               f"cafile={trust},commonname={name},verify=1")
    tunnel = Tunnel(namespace, listen, connect, log)
    wait_until(lambda: listening(namespace, local_port), 5, "socat listens")
    return tunnel


def from_appliance(namespace, address, local_port, chain, key, trust, log, port=5061):
    """TLS at address:port, client certificate required, becomes plain TCP to local_port."""
    version = "6" if ":" in address else "4"
    listen = (f"OPENSSL-LISTEN:{port},bind={bracket(address)},pf=ip{version},fork,reuseaddr,"
              f"cert={chain},key={key},cafile={trust},verify=1")
    tunnel = Tunnel(namespace, listen, f"TCP4:127.0.0.1:{local_port}", log)
    wait_until(lambda: listening(namespace, port), 5, "socat listens")
    return tunnel


class Sipp:
    """One run of sipp over a scenario, in a namespace, logging into `folder`."""

    def __init__(self, namespace, folder, name, scenario, *arguments):
        self.errors = os.path.join(folder, f"{name}.errors")
        path = os.path.join(folder, f"{name}.xml")
        with open(path, "w", encoding="latin-1") as file:
            file.write(scenario)
        self.log = open(os.path.join(folder, f"{name}.log"), "wb")
        self.process = namespace.popen(
            "sipp", "-sf", path, "-t", "t1", "-i", "127.0.0.1", "-nostdin", "-trace_err",
            "-error_file", self.errors, *arguments, stdout=self.log, stderr=self.log,
            stdin=subprocess.DEVNULL, cwd=folder)

    def finish(self, seconds):
        """Waits for a client's end; raises with sipp's own words when a call failed."""
        code = self.process.wait(seconds)
        self.log.close()
        if code != 0:
            detail = ""
            if os.path.exists(self.errors):
                with open(self.errors, encoding="utf-8", errors="replace") as file:
                    detail = file.read()[-3000:]
            raise AssertionError(f"sipp {self.errors}: exit {code}\n{detail}")

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()


def serve(namespace, folder, name, scenario, port):
    sipp = Sipp(namespace, folder, name, scenario, "-p", str(port))
    wait_until(lambda: listening(namespace, port), 5, "sipp listens")
    return sipp


def call(namespace, folder, name, scenario, tunnel_port, calls=3, rate=10, seconds=20):
    sipp = Sipp(namespace, folder, name, scenario, "-m", str(calls), "-r", str(rate), "-timeout",
                str(seconds), "-timeout_error", f"127.0.0.1:{tunnel_port}")
    sipp.finish(seconds + 10)
