"""The alarm webhook against real receivers on loopback: good, refusing, failing, hanging, dead, and hostile ones."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import socket
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from pbx112.host.webhook import SIGNATURE, Webhook, WebhookTimes
from pbx112.services.alarms import Notice
from tests.support.web import until

SECRET = "a secret of the webhook"
AT = datetime(2025, 1, 31, 10, 0, 0, 5, tzinfo=UTC)
QUICK = WebhookTimes(deadline=0.5, tries=3, retry_first=0.02, retry_most=0.05)
Writer = asyncio.StreamWriter
Answer = Callable[["Receiver", Writer], Awaitable[None]]


def notice(number: int = 1, state: str = "raised") -> Notice:
    return Notice(f"alarm-{number}", "critical", "Antrean 112 – é", state, "node1", AT)  # type: ignore[arg-type]


@dataclass
class Receiver:
    """A real server that keeps what it is sent and answers as it is told."""

    answer: Answer
    heads: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    port: int = 0

    @property
    def keys(self) -> list[str]:
        return [json.loads(body)["key"] for body in self.bodies]

    async def take(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                fields = dict(line.split(": ", 1) for line in head[1:] if line)
                names = {name.lower(): value for name, value in fields.items()}
                self.bodies.append(await reader.readexactly(int(names["content-length"])))
                self.heads.append(names)
                await self.answer(self, writer)
                await writer.drain()


def status(*codes: int, more: str = "") -> Answer:
    """Answer with these codes in turn, the last one for ever."""

    async def answer(receiver: Receiver, writer: Writer) -> None:
        code = codes[min(len(receiver.bodies), len(codes)) - 1]
        writer.write(f"HTTP/1.1 {code} X\r\nContent-Length: 0\r\n{more}\r\n".encode())

    return answer


async def hang(_: Receiver, __: Writer) -> None:
    await asyncio.Event().wait()


async def drip(_: Receiver, writer: Writer) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def garbage(_: Receiver, writer: Writer) -> None:
    writer.write(b"\x00\xff not HTTP at all\r\n\r\n")
    writer.close()


async def endless(_: Receiver, writer: Writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        await writer.drain()


@asynccontextmanager
async def receiving(answer: Answer, context: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver(answer)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: Writer) -> None:
        task = asyncio.create_task(receiver.take(reader, writer))
        tasks.add(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass
class Sender:
    webhook: Webhook
    counts: Counter[str]

    async def done(self, number: int = 1) -> None:
        await until(lambda: sum(self.counts.values()) >= number)


@asynccontextmanager
async def sending(
    address: int | str, *, secret: str | None = SECRET, most: int = 100, times: WebhookTimes = QUICK
) -> AsyncIterator[Sender]:
    counts: Counter[str] = Counter()
    url = address if isinstance(address, str) else f"http://127.0.0.1:{address}/hook?token=T0KEN"
    webhook = Webhook(url, secret, count=lambda result: counts.update([result]), most=most, times=times)
    running = asyncio.create_task(webhook.run())
    try:
        yield Sender(webhook, counts)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_given_a_receiver_when_an_alarm_changes_then_it_gets_the_body_with_its_signature() -> None:
    async with receiving(status(204)) as receiver, sending(receiver.port) as sender:
        sender.webhook.offer(notice(1))
        sender.webhook.offer(notice(1, "cleared"))
        await sender.done(2)
    assert json.loads(receiver.bodies[0]) == {
        "key": "alarm-1",
        "level": "critical",
        "state": "raised",
        "text": "Antrean 112 – é",
        "node": "node1",
        "at": "2025-01-31T10:00:00.000005Z",
    }
    assert json.loads(receiver.bodies[1])["state"] == "cleared"
    right = hmac.new(SECRET.encode(), receiver.bodies[0], hashlib.sha256).hexdigest()
    assert receiver.heads[0][SIGNATURE.lower()] == f"sha256={right}"
    assert receiver.heads[0]["content-type"] == "application/json"
    assert sender.counts == {"sent": 2}


async def test_given_no_secret_when_an_alarm_is_told_then_there_is_no_signature() -> None:
    async with receiving(status(200)) as receiver, sending(receiver.port, secret=None) as sender:
        sender.webhook.offer(notice())
        await sender.done()
    assert SIGNATURE.lower() not in receiver.heads[0]


async def test_given_a_receiver_that_fails_at_first_when_it_works_then_nothing_is_lost_and_the_order_stays() -> None:
    async with receiving(status(500, 429, 200)) as receiver, sending(receiver.port) as sender:
        for number in (1, 2, 3):
            sender.webhook.offer(notice(number))
        await sender.done(3)
    assert receiver.keys == ["alarm-1", "alarm-1", "alarm-1", "alarm-2", "alarm-3"]
    assert len(set(receiver.bodies[:3])) == 1
    assert sender.counts == {"sent": 3}


@pytest.mark.parametrize("code", [301, 302, 307, 308, 400, 401, 404])
async def test_given_a_receiver_that_refuses_or_sends_elsewhere_then_it_is_asked_once_and_not_followed(
    code: int,
) -> None:
    async with receiving(status(200)) as other:
        answer = status(code, more=f"Location: http://127.0.0.1:{other.port}/\r\n")
        async with receiving(answer) as receiver, sending(receiver.port) as sender:
            sender.webhook.offer(notice())
            await sender.done()
    assert (len(receiver.bodies), other.bodies) == (1, [])
    assert sender.counts == {"refused": 1}


@pytest.mark.parametrize("answer", [hang, drip, garbage], ids=["hang", "drip", "garbage"])
async def test_given_a_receiver_that_is_no_good_when_told_then_nobody_waits_and_it_is_given_up(answer: Answer) -> None:
    times = WebhookTimes(deadline=0.2, tries=2, retry_first=0.02, retry_most=0.05)
    async with receiving(answer) as receiver, sending(receiver.port, times=times) as sender:
        began = time.monotonic()
        sender.webhook.offer(notice(1))
        assert time.monotonic() - began < 0.05
        await sender.done()
        took = time.monotonic() - began
    assert sender.counts == {"failed": 1}
    assert len(receiver.bodies) == 2
    assert took < 2.0


async def test_given_an_answer_without_end_when_it_says_yes_then_its_body_is_not_read() -> None:
    async with receiving(endless) as receiver, sending(receiver.port) as sender:
        sender.webhook.offer(notice(1))
        await sender.done()
        sender.webhook.offer(notice(2))
        await sender.done(2)
    assert sender.counts == {"sent": 2}


async def test_given_a_dead_receiver_when_many_alarms_come_then_the_oldest_are_dropped_and_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead = int(listener.getsockname()[1])
    slow = WebhookTimes(deadline=0.5, tries=1000, retry_first=0.05, retry_most=0.05)
    with capture_logs() as logs:
        async with sending(dead, most=10, times=slow) as sender:
            for number in range(100):
                sender.webhook.offer(notice(number))
            await asyncio.sleep(0.3)
            assert sender.counts["dropped"] == 90
            assert [one.key for one in sender.webhook._notices] == [f"alarm-{number}" for number in range(91, 100)]
    assert len(logs) == 1  # a dead receiver does not fill the log
    assert "T0KEN" not in str(logs)


async def test_given_a_receiver_that_comes_back_when_alarms_wait_then_it_gets_them() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    patient = WebhookTimes(deadline=0.5, tries=1000, retry_first=0.02, retry_most=0.05)
    async with sending(port, times=patient) as sender:
        sender.webhook.offer(notice(1))
        await asyncio.sleep(0.1)
        receiver = Receiver(status(200))
        server = await asyncio.start_server(receiver.take, "127.0.0.1", port)
        await sender.done()
        server.close()
    assert receiver.keys == ["alarm-1"]


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(7).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    )
    made = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False).sign(
        key, hashes.SHA256()
    )
    file = folder / "both.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def test_given_a_certificate_that_nobody_signed_when_told_then_nothing_is_sent_there(tmp_path: Path) -> None:
    unknown = self_signed(tmp_path)
    async with receiving(status(200), unknown) as receiver, sending(f"https://localhost:{receiver.port}/") as sender:
        sender.webhook.offer(notice())
        await sender.done()
    assert (receiver.bodies, sender.counts) == ([], {"failed": 1})
